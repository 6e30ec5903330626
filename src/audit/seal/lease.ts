// One sealer at a time, of any number that run. Whoever has the lease writes; every batch asserts, with the row locked, that it
// still has it (the fence), so that one who was paused for a while writes nothing after another took over.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { LOG_COLUMNS, type LogRow } from '../store/logs.ts'

/** Who takes over from a sealer that was killed waits so long, and yet everything is sealed within 10 s. */
const LEASE = "interval '6 seconds'"

export type Look = LogRow & { readonly has_pending: boolean }

/** The open log, and whether there is anything to seal: all that an idle sealer ever asks. */
export function look(): CompiledQuery<Look> {
  return statement(
    `SELECT ${LOG_COLUMNS},
            EXISTS (SELECT FROM log.feed_shard f
                      LEFT JOIN audit.cursor c ON c.log_number = l.log_number AND c.shard = f.shard
                     WHERE f.head <> coalesce(c.shard_position, 0) OR f.last_event_id <> coalesce(c.event_id, '')) AS has_pending
       FROM audit.log l WHERE closed_at IS NULL`,
    [],
  )
}

/**
 * The open log, now ours; no row where another sealer has it. Its epoch rises with every change of hands. A lease that no sealer can
 * have taken keeps nobody out.
 */
export function claim(owner: string): CompiledQuery<LogRow> {
  return statement(
    `UPDATE audit.log SET owner = $1, epoch = epoch + CASE WHEN owner = $1 THEN 0 ELSE 1 END,
            lease_until = clock_timestamp() + ${LEASE}
      WHERE closed_at IS NULL AND (owner = $1 OR lease_until < clock_timestamp() OR lease_until > clock_timestamp() + interval '1 minute')
      RETURNING ${LOG_COLUMNS}`,
    [owner],
  )
}

/** Of the logs that are closed. */
export function newestClosed(): CompiledQuery<LogRow> {
  return statement(
    `SELECT ${LOG_COLUMNS} FROM audit.log WHERE closed_at IS NOT NULL ORDER BY log_number DESC LIMIT 1`,
    [],
  )
}

/** The log, locked to the end of the transaction and ours for a while longer; no row where it is not ours any more. */
export function fence(owner: string, { log_number, epoch }: LogRow): CompiledQuery<LogRow> {
  return statement(
    `UPDATE audit.log SET lease_until = clock_timestamp() + ${LEASE}
      WHERE log_number = $1 AND owner = $2 AND epoch = $3 AND closed_at IS NULL RETURNING ${LOG_COLUMNS}`,
    [log_number, owner, epoch],
  )
}

/** For all to see: why nothing is sealed; null once it is again. */
export function tellRefusal(owner: string, refusal: string | null): CompiledQuery<never> {
  return statement('UPDATE audit.log SET refusal = $2 WHERE owner = $1 AND closed_at IS NULL', [owner, refusal])
}

/** Another may take over at once. */
export function release(owner: string): CompiledQuery<never> {
  return statement("UPDATE audit.log SET lease_until = '-infinity' WHERE owner = $1 AND closed_at IS NULL", [owner])
}
