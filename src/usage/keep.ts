// Housekeeping of telemetry: partitions of the access log are made ahead and dropped when they have aged out; counts of uses
// end after a year and a little.
import type { Clock } from '#database/clock.ts'
import { type Database, send, statement } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'

/** So that a day can be compared with the same day of the year before. */
const CODE_DAYS_KEPT = 400
const BATCH_SIZE = 1_000

/** What the access log is kept with. */
export type AccessLogParts = {
  readonly database: Database
  /** Says what to take the database's clock for, as in commands. */
  readonly clock: Clock
  /** How long its entries are kept. */
  readonly accessLogDays: number
}

export type Kept = { readonly made: number; readonly dropped: number }

/** By any number of instances at once. `clock` says what to take the database's clock for, as in commands. */
export async function keepAccessLog(database: Database, clock: Clock, days: number): Promise<Kept> {
  const now = await databaseNow(database, clock)
  const [kept] = await send(
    database.pool,
    statement<Kept>('SELECT made, dropped FROM usage.keep_access_log($1, $2)', [now, days]),
  )
  return kept ?? { made: 0, dropped: 0 }
}

/** Deletes counts of days long past, in small transactions, until none is left or it is told to stop. */
export async function forgetOldDays(database: Database, clock: Clock, isStopped: () => boolean): Promise<void> {
  const now = await databaseNow(database, clock)
  while (!isStopped()) {
    const { numAffectedRows = 0n } = await database.kysely.executeQuery(
      statement<never>(
        `DELETE FROM usage.code_day d
          USING (SELECT shard, code_id, day FROM usage.code_day
                  WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date - ${CODE_DAYS_KEPT}
                  ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
          WHERE (d.shard, d.code_id, d.day) = (old.shard, old.code_id, old.day)`,
        [now, BATCH_SIZE],
      ),
    )
    if (numAffectedRows < BATCH_SIZE) return
  }
}

/** The database's: an instance whose clock is wrong must not drop what others still keep. */
async function databaseNow(database: Database, clock: Clock): Promise<Instant> {
  const [row] = await send(database.pool, statement<{ now: Instant }>('SELECT clock_timestamp() AS now', []))
  return clock.fromDatabase(row?.now ?? '')
}
