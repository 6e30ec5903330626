// The bytes of leaves as the database has them now: an event's from its row, the log's own as they were kept.
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { ENTRY_BYTES_MAX, eventEntry } from '../entry.ts'

export type LeafRow = {
  readonly leaf_index: number
  readonly entry: Buffer | null
  /** Null where there is no such event. */
  readonly shard: number | null
  readonly shard_position: bigint
  readonly position: bigint
  readonly occurred_at: string
  readonly mac: Buffer
  readonly mac_secret_id: string
  readonly body: Buffer
}

/** Of `audit.leaf l` and, joined to it, `log.event e`. */
export const LEAF_COLUMNS = `l.leaf_index::float8 AS leaf_index, l.entry, e.shard, e.shard_position, e.position,
  ${instantOf('e.occurred_at')} AS occurred_at, e.mac, e.mac_secret_id, e.body`

/** Around a body, at the very most: far more than there ever is. */
const FRAME_BYTES_MAX = 400
const EMPTY = Buffer.alloc(0)

/** Empty where the event is gone, or has grown beyond what could ever have been an entry. */
export function entryOf(row: LeafRow): Buffer {
  if (row.entry !== null) return row.entry.length > ENTRY_BYTES_MAX ? EMPTY : row.entry
  if (row.shard === null) return EMPTY
  const bytes = row.body.length + 2 * row.mac.length + 6 * row.mac_secret_id.length + FRAME_BYTES_MAX
  if (bytes > ENTRY_BYTES_MAX) return EMPTY
  return eventEntry({
    shard: row.shard,
    shardPosition: row.shard_position,
    position: row.position,
    occurredAt: row.occurred_at,
    mac: row.mac,
    macSecretId: row.mac_secret_id,
    body: row.body,
  })
}

const LENGTH_BYTES = 2

/** https://c2sp.org/tlog-tiles: each entry behind its length in two bytes. */
export function bundleOf(entries: readonly Buffer[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      const length = Buffer.alloc(LENGTH_BYTES)
      length.writeUInt16BE(entry.length)
      return [length, entry]
    }),
  )
}

/** `count` entries from leaf `first` on. Those that are not there are empty. */
export async function readEntries(
  { run }: Reading,
  logNumber: number,
  first: number,
  count: number,
): Promise<readonly Buffer[]> {
  const rows = await run(
    statement<LeafRow>(
      `SELECT ${LEAF_COLUMNS} FROM audit.leaf l
         LEFT JOIN log.event e ON e.shard = l.shard AND e.shard_position = l.shard_position
        WHERE l.log_number = $1 AND l.leaf_index >= $2 AND l.leaf_index < $3`,
      [logNumber, first, first + count],
    ),
  )
  const byIndex = new Map(rows.map((row) => [row.leaf_index, row]))
  return Array.from({ length: count }, (_, at) => {
    const row = byIndex.get(first + at)
    return row === undefined ? EMPTY : entryOf(row)
  })
}

/**
 * SQL: RFC 3339 in UTC with microseconds. What is no instant of these ten thousand years, and so nothing that we wrote, as
 * PostgreSQL's text.
 */
export function instantOf(column: string): string {
  return `CASE WHEN ${column} >= '0001-01-01 00:00+00' AND ${column} < '10000-01-01 00:00+00'
    THEN to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE ${column}::text END`
}
