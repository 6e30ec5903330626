// A folder → what is wrong in it. No server, no database and nothing but this folder, the keys that are trusted and what was kept of
// earlier times: whoever checks us needs nothing of ours but this code, and can do without (auditor/verify.py).
import { checkpointOfNote } from '../note/checkpoint.ts'
import { openNote } from '../note/signed-note.ts'
import type { Verifier } from '../note/signing-key.ts'
import { TILE_WIDTH } from '../tree/tiles.ts'
import { checkCounters, readAccountCounters } from './check-counters.ts'
import { checkEvents, checkLeaves } from './check-events.ts'
import { checkPersonal, type Erased, PERSONAL_FILE } from './check-personal.ts'
import { checkState } from './check-state.ts'
import { checkCheckpoints, checkpointRows, isEither, readNewest } from './checkpoints.ts'
import { type Claims, newClaims } from './claims.ts'
import { type ExportFile, type LogRow, readExportFile } from './export-file.ts'
import { type Finding, type FindingKind, type Findings, type Loss, newFindings, type Verdict } from './findings.ts'
import { type Folder, openFolder } from './folder.ts'
import { checkCarriedOver, checkIsLast, checkOpening, readOpening, readOwnEntries } from './former-logs.ts'
import { newHeadCounts } from './head-counts.ts'
import { checkKnown, type Known, sizesOf } from './known.ts'
import { leavesListed, readTree, type Tree, tileFile } from './read-tree.ts'
import { followAnnouncements, newTrust, type Trust } from './trust.ts'
import type { VerifiedLog } from './verified-log.ts'

export type Verification = {
  readonly verdict: Verdict
  /** Of the log that is sealed into; null where the export could not be read. */
  readonly origin: string | null
  readonly size: number
  readonly root: string
  readonly events: number
  /** Events that are not sealed yet. */
  readonly pending: number
  readonly erased: readonly Erased[]
  /** Logs that go on from another, as their first entries say. */
  readonly opened: readonly Opening[]
  /** What was lost when one of them was opened, and is known of. */
  readonly accepted: readonly Loss[]
  readonly counts: Partial<Readonly<Record<FindingKind, number>>>
  readonly findings: readonly Finding[]
}

export type Opening = {
  readonly origin: string
  /** The log before it. */
  readonly follows: string
  readonly at: string
  /** The operator's. */
  readonly reason: string
}

/** What is to be kept for the next time, if the verdict is good. */
export type Verified = {
  readonly verification: Verification
  readonly keys: readonly Verifier[]
  readonly logs: readonly Known[]
  readonly accepted: readonly AcceptedLoss[]
}

/** So many leaves may lack their tiles, which are then named one by one. */
const MISSING_MAX = 64 * TILE_WIDTH

type Context = {
  readonly folder: Folder
  readonly findings: Findings
  readonly exported: ExportFile
  readonly trust: Trust
  readonly known: readonly Known[]
}

type Log = VerifiedLog & { readonly claims?: Claims }

/** Whom and what the verifier goes by. */
export type Given = {
  readonly keys: readonly Verifier[]
  readonly known: readonly Known[]
  /** Origins of logs: whatever was lost before they were opened is known of, and no finding. */
  readonly accepts: ReadonlySet<string>
  /** And what was accepted before: that, and no more. */
  readonly accepted: readonly AcceptedLoss[]
}

export type AcceptedLoss = Pick<Loss, 'log' | 'lost'>

