// After a restore that lost sealed events the log can't go on: it would sign, at sizes it has signed already, other roots. Another
// log is begun that says what it goes on from, and seals all events that are there anew; and what is missing is told exactly.
import { type Database, statement } from '#database/connect.ts'
import { setForCopying, type TextRow } from '#database/copy.ts'
import { inTransaction, type Reading } from '#database/transaction.ts'
import { invariant } from '#domain/invariant.ts'
import type { Anchor, AnchorRecord } from '../anchor/anchor.ts'
import { eventEntry } from '../entry.ts'
import { parseCheckpoint } from '../note/checkpoint.ts'
import { openNote } from '../note/signed-note.ts'
import { parseVkey, type Signer, type SigningKeys } from '../note/signing-key.ts'
import { EVENT_TEXTS, sealedColumnsOf } from '../store/event-rows.ts'
import { LOG_COLUMNS, type LogRow } from '../store/logs.ts'
import { HASH_BYTES, leafHash } from '../tree/hash.ts'
import { TILE_WIDTH } from '../tree/tiles.ts'
import { beginLog, originOf } from './begin-log.ts'
import { knownByAnchors, problemOfLog } from './take-over.ts'

/** A leaf of the former log whose event is not there any more, or not as it was. */
export type LostLeaf = { readonly index: number; readonly shard: number; readonly shardPosition: bigint }

export type Begun = {
  readonly kind: 'begun'
  readonly origin: string
  readonly former: { readonly origin: string; readonly size: number }
  /** What an anchor knows that is larger than the former log is now. */
  readonly anchored: AnchorRecord | null
  /** By shard: positions that were sealed after that, first and last. */
  readonly lostPositions: readonly { readonly shard: number; readonly from: bigint; readonly to: bigint }[]
  readonly lostLeaves: readonly LostLeaf[]
}

export type NewLogOutcome = Begun | { readonly kind: 'refused'; readonly why: string }

export type NewLogParts = {
  readonly database: Database
  readonly keys: SigningKeys
  readonly host: string
  readonly anchors: readonly Anchor[]
  readonly reason: string
}

/** Rejects where an anchor can't be read. */
export async function newLog({ database, keys, host, anchors, reason }: NewLogParts): Promise<NewLogOutcome> {
  return inTransaction(database, async (transaction) => {
    const { run } = transaction
    await setForCopying(run)
    const [former] = await run(
      statement<LogRow>(
        `UPDATE audit.log SET closed_at = clock_timestamp() WHERE closed_at IS NULL RETURNING ${LOG_COLUMNS}`,
        [],
      ),
    )
    if (former === undefined)
      return { kind: 'refused', why: 'there is no audit log yet: the first server to start begins it' }
    const signers = keys.signers(former.origin)
    const known = await knownByAnchors(anchors, former.origin)
    if ((await problemOfLog(transaction, former, signers, known)) === undefined)
      return { kind: 'refused', why: `the log ${former.origin} is as it was signed, and goes on` }
    const anchored = known
      .map(({ record }) => record)
      .filter((record) => isSignedBy(record, signers))
      .sort(bySize)
      .at(-1)
    const note = (await lastSigned(transaction, former, signers)) ?? anchored?.note
    if (note === undefined)
      return { kind: 'refused', why: `no checkpoint of ${former.origin} is signed by the keys that are configured` }
    const lostLeaves = await findLostLeaves(transaction, former.log_number)
    const size = Number(former.size)
    const ahead = anchored !== undefined && anchored.size > size ? anchored : null
    const lostPositions = ahead === null ? [] : await positionsBeyond(transaction, former.log_number, ahead)
    const number = former.log_number + 1
    const origin = originOf(host, number)
    const begun = await beginLog(transaction, {
      number,
      origin,
      signers: keys.signers(origin),
      continues: {
        note,
        anchored: anchored === undefined ? null : { size: anchored.size, root: Buffer.from(anchored.root, 'base64') },
        reason,
      },
    })
    invariant(begun !== undefined, 'the number after the last is free')
    return {
      kind: 'begun',
      origin,
      former: { origin: former.origin, size },
      anchored: ahead,
      lostPositions,
      lostLeaves,
    }
  })
}

