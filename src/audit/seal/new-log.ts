// After a restore that lost sealed events the log can't go on: it would sign, at sizes it has signed already, other roots. Another
// log is begun that says what it goes on from, and seals all events that are there anew; and what is missing is told exactly.
import { type Database, statement } from '#database/connect.ts'
import { setForCopying, type TextRow } from '#database/copy.ts'
import { inTransaction, type Reading, type Transaction } from '#database/transaction.ts'
import { invariant } from '#domain/invariant.ts'
import type { Keyring } from '#secret/keyring.ts'
import type { Anchor, AnchorRecord } from '../anchor/anchor.ts'
import { type Continued, eventEntry } from '../entry.ts'
import { openCheckpoint } from '../note/signed-checkpoint.ts'
import type { SigningKeys } from '../note/signing-key.ts'
import { EVENT_TEXTS, sealedColumnsOf } from '../store/event-rows.ts'
import { LOG_COLUMNS, type LogRow } from '../store/logs.ts'
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
    const former = open ?? (await run(newestClosed())).at(0)
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
  await setForCopying(reading.run)
  const last = newestOf(known)
  if (former === undefined) {
    invariant(last !== undefined, 'something is gone on from')
    const { origin, size, record } = last
    const lostPositions = positionsBeyond(new Map(), record)
    return { former: { origin, size: 0 }, anchored: { origin, size }, lostPositions, lostLeaves: [], unlisted: 0 }
  }
  const { log_number: number, origin, size } = former
  const ahead = last && (numberOf(last) > number || last.size > Number(size)) ? last : undefined
  const { leaves, listed } = await findLostLeaves(reading, number)
  return {
    former: { origin, size: Number(size) },
    anchored: ahead === undefined ? null : { origin: ahead.origin, size: ahead.size },
    lostPositions: ahead === undefined ? [] : positionsBeyond(await sealedHeads(reading, number), ahead.record),
    lostLeaves: leaves,
    unlisted: Math.max(0, Number(size) - listed),
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

type LeafRow = TextRow & {
  readonly leaf_index: bigint
  readonly is_own: boolean
  readonly of_shard: number
  readonly of_position: bigint
}

/** A tile of leaves at a time; `listed`: how many there are of which it is known what they were. */
async function findLostLeaves(
  { run }: Reading,
  logNumber: number,
): Promise<{ readonly leaves: readonly LostLeaf[]; readonly listed: number }> {
  const lost: LostLeaf[] = []
  let listed = 0
  for (let tileIndex = 0; ; tileIndex++) {
    const [tile] = await run(
      statement<{ hashes: Buffer }>(
        'SELECT hashes FROM audit.tile WHERE log_number = $1 AND level = 0 AND tile_index = $2',
        [logNumber, tileIndex],
      ),
    )
    if (tile === undefined) return { leaves: lost, listed }
    const leaves = await run(
      statement<LeafRow>(
        `SELECT l.leaf_index, l.entry IS NOT NULL AS is_own, l.shard AS of_shard, l.shard_position AS of_position, ${EVENT_TEXTS} FROM audit.leaf l
           LEFT JOIN log.event e ON e.shard = l.shard AND e.shard_position = l.shard_position
          WHERE l.log_number = $1 AND l.leaf_index >= $2 AND l.leaf_index < $3 ORDER BY l.leaf_index`,
        [logNumber, tileIndex * TILE_WIDTH, (tileIndex + 1) * TILE_WIDTH],
      ),
    )
    listed += leaves.length
    for (const row of leaves.filter(({ is_own }) => !is_own)) {
      const at = (Number(row.leaf_index) % TILE_WIDTH) * HASH_BYTES
      if (!isStill(row, tile.hashes.subarray(at, at + HASH_BYTES)))
        lost.push({ index: Number(row.leaf_index), shard: row.of_shard, shardPosition: row.of_position })
    }
  }
}

function isStill(row: LeafRow, hash: Buffer): boolean {
  return row.event_id !== null && leafHash(eventEntry(sealedColumnsOf(row))).equals(hash)
}
