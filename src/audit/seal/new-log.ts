// After a restore that lost sealed events the log can't go on: it would sign, at sizes it has signed already, other roots. Another
// log is begun that says what it goes on from, and seals all events that are there anew; and what is missing is told exactly.
import type { CompiledQuery } from 'kysely'
import { type Database, statement } from '#database/connect.ts'
import { inTransaction, type Reading, type Transaction } from '#database/transaction.ts'
import { invariant } from '#domain/invariant.ts'
import type { Keyring } from '#secret/keyring.ts'
import type { Anchor, AnchorRecord } from '../anchor/anchor.ts'
import { type Continued, eventEntry } from '../entry.ts'
import { openCheckpoint } from '../note/signed-checkpoint.ts'
import type { SigningKeys } from '../note/signing-key.ts'
import { readEntries } from '../store/entries.ts'
import { LOG_COLUMNS, type LogRow, storedTiles } from '../store/logs.ts'
import { HASH_BYTES, leafHash } from '../tree/hash.ts'
import { TILE_WIDTH } from '../tree/tiles.ts'
import { beginLog, originOf, placeOf } from './begin-log.ts'
import { newestClosed } from './lease.ts'
import { readPending } from './pending.ts'
import { type SealedSoFar, type SealingLog, sealLeaves } from './seal-leaves.ts'
import { type KnownRecord, knownByAnchors, problemOfLog } from './take-over.ts'

/** A leaf of the former log whose event is not there any more, or not as it was. */
export type LostLeaf = { readonly index: number; readonly shard: number; readonly shardPosition: bigint }

export type Begun = {
  readonly kind: 'begun'
  readonly origin: string
  /** Sealed in it. */
  readonly entries: number
  readonly former: { readonly origin: string; readonly size: number }
  /** What an anchor knows that is larger than the former log is now. */
  readonly anchored: { readonly origin: string; readonly size: number } | null
  /** By shard: positions that were sealed after that, first and last. */
  readonly lostPositions: readonly { readonly shard: number; readonly from: bigint; readonly to: bigint }[]
  readonly lostLeaves: readonly LostLeaf[]
  /** Entries of the former log of which the database does not say any more what they were. */
  readonly unlisted: number
}

export type NewLogOutcome = Begun | { readonly kind: 'refused'; readonly why: string }

export type NewLogParts = {
  readonly database: Database
  readonly keyring: Keyring
  readonly keys: SigningKeys
  /** Of a log that does not follow another one of the database. */
  readonly host: string
  readonly anchors: readonly Anchor[]
  readonly reason: string
  /** The keys that signed the former log are lost: what it goes on from is taken from the database as it stands. */
  readonly isKeyLost: boolean
}

/** Whole or not at all: all events are sealed in the new log, or nothing was done. */
export async function newLog(parts: NewLogParts): Promise<NewLogOutcome> {
  const { database, keyring, keys, anchors } = parts
  return inTransaction(database, async (transaction) => {
    const { run } = transaction
    const [open] = await run(
      statement<LogRow>(
        `UPDATE audit.log SET closed_at = clock_timestamp() WHERE closed_at IS NULL RETURNING ${LOG_COLUMNS}`,
        [],
      ),
    )
    // Not the open one where somebody opened a former one again.
    const [former] = await run(newestClosed())
    const known = await knownByAnchors(anchors, keys, former?.origin ?? originOf(parts.host, 1))
    if (typeof known === 'string') return { kind: 'refused', why: known }
    const last = newestOf(known)
    if (former === undefined && last === undefined)
      return { kind: 'refused', why: 'there is no audit log yet: the first server to start begins it' }
    if (open !== undefined && (await canGoOn(parts, transaction, open, known)))
      return {
        kind: 'refused',
        why: `${open.origin} can be gone on with: its newest checkpoint and its tiles are as they were signed`,
      }
    const continues = await continuedBy(parts, transaction, former, known)
    if (continues === undefined)
      return { kind: 'refused', why: 'no checkpoint of the former log is signed by the keys that are configured' }
    const lost = await whatIsLost(transaction, former, known)
    // One above all that anybody knows: under a number that was signed once, it would be signed in two ways.
    const number = 1 + Math.max(former?.log_number ?? 0, last === undefined ? 0 : numberOf(last))
    const origin = originOf(placeOf(former?.origin ?? last?.origin ?? '')?.host ?? parts.host, number)
    const signers = keys.signers(origin)
    const begun = await beginLog(transaction, { number, origin, signers, continues })
    invariant(begun !== undefined, 'the number after the last is free')
    const sealed = await sealEverything(transaction, keyring, { logNumber: number, origin, signers }, begun)
    if ('why' in sealed) return { kind: 'refused', why: sealed.why }
    await transaction.commitWith(sealed.last)
    return { kind: 'begun', origin, entries: sealed.sealed.edge.size, ...lost }
  })
}