/** Reads the folder once, and its events' files a second time for their hashes: 45 bytes of memory an event, and one shard's streams. */
export function verifyFolder(path: string, { keys, known, accepts, accepted }: Given): Verified {
  const findings = newFindings(({ log, lost }) => accepts.has(log) || accepted.some(isLoss({ log, lost })))
  const folder = openFolder(path, findings)
  const exported = folder && readExportFile(folder, findings)
  if (folder === undefined || exported === undefined) return nothingOf(findings)
  const context = { folder, findings, exported, trust: newTrust(keys), known }
  const logs: Log[] = []
  for (const row of exported.logs) {
    const log = verifyLog(context, row, row.number === exported.current)
    checkOpening(findings, log, logs.at(-1))
    logs.push(log)
  }
  const current = logs.find(({ number }) => number === exported.current)
  if (current?.claims === undefined) {
    findings.add('no-key', 'export.json', 'There is no audit log: nothing of it is signed.')
    checkKnown({ findings, trust: context.trust, logs }, known)
    return nothingOf(findings)
  }
  checkIsLast(findings, current, logs.at(-1) ?? current)
  for (const [at, former] of logs.entries()) {
    const next = logs[at + 1]
    if (next !== undefined) checkCarriedOver(findings, former, next, current)
  }
  const events = verifyEvents(context, logs, current, current.claims)
  checkKnown({ findings, trust: context.trust, logs }, known)
  const { origin, tree } = current
  const root = tree.roots.byTiles.toString('base64')
  return {
    verification: told(findings, { origin, size: tree.size, root, ...events, opened: openingsOf(logs) }),
    keys: logs.flatMap((log) => context.trust.verifiersOf(log.origin)),
    logs: logs.map((log) => ({ what: '', origin: log.origin, size: log.tree.size, root: log.tree.roots.byTiles })),
    accepted: findings.accepted
      .map(({ log, lost }) => ({ log, lost }))
      .filter((one, at, all) => all.findIndex(isLoss(one)) === at),
  }
}

const isLoss = (one: AcceptedLoss) => (other: AcceptedLoss) => one.log === other.log && one.lost === other.lost

function nothingOf(findings: Findings): Verified {
  return { verification: told(findings), keys: [], logs: [], accepted: [] }
}

function openingsOf(logs: readonly Log[]): readonly Opening[] {
  return logs.flatMap(({ origin, opened }) => {
    if (!opened?.continues) return []
    const { note, reason } = opened.continues
    return [{ origin, follows: checkpointOfNote(note)?.origin ?? '', at: opened.at, reason }]
  })
}

function verifyLog(context: Context, row: LogRow, isCurrent: boolean): Log {
  const { folder, findings, trust } = context
  const newest = readNewest(folder, findings, row)
  const size = sizeThatIsThere(context, row, newest.checkpoint?.size ?? row.size)
  const claims = isCurrent ? newClaims(findings, row.number, size) : undefined
  const sizes = new Set(sizesOf(context.known, row.origin))
  for (const kept of checkpointRows(folder, newFindings(), row.number)) sizes.add(kept.size)
  const tree = readTree({ folder, findings }, { number: row.number, size }, sizes, claims?.note)
  const announcements = claims === undefined ? readOwnEntries(folder, findings, tree) : tree.announcements
  const notes = function* () {
    for (const { note } of checkpointRows(folder, newFindings(), row.number)) yield note
    yield newest.note
  }
  followAnnouncements(trust, row.origin, announcements, notes, (checkpoint) => {
    const roots = checkpoint.size === size ? tree.roots : tree.rootsAt.get(checkpoint.size)
    return checkpoint.origin === row.origin && roots !== undefined && isEither(roots, checkpoint.root)
  })
  const verifiers = trust.verifiersOf(row.origin)
  if (verifiers.length === 0) findings.add('no-key', row.origin, 'No key is trusted for this log: name one by --key.')
  const isRoot = checkCheckpoints({ folder, findings }, row, tree, newest, verifiers)
  settle(findings, tree, newest.checkpoint?.root ?? row.root)
  const { number, origin } = row
  const opened = readOpening(findings, row, announcements)
  return {
    ...{ number, origin, tree, note: newest.note, isRoot, ...(opened && { opened }) },
    ownLeaves: announcements.map(({ leaf }) => leaf),
    ...(claims === undefined ? {} : { claims, sealedHead: claims.headOf }),
  }
}

/** A size is only a number that somebody wrote: no more is read, or kept room for, than the export has tiles of. */
function sizeThatIsThere({ folder, findings }: Context, { number }: LogRow, said: number): number {
  const there = leavesListed(folder.paths, number)
  if (said <= there + MISSING_MAX) return said
  findings.add(
    'checkpoint',
    `audit/${number}/checkpoint`,
    `It tells of ${said} entries, and the export has tiles of ${there}.`,
  )
  return there
}

