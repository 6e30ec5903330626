// A log that another one follows: what was sealed in it and is not sealed in the one that goes on is lost, and is said to be.
import type { Continued } from '../entry.ts'
import { readEntry } from '../entry.ts'
import { leafHash } from '../tree/hash.ts'
import type { Findings } from './findings.ts'
import type { Folder } from './folder.ts'
import type { LeafSet } from './leaf-set.ts'
import type { Announcement, Tree } from './read-tree.ts'
import { bytesOf, countOf } from './reading.ts'
import type { VerifiedLog } from './verified-log.ts'

/** A former log's own entries, which are exported although its events' entries are not. */
export function readOwnEntries(folder: Folder, findings: Findings, tree: Tree): readonly Announcement[] {
  const path = `audit/${tree.number}/log-entries.ndjson`
  const own: Announcement[] = []
  for (const { leaf_index: said, entry: text } of folder.rows(path)) {
    const entry = bytesOf(text)
    const read = readEntry(entry)
    const leaf = countOf(said)
    const isThere = leaf !== undefined && leaf < tree.size && leafHash(entry).equals(tree.leaves.at(leaf))
    if (isThere && read?.kind === 'log') own.push({ leaf, entry: read.entry })
    else
      findings.add(
        'entry',
        `audit/${tree.number} leaf ${String(said)}`,
        'It is not the entry of the log itself that was sealed.',
      )
  }
  return own
}

/** Whether `log` opened as the follower of `former`, or as the first where there is none; and what it says is lost. */
export function checkOpening(
  findings: Findings,
  log: VerifiedLog,
  announcements: readonly Announcement[],
  former: VerifiedLog | undefined,
): void {
  const what = `audit/${log.number} leaf 0`
  const first = announcements.find(({ leaf }) => leaf === 0)?.entry
  // An entry that is not there, or not as it was sealed, has been told already.
  if (first === undefined) return
  if (first.kind !== 'opened' || first.origin !== log.origin) {
    findings.add('former-log', what, 'The log does not begin by saying which it is.')
    return
  }
  const { continues } = first
  if (former === undefined) {
    if (continues !== null) findings.add('former-log', what, 'It follows a log that is not in the export.')
  } else if (continues === null) findings.add('former-log', what, `It does not say that it follows ${former.origin}.`)
  else checkContinued(findings, former, continues)
}

function checkContinued(findings: Findings, former: VerifiedLog, { note, anchored }: Continued): void {
  const path = `audit/${former.number}/checkpoint`
  if (note !== former.note)
    findings.add('former-log', path, 'It is not the checkpoint that the next log was opened after.')
  if (anchored === null) return
  const { size } = former.tree
  if (anchored.size > size)
    findings.add(
      'former-log',
      `audit/${former.number} leaves ${size} to ${anchored.size - 1}`,
      'They were sealed and anchored, and were lost before the next log was opened.',
    )
  else if (anchored.size === size && !anchored.root.equals(former.tree.roots.byTiles))
    findings.add('former-log', path, 'An anchor had another root of that size when the next log was opened.')
}

/** Leaves of a former log that are not among those of the log that goes on. `own`: its entries of itself. */
export function checkCarriedOver(
  findings: Findings,
  former: VerifiedLog,
  own: readonly Announcement[],
  current: LeafSet,
): void {
  const { tree, number } = former
  const isOwn = new Set([0, ...own.map(({ leaf }) => leaf)])
  const isLost = (leaf: number) =>
    leaf < tree.size && !isOwn.has(leaf) && current.indexOf(tree.leaves.at(leaf)) === undefined
  for (let leaf = 0; leaf < tree.size; leaf++) {
    if (!isLost(leaf)) continue
    const from = leaf
    while (isLost(leaf + 1)) leaf++
    const leaves = from === leaf ? `leaf ${from}` : `leaves ${from} to ${leaf}`
    findings.add('former-log', `audit/${number} ${leaves}`, 'What was sealed there is not in the log that followed.')
  }
}