async function canGoOn(
  { keyring, keys }: NewLogParts,
  reading: Reading,
  open: LogRow,
  known: readonly KnownRecord[],
): Promise<boolean> {
  if ((await problemOfLog(reading, open, keys.signers(open.origin), known)) !== undefined) return false
  return (await readPending(reading, keyring, open.log_number)).kind === 'events'
}

/** Of the log with the highest number, the largest. */
function newestOf(known: readonly KnownRecord[]): KnownRecord | undefined {
  return known.toSorted((a, b) => numberOf(a) - numberOf(b) || a.size - b.size).at(-1)
}

function numberOf({ origin }: KnownRecord): number {
  return placeOf(origin)?.number ?? 0
}

async function continuedBy(
  { keys, reason, isKeyLost }: NewLogParts,
  reading: Reading,
  former: LogRow | undefined,
  known: readonly KnownRecord[],
): Promise<Continued | undefined> {
  const last = newestOf(known)
  const isLater = last !== undefined && numberOf(last) > (former?.log_number ?? 0)
  const anchored = isLater ? last : newestOf(known.filter(({ origin }) => origin === former?.origin))
  const signers = former && keys.signers(former.origin)
  const signed =
    former &&
    signers &&
    (await lastNote(reading, former, (note) => openCheckpoint(note, signers)?.origin === former.origin))
  const unsigned = former && isKeyLost ? await lastNote(reading, former, () => true) : undefined
  const note = isLater ? last.record.note : (signed ?? anchored?.record.note ?? unsigned)
  return note === undefined ? undefined : { note, anchored: anchored ?? null, reason }
}

async function sealEverything(
  transaction: Pick<Transaction, 'run'>,
  keyring: Keyring,
  log: SealingLog,
  begun: SealedSoFar,
): Promise<SealedSoFar | { readonly why: string }> {
  for (let so = begun; ; ) {
    const pending = await readPending(transaction, keyring, log.logNumber)
    if (pending.kind === 'refused')
      return {
        why: `${pending.why}. Put it back as it was first: a backup has it, and so has every export of its time`,
      }
    if (pending.events.length === 0) return so
    await transaction.run(so.last)
    so = await sealLeaves(
      transaction,
      log,
      so.sealed.edge,
      pending.events.map((event) => ({ entry: eventEntry(event), event })),
    )
    if (pending.isAll) return so
  }
}

type Lost = Pick<Begun, 'former' | 'anchored' | 'lostPositions' | 'lostLeaves' | 'unlisted'>

async function whatIsLost(reading: Reading, former: LogRow | undefined, known: readonly KnownRecord[]): Promise<Lost> {
  const last = newestOf(known)
  if (former === undefined) {
    invariant(last !== undefined, 'something is gone on from')
    const { origin, size, record } = last
    const lostPositions = positionsBeyond(new Map(), record)
    return { former: { origin, size: 0 }, anchored: { origin, size }, lostPositions, lostLeaves: [], unlisted: 0 }
  }
  const { log_number: number, origin, size } = former
  const ahead = last && (numberOf(last) > number || last.size > Number(size)) ? last : undefined
  return {
    former: { origin, size: Number(size) },
    anchored: ahead === undefined ? null : { origin: ahead.origin, size: ahead.size },
    lostPositions: ahead === undefined ? [] : positionsBeyond(await sealedHeads(reading, number), ahead.record),
    ...(await findLostLeaves(reading, former)),
  }
}