/** Where entries and tiles disagree, the signed root tells which of the two were changed. */
function settle(findings: Findings, tree: Tree, signed: Buffer): void {
  const areEntriesRight = !tree.roots.byTiles.equals(signed) && tree.roots.byEntries.equals(signed)
  const wrongTiles = new Set<number>()
  for (const [leaf, hash] of tree.differing) {
    if (areEntriesRight) tree.leaves.replace(leaf, hash)
    if (areEntriesRight) wrongTiles.add(Math.floor(leaf / TILE_WIDTH))
    else
      findings.add(
        'entry',
        `audit/${tree.number} leaf ${leaf}`,
        'Its entry is not the one that its tile has the hash of.',
      )
  }
  for (const index of wrongTiles)
    findings.add('tile', tileFile(tree.number, { level: 0, index }, tree.size), 'It has not the hashes of the entries.')
}

function verifyEvents(
  given: Context,
  logs: readonly Log[],
  current: Log,
  claims: Claims,
): Pick<Verification, 'events' | 'pending' | 'erased'> {
  const counted = { events: 0, pending: 0 }
  const { folder, findings, exported, trust, known } = given
  const { number, tree, ownLeaves } = current
  const isSigned = ({ note, origin }: Known) =>
    note === undefined || 'text' in openNote(note, trust.verifiersOf(origin))
  const heads = newHeadCounts(known.filter(isSigned), logs, current)
  const accounts = readAccountCounters(folder, findings)
  const personal = folder.partsByShard(PERSONAL_FILE)
  const erased: Erased[] = []
  for (const shard of shardsOf(given, claims, personal)) {
    const counter = exported.shards.find((one) => one.shard === shard)
    const context = {
      folder,
      findings,
      leaves: tree.leaves,
      claims,
      counted,
      countOf: accounts.countOf,
      onSealed: heads.note,
    }
    const fold = checkEvents(context, shard, counter?.head)
    checkCounters({ folder, findings }, fold, counter)
    accounts.check(fold)
    checkState({ folder, findings }, fold)
    erased.push(...checkPersonal({ folder, findings }, fold, personal.get(shard) ?? []))
  }
  accounts.end()
  const own = new Set(ownLeaves)
  checkLeaves(findings, number, tree.leaves, (leaf) => own.has(leaf))
  for (const leaf of tree.empty)
    if (tree.leaves.isTaken(leaf))
      findings.add('entry', `audit/${number} leaf ${leaf}`, 'It has no entry, though its event is there.')
  heads.check(findings)
  return { ...counted, erased }
}

/** Of events, streams and state, each file is of one shard. */
const OF_SHARDS = /^(?:events|streams|state)\//
const OF_SHARD = /^(?:events|streams|state\/[a-z]+)\/(0|-?[1-9]\d{0,14})\.ndjson$/

/** Those that anything in the export speaks of: also one that there can't be, but that a row was written to. */
function shardsOf(
  { folder: { paths }, findings, exported: { shards } }: Context,
  claims: Claims,
  personal: ReadonlyMap<unknown, unknown>,
): readonly number[] {
  const named: number[] = []
  for (const path of paths) {
    const shard = OF_SHARD.exec(path)?.[1]
    if (shard !== undefined) named.push(Number(shard))
    else if (OF_SHARDS.test(path)) findings.add('unreadable', path, 'It is no file of a shard.')
  }
  const inVault = [...personal.keys()].filter((shard): shard is number => Number.isSafeInteger(shard))
  if (inVault.length < personal.size) findings.add('personal', PERSONAL_FILE, 'It has a row of no shard.')
  return [...new Set([...shards.map(({ shard }) => shard), ...claims.shards(), ...named, ...inVault])].sort(
    (a, b) => a - b,
  )
}

function told(findings: Findings, of: Partial<Verification> = {}): Verification {
  return {
    verdict: findings.verdict(),
    ...{ origin: null, size: 0, root: '', events: 0, pending: 0, erased: [], opened: [] },
    ...of,
    accepted: findings.accepted,
    counts: Object.fromEntries(findings.counts()),
    findings: findings.kept,
  }
}
