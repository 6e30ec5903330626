// Codes of keys, as a key shows them: what holds or held its slots, and on request what came before. Without digests.
import { statement } from '#database/connect.ts'
import type { CodeTable } from '#database/tables.ts'
import type { Instant } from '#domain/instant.ts'
import { inOverlap, newestOfSlot } from '#domain/key/code-status.ts'
import type { CodeSlot } from '#domain/key/events.ts'
import { type Reader, runNamed } from './reader.ts'
import type { Place } from './shard.ts'

export type CodeRow = Omit<CodeTable, 'digest' | 'digest_secret_id'>

const COLUMNS = [
  'shard',
  'code_id',
  'account_id',
  'keyspace_id',
  'key_id',
  'ordinal',
  'slot',
  'hint',
  'description',
  'enabled',
  'issued_at',
  'issued_by_kind',
  'issued_by_id',
  'expires_at',
  'replaced_at',
  'replaced_by_id',
  'overlap_ends_at',
  'deleted_at',
] as const satisfies readonly (keyof CodeRow)[]
/** For a table or subquery that is called `row`. */
export const CODE_COLUMNS = COLUMNS.map((column) => `row.${column}`).join(', ')

const SLOTS: readonly CodeSlot[] = ['PRIMARY', 'SECONDARY']
export const RETIRED_MAX = 100
/** Each slot shows its newest code and the one in overlap. */
export const SHOWN_MAX = 2 * SLOTS.length

// A slot has one overlap at a time, that of its latest rotation: of the replaced codes, the newest alone can be in it.
const CANDIDATES = `
  SELECT ${CODE_COLUMNS}
    FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, key_id)
   CROSS JOIN (VALUES ('PRIMARY'), ('SECONDARY')) AS slots (slot)
   CROSS JOIN LATERAL (
     (SELECT * FROM state.code AS newest
       WHERE newest.shard = wanted.shard AND newest.key_id = wanted.key_id AND newest.slot = slots.slot
       ORDER BY newest.ordinal DESC LIMIT 1)
     UNION ALL
     (SELECT * FROM state.code AS replaced
       WHERE replaced.shard = wanted.shard AND replaced.key_id = wanted.key_id AND replaced.slot = slots.slot
         AND replaced.replaced_at IS NOT NULL
       ORDER BY replaced.ordinal DESC LIMIT 1)) AS row
   WHERE $3::text IS NULL OR row.account_id = $3`

const NEWEST = `
  SELECT ${CODE_COLUMNS}
    FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, key_id)
   CROSS JOIN LATERAL (
     SELECT * FROM state.code
      WHERE code.shard = wanted.shard AND code.key_id = wanted.key_id
      ORDER BY code.ordinal DESC LIMIT ${RETIRED_MAX + SHOWN_MAX}) AS row
   WHERE $3::text IS NULL OR row.account_id = $3
   ORDER BY row.ordinal DESC`

/**
 * Codes shown by default, by key: each slot's newest unless deleted, PRIMARY first, then those in overlap. `tenant` is the
 * account that may see them, null for any.
 */
export async function readShownCodes(
  reader: Reader,
  keys: readonly Place[],
  tenant: string | null,
): Promise<ReadonlyMap<string, readonly CodeRow[]>> {
  const rows = await runNamed(reader, statement<CodeRow>(CANDIDATES, parametersOf(keys, tenant)))
  const candidates = Map.groupBy(rows, (row) => row.key_id)
  return new Map([...candidates].map(([keyId, codes]) => [keyId, shownOf(codes, reader.now)]))
}

/** The newest codes by key, newest first, shown ones among them: RETIRED_MAX more than can be shown. */
export async function readNewestCodes(
  reader: Reader,
  keys: readonly Place[],
  tenant: string | null,
): Promise<ReadonlyMap<string, readonly CodeRow[]>> {
  const rows = await runNamed(reader, statement<CodeRow>(NEWEST, parametersOf(keys, tenant)))
  return Map.groupBy(rows, (row) => row.key_id)
}

/** `$1`, `$2` and `$3` of every statement that reads by ids. */
export function parametersOf(places: readonly Place[], tenant: string | null): readonly unknown[] {
  return [places.map((place) => place.shard), places.map((place) => place.id), tenant]
}

/** Of a key's codes, or those of them that may be shown. */
export function shownOf<Code extends CodeRow>(candidates: readonly Code[], now: Instant): readonly Code[] {
  const oldestFirst = candidates.toSorted((a, b) => a.ordinal - b.ordinal)
  const newest = SLOTS.flatMap((slot) => newestOfSlot(oldestFirst, slot) ?? [])
  const overlapping = SLOTS.flatMap((slot) =>
    candidates.filter((code) => code.slot === slot && !newest.includes(code) && isInOverlap(code, now)),
  )
  return [...newest.filter((code) => code.deleted_at === null), ...overlapping]
}

function isInOverlap(code: CodeRow, now: Instant): boolean {
  const { replaced_at: replacedAt, overlap_ends_at: overlapEndsAt, deleted_at: deletedAt } = code
  return inOverlap({ replacedAt, overlapEndsAt, deletedAt }, now)
}
