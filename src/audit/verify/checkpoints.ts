// What is signed of a log against the tree that its entries make: the newest checkpoint, and every one that was kept.
import { type Checkpoint, checkpointOfNote } from '../note/checkpoint.ts'
import { openNote } from '../note/signed-note.ts'
import type { Verifier } from '../note/signing-key.ts'
import type { LogRow } from './export-file.ts'
import type { Findings } from './findings.ts'
import type { Folder } from './folder.ts'
import type { Roots, Tree } from './read-tree.ts'
import { countOf } from './reading.ts'

export type Newest = {
  readonly note: string
  /** Of the text, whoever signed it; undefined where there is none that can be read. */
  readonly checkpoint: Checkpoint | undefined
}

export type CheckpointRow = { readonly size: number; readonly root: string; readonly note: string }

export function readNewest(folder: Folder, findings: Findings, log: LogRow): Newest {
  const path = `audit/${log.number}/checkpoint`
  const note = folder.text(path)
  const checkpoint = note === undefined ? undefined : checkpointOfNote(note)
  if (note === undefined) findings.add('checkpoint', path, 'There is none.')
  else if (checkpoint === undefined) findings.add('checkpoint', path, 'It is no checkpoint.')
  else if (checkpoint.origin !== log.origin) findings.add('checkpoint', path, 'It is of another log.')
  else if (checkpoint.size !== log.size || !checkpoint.root.equals(log.root))
    findings.add('checkpoint', path, 'The database says that the log has another size or root.')
  return { note: note ?? '', checkpoint }
}

/** Rows that can't be read as such are told, and left out. */
export function* checkpointRows(folder: Folder, findings: Findings, number: number): Iterable<CheckpointRow> {
  const path = `audit/${number}/checkpoints.ndjson`
  for (const { size: said, root, note } of folder.rows(path)) {
    const size = countOf(said)
    if (size !== undefined && typeof root === 'string' && typeof note === 'string') yield { size, root, note }
    else findings.add('unreadable', path, 'It has a row that is no checkpoint.')
  }
}

/** Says which of the two trees is the signed one, and finds whatever contradicts it. */
export function checkCheckpoints(
  { folder, findings }: { readonly folder: Folder; readonly findings: Findings },
  log: LogRow,
  tree: Tree,
  newest: Newest,
  verifiers: readonly Verifier[],
): (roots: Roots, root: Buffer) => boolean {
  const path = `audit/${log.number}/checkpoint`
  const signed = newest.checkpoint?.root ?? log.root
  const isRoot = rightOf(tree, signed)
  checkSignature(findings, path, newest.note, verifiers)
  if (!isRoot(tree.roots, signed)) findings.add('root', path, 'It is not the root that the entries make.')
  let last = -1
  let good = 0
  let bad: number | undefined
  for (const row of checkpointRows(folder, findings, log.number)) {
    const what = `audit/${log.number} checkpoint ${row.size}`
    const checkpoint = checkpointOfNote(row.note)
    checkSignature(findings, what, row.note, verifiers)
    if (checkpoint === undefined || !isRowOf(checkpoint, log, row)) {
      findings.add('checkpoint', what, 'Its row says otherwise than its note.')
      continue
    }
    if (row.size <= last || row.size > tree.size)
      findings.add('checkpoint', what, 'It is out of order, or larger than the newest.')
    last = row.size
    const roots = tree.rootsAt.get(row.size)
    if (roots === undefined) continue
    if (isRoot(roots, checkpoint.root)) good = row.size
    else bad ??= row.size
  }
  if (newest.checkpoint !== undefined && last !== newest.checkpoint.size)
    findings.add('checkpoint', path, 'It is not the last of those that were kept.')
  if (bad !== undefined)
    findings.add(
      'root',
      `audit/${log.number} checkpoint ${bad}`,
      good < bad
        ? `The first ${good} entries are as they were signed; among entries ${good} to ${bad - 1} is one that is not.`
        : 'It is not the root that the entries made then.',
    )
  return isRoot
}

/** By the tiles, by the entries where only they make the signed root, and by either where none does. */
function rightOf(tree: Tree, signed: Buffer): (roots: Roots, root: Buffer) => boolean {
  if (tree.roots.byTiles.equals(signed)) return ({ byTiles }, root) => byTiles.equals(root)
  if (tree.roots.byEntries.equals(signed)) return ({ byEntries }, root) => byEntries.equals(root)
  return isEither
}

export function isEither({ byTiles, byEntries }: Roots, root: Buffer): boolean {
  return byTiles.equals(root) || byEntries.equals(root)
}

function checkSignature(findings: Findings, what: string, note: string, verifiers: readonly Verifier[]): void {
  if (note === '' || verifiers.length === 0) return
  const opened = openNote(note, verifiers)
  if ('problem' in opened) findings.add('signature', what, `It is not to be believed: ${opened.problem}.`)
}

function isRowOf(checkpoint: Checkpoint, log: LogRow, row: CheckpointRow): boolean {
  return (
    checkpoint.origin === log.origin && checkpoint.size === row.size && checkpoint.root.toString('base64') === row.root
  )
}
