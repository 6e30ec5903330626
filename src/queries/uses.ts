// How much codes are used of late, and what the access log has last of them: telemetry, read for what is about to stop.
import { statement } from '#database/connect.ts'
import type { AccessLogRow } from './access-log.ts'
import type { CodeDay } from './code-uses.ts'
import { parametersOf } from './codes.ts'
import { type Reader, runNamed } from './reader.ts'
import type { Place } from './shard.ts'

type Read<Value> = (places: readonly Place[], tenant: string | null) => Promise<ReadonlyMap<string, Value>>

/** Days of UTC, today's included. */
export const RECENT_DAYS = 7

export const RECENT_USES = `
  SELECT row.code_id AS id,
         (SELECT coalesce(json_agg(json_build_object('day', d.day, 'uses', least(d.uses, 2147483647)) ORDER BY d.day), '[]') FROM usage.code_day d
           WHERE d.shard = row.shard AND d.code_id = row.code_id
             AND d.day > ($4::timestamptz AT TIME ZONE 'UTC')::date - ${RECENT_DAYS}) AS days
    FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
    JOIN state.code AS row ON row.shard = wanted.shard AND row.code_id = wanted.id
   WHERE $3::text IS NULL OR row.account_id = $3`

/** By the code's id: how often it was found VALID on each of the last RECENT_DAYS, the earliest first, without those when it was not. */
export function recentDays(reader: Reader): Read<readonly CodeDay[]> {
  return async (places, tenant) => {
    const parameters = [...parametersOf(places, tenant), reader.now]
    const rows = await runNamed(reader, statement<{ id: string; days: readonly CodeDay[] }>(RECENT_USES, parameters))
    return new Map(rows.map(({ id, days }) => [id, days]))
  }
}

// Tables in the order in which everyone locks them. Only what the account itself has recorded.
const LAST_ACCESS = {
  code: `
    SELECT row.code_id AS id, entry.*
      FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
      JOIN state.code AS row ON row.shard = wanted.shard AND row.code_id = wanted.id
      JOIN LATERAL (SELECT e.* FROM usage.access_log e
                     WHERE e.shard = row.shard AND e.key_id = row.key_id AND e.account_id = row.account_id AND e.code_id = row.code_id
                     ORDER BY e.at DESC, e.entry_id DESC LIMIT 1) AS entry ON true
     WHERE $3::text IS NULL OR row.account_id = $3`,
  link: `
    SELECT row.link_id AS id, entry.*
      FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
      JOIN state.link AS row ON row.shard = wanted.shard AND row.link_id = wanted.id
      JOIN LATERAL (SELECT e.* FROM usage.access_log e
                     WHERE e.shard = row.shard AND e.key_id = row.key_id AND e.account_id = row.account_id
                     ORDER BY e.at DESC, e.entry_id DESC LIMIT 1) AS entry ON true
     WHERE $3::text IS NULL OR row.account_id = $3`,
}

/** By the code's or the link's id: the last entry of it in the access log of the account that it is of. */
export function lastAccess(reader: Reader, of: keyof typeof LAST_ACCESS): Read<AccessLogRow> {
  return async (places, tenant) => {
    const rows = await runNamed(
      reader,
      statement<AccessLogRow & { id: string }>(LAST_ACCESS[of], parametersOf(places, tenant)),
    )
    return new Map(rows.map((row) => [row.id, row]))
  }
}
