// How often a code was used, by day: telemetry, kept for some 400 days.
import { statement } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'
import { type Reader, runNamed } from './reader.ts'
import { locate } from './shard.ts'

/** `day` as `2026-03-01`, UTC's. */
export type CodeDay = { readonly day: string; readonly uses: number }

const DAYS = `
  SELECT to_char(day, 'YYYY-MM-DD') AS day, least(uses, 2147483647)::integer AS uses
    FROM usage.code_day
   WHERE shard = $1 AND code_id = $2 AND day BETWEEN ($3::timestamptz AT TIME ZONE 'UTC')::date AND ($4::timestamptz AT TIME ZONE 'UTC')::date
   ORDER BY day`

/** The days on which it was used, of those that this time touches, the earliest first. */
export function readCodeDays(
  reader: Reader,
  codeId: string,
  since: Instant,
  until: Instant,
): Promise<readonly CodeDay[]> {
  const { shard, id } = locate('code', codeId)
  return runNamed(reader, statement<CodeDay>(DAYS, [shard, id, since, until]))
}

/** A key's links into other accounts, ended ones too, that were there at any moment of this time; the oldest first. */
export type LinkedThen = {
  readonly link_id: string
  readonly account_id: string
  readonly keyspace_id: string | null
  readonly linked_at: Instant
  readonly unlinked_at: Instant | null
}

const LINKS = `
  SELECT link_id, account_id, keyspace_id, linked_at, unlinked_at FROM state.link
   WHERE key_id = $1 AND linked_at < $3 AND (unlinked_at IS NULL OR unlinked_at > $2)
   ORDER BY linked_at, link_id LIMIT $4`

export function readLinksOfKey(
  reader: Reader,
  keyId: string,
  since: Instant,
  until: Instant,
  max: number,
): Promise<readonly LinkedThen[]> {
  return runNamed(reader, statement<LinkedThen>(LINKS, [keyId, since, until, max]))
}
