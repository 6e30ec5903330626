// What anchors are given: the newest checkpoint, with how far each shard was sealed.
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { type AnchorRecord, recordOf } from '../anchor/anchor.ts'
import type { LogRow } from '../store/logs.ts'

type Row = {
  readonly note: string
  readonly shards: readonly number[] | null
  readonly positions: readonly string[] | null
}

/** Undefined where the log has grown past `log` meanwhile: whoever did that tells of it. */
export async function newestRecord({ run }: Reading, log: LogRow): Promise<AnchorRecord | undefined> {
  const [row] = await run(
    statement<Row>(
      `SELECT c.note, (SELECT array_agg(shard ORDER BY shard) FROM audit.cursor WHERE log_number = l.log_number) AS shards,
              (SELECT array_agg(shard_position::text ORDER BY shard) FROM audit.cursor WHERE log_number = l.log_number) AS positions
         FROM audit.log l JOIN audit.checkpoint c ON c.log_number = l.log_number AND c.size = l.size
        WHERE l.log_number = $1 AND l.size = $2`,
      [log.log_number, log.size],
    ),
  )
  if (row === undefined) return undefined
  const positions = row.positions ?? []
  const heads = new Map((row.shards ?? []).map((shard, at) => [shard, Number(positions[at])]))
  return recordOf({ origin: log.origin, size: Number(log.size), root: log.root }, row.note, heads)
}