/** The newest that is as it should be. */
async function lastNote(
  { run }: Reading,
  { log_number: logNumber }: LogRow,
  isGood: (note: string) => boolean,
): Promise<string | undefined> {
  for (let below: bigint | undefined; ; ) {
    const rows = await run(
      statement<{ size: bigint; note: string }>(
        `SELECT size, note FROM audit.checkpoint WHERE log_number = $1 AND ($2::bigint IS NULL OR size < $2)
          ORDER BY size DESC LIMIT 100`,
        [logNumber, below ?? null],
      ),
    )
    const good = rows.find(({ note }) => isGood(note))
    below = rows.at(-1)?.size
    if (good !== undefined || below === undefined) return good?.note
  }
}

/** By shard, up to where it was sealed. */
async function sealedHeads({ run }: Reading, logNumber: number): Promise<ReadonlyMap<number, bigint>> {
  const rows = await run(
    statement<{ shard: number; shard_position: bigint }>(
      'SELECT shard, shard_position FROM audit.cursor WHERE log_number = $1',
      [logNumber],
    ),
  )
  return new Map(rows.map(({ shard, shard_position }) => [shard, shard_position]))
}

/** What an anchor's record says was sealed beyond that. */
function positionsBeyond(sealed: ReadonlyMap<number, bigint>, { heads }: AnchorRecord): Begun['lostPositions'] {
  return Object.entries(heads).flatMap(([shard, head]) => {
    const from = (sealed.get(Number(shard)) ?? 0n) + 1n
    return from <= BigInt(head) ? [{ shard: Number(shard), from, to: BigInt(head) }] : []
  })
}

/** A tile of leaves at a time; `unlisted`: of how many nothing says any more what they were. */
async function findLostLeaves(
  reading: Reading,
  { log_number: logNumber, size }: LogRow,
): Promise<{ readonly lostLeaves: readonly LostLeaf[]; readonly unlisted: number }> {
  const lostLeaves: LostLeaf[] = []
  let unlisted = 0
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const first = index * TILE_WIDTH
    const width = Math.min(TILE_WIDTH, Number(size) - first)
    const tile = { level: 0, index }
    const hashes = (await storedTiles(reading, logNumber, [tile]))(tile)
    if (hashes === undefined) {
      unlisted += width
      continue
    }
    const entries = await readEntries(reading, logNumber, first, width)
    const isLost = (entry: Buffer, at: number) =>
      !leafHash(entry).equals(hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES))
    const lost = entries.flatMap((entry, at) => (isLost(entry, at) ? [first + at] : []))
    if (lost.length === 0) continue
    const rows = await reading.run(leavesAt(logNumber, lost))
    unlisted += lost.length - rows.length
    for (const { leaf_index, is_own, shard, shard_position: shardPosition } of rows)
      if (!is_own) lostLeaves.push({ index: leaf_index, shard, shardPosition })
  }
  return { lostLeaves, unlisted }
}

type ListedLeaf = {
  readonly leaf_index: number
  readonly is_own: boolean
  readonly shard: number
  readonly shard_position: bigint
}

function leavesAt(logNumber: number, leaves: readonly number[]): CompiledQuery<ListedLeaf> {
  return statement(
    `SELECT leaf_index::float8 AS leaf_index, entry IS NOT NULL AS is_own, shard, shard_position FROM audit.leaf
      WHERE log_number = $1 AND leaf_index = ANY($2::bigint[]) ORDER BY leaf_index`,
    [logNumber, leaves],
  )
}
