// A log that another one follows: what was sealed in it and is not sealed in the one that goes on is lost, and is said to be.
import { type Continued, type Opened, readEntry } from '../entry.ts'
import { leafHash } from '../tree/hash.ts'
import type { Findings } from './findings.ts'
import type { Folder } from './folder.ts'
import { newFrontier } from './frontier.ts'
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

/** How the log began. Undefined where nothing says so that was sealed as its first leaf. */
export function readOpening(
  findings: Findings,
  { number, origin }: Pick<VerifiedLog, 'number' | 'origin'>,
  announcements: readonly Announcement[],
): Opened | undefined {
  const first = announcements.find(({ leaf }) => leaf === 0)?.entry
  if (first?.kind === 'opened' && first.origin === origin) return first
  findings.add('former-log', `audit/${number} leaf 0`, 'The log does not begin by saying which it is.')
  return undefined
}

/** Whether a log opened as the follower of `former`, or as the first where there is none; and what it says is lost. */
export function checkOpening(
  findings: Findings,
  { number, opened }: VerifiedLog,
  former: VerifiedLog | undefined,
): void {
  if (opened === undefined) return
  const what = `audit/${number} leaf 0`
  const { continues } = opened
  if (former === undefined) {
    if (continues !== null) findings.add('former-log', what, 'It follows a log that is not in the export.')
  } else if (continues === null) findings.add('former-log', what, `It does not say that it follows ${former.origin}.`)
  else checkContinued(findings, former, opened, continues)
}

function checkContinued(
  findings: Findings,
  former: VerifiedLog,
  { origin }: Opened,
  { note, anchored }: Continued,
): void {
  const path = `audit/${former.number}/checkpoint`
  if (note !== former.note)
    findings.add('former-log', path, 'It is not the checkpoint that the next log was opened after.')
  if (anchored === null) return
  const { size } = former.tree
  if (anchored.size > size) {
    const lost = lostRange(former, anchored.size)
    const detail = 'They were sealed and anchored, and were lost before the next log was opened.'
    findings.addLoss({ log: origin, kind: 'former-log', what: lost, detail, lost })
  } else if (!anchored.root.equals(rootAt(former, anchored.size)))
    findings.add('former-log', path, 'An anchor had another root of that size when the next log was opened.')
}

/** Of its first leaves. */
function rootAt({ tree }: VerifiedLog, size: number): Buffer {
  const frontier = newFrontier()
  for (let leaf = 0; leaf < size; leaf++) frontier.push(tree.leaves.at(leaf))
  return frontier.root()
}

/** What a log had up to that size, and has no more. */
export function lostRange({ number, tree }: VerifiedLog, anchoredSize: number): string {
  return `audit/${number} leaves ${tree.size} to ${anchoredSize - 1}`
}

/** Leaves of a former log that are in none that went on: lost when `next` was opened. */
export function checkCarriedOver(
  findings: Findings,
  former: VerifiedLog,
  next: VerifiedLog,
  current: VerifiedLog,
): void {
  const { tree, number } = former
  const isOwn = new Set([0, ...former.ownLeaves])
  const isLost = (leaf: number) =>
    leaf < tree.size && !isOwn.has(leaf) && !isCarriedOver(former, leaf, next) && !isCarriedOver(former, leaf, current)
  for (let leaf = 0; leaf < tree.size; leaf++) {
    if (!isLost(leaf)) continue
    const from = leaf
    while (isLost(leaf + 1)) leaf++
    const lost = `audit/${number} ${from === leaf ? `leaf ${from}` : `leaves ${from} to ${leaf}`}`
    const detail = 'What was sealed there is not in the log that followed.'
    findings.addLoss({ log: next.origin, kind: 'former-log', what: lost, detail, lost })
  }
}

export function isCarriedOver({ tree }: VerifiedLog, leaf: number, log: VerifiedLog): boolean {
  return log.tree.leaves.indexOf(tree.leaves.at(leaf)) !== undefined
}

/** A log that follows the one that is sealed into: whoever set the database back would have it pass for a former one. */
export function checkIsLast(findings: Findings, current: VerifiedLog, last: VerifiedLog): void {
  if (last.number > current.number)
    findings.add(
      'former-log',
      'export.json',
      `audit/${current.number} is the log that is sealed into, and audit/${last.number} was opened after it.`,
    )
}