function bySize(a: AnchorRecord, b: AnchorRecord): number {
  return a.size - b.size
}

function isSignedBy({ note, origin, size, root }: AnchorRecord, signers: readonly Signer[]): boolean {
  const checkpoint = openCheckpoint(note, signers)
  return checkpoint?.origin === origin && checkpoint.size === size && checkpoint.root.toString('base64') === root
}

function openCheckpoint(note: string, signers: readonly Signer[]) {
  const ours = signers.map(({ vkey }) => parseVkey(vkey)).filter((verifier) => verifier !== undefined)
  const opened = openNote(note, ours)
  return 'problem' in opened ? undefined : parseCheckpoint(opened.text)
}

/** The newest that is still there as it was signed. */
async function lastSigned(
  { run }: Reading,
  { log_number: logNumber, origin }: LogRow,
  signers: readonly Signer[],
): Promise<string | undefined> {
  for (let below: bigint | undefined; ; ) {
    const rows = await run(
      statement<{ size: bigint; note: string }>(
        `SELECT size, note FROM audit.checkpoint WHERE log_number = $1 AND ($2::bigint IS NULL OR size < $2)
          ORDER BY size DESC LIMIT 100`,
        [logNumber, below ?? null],
      ),
    )
    const good = rows.find(({ note }) => openCheckpoint(note, signers)?.origin === origin)
    below = rows.at(-1)?.size
    if (good !== undefined || below === undefined) return good?.note
  }
}

/** What an anchor's record says was sealed beyond the cursors that are there. */
async function positionsBeyond(
  { run }: Reading,
  logNumber: number,
  { heads }: AnchorRecord,
): Promise<Begun['lostPositions']> {
  const rows = await run(
    statement<{ shard: number; shard_position: bigint }>(
      'SELECT shard, shard_position FROM audit.cursor WHERE log_number = $1',
      [logNumber],
    ),
  )
  const sealed = new Map(rows.map(({ shard, shard_position }) => [shard, shard_position]))
  return Object.entries(heads).flatMap(([shard, head]) => {
    const from = (sealed.get(Number(shard)) ?? 0n) + 1n
    return from <= BigInt(head) ? [{ shard: Number(shard), from, to: BigInt(head) }] : []
  })
}

type LeafRow = TextRow & { readonly leaf_index: bigint; readonly of_shard: number; readonly of_position: bigint }

/** A tile of leaves at a time. */
async function findLostLeaves({ run }: Reading, logNumber: number): Promise<readonly LostLeaf[]> {
  const lost: LostLeaf[] = []
  for (let tileIndex = 0; ; tileIndex++) {
    const [tile] = await run(
      statement<{ hashes: Buffer }>(
        'SELECT hashes FROM audit.tile WHERE log_number = $1 AND level = 0 AND tile_index = $2',
        [logNumber, tileIndex],
      ),
    )
    if (tile === undefined) return lost
    const leaves = await run(
      statement<LeafRow>(
        `SELECT l.leaf_index, l.shard AS of_shard, l.shard_position AS of_position, ${EVENT_TEXTS} FROM audit.leaf l
           LEFT JOIN log.event e ON e.shard = l.shard AND e.shard_position = l.shard_position
          WHERE l.log_number = $1 AND l.entry IS NULL AND l.leaf_index >= $2 AND l.leaf_index < $3 ORDER BY l.leaf_index`,
        [logNumber, tileIndex * TILE_WIDTH, (tileIndex + 1) * TILE_WIDTH],
      ),
    )
    for (const row of leaves) {
      const at = (Number(row.leaf_index) % TILE_WIDTH) * HASH_BYTES
      if (!isStill(row, tile.hashes.subarray(at, at + HASH_BYTES)))
        lost.push({ index: Number(row.leaf_index), shard: row.of_shard, shardPosition: row.of_position })
    }
  }
}

function isStill(row: LeafRow, hash: Buffer): boolean {
  return row.event_id !== null && leafHash(eventEntry(sealedColumnsOf(row))).equals(hash)
}
