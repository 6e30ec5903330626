// Rotations of a key, newest first: the whole chain, for ever.
import { type Expression, type SqlBool, sql } from 'kysely'
import { statement } from '#database/connect.ts'
import type { RotationTable } from '#database/tables.ts'
import type { Instant } from '#domain/instant.ts'
import { endOf } from '#history/moment.ts'
import { type AsItWas, asItWas } from '#history/past-rows.ts'
import { parametersOf } from './codes.ts'
import { along, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { countOf, type Reader, runNamed } from './reader.ts'
import { locate, type Place } from './shard.ts'

export type RotationRow = AsItWas<RotationTable>

const NEWEST_FIRST: Keyset = { columns: [{ name: 'rotation.ordinal', type: 'bigint' }], descending: true }

/** Throws BadQueryArgumentError. */
export function listRotations(reader: Reader, keyId: string, page: PageRequest): Promise<Page<RotationRow>> {
  const { shard, id } = locate('key', keyId)
  const all = reader.database.kysely
    .selectFrom('state.rotation as rotation')
    .where('rotation.shard', '=', shard)
    .where('rotation.key_id', '=', id)
  const { now } = reader
  const rotations = reader.past ? all.where(rotatedBy(shard, id, now)) : all
  const told = (rows: readonly RotationRow[]) => (reader.past ? rows.map((row) => asItWas(row, now)) : rows)
  return pageOf<RotationRow>(
    {
      identity: ['rotations', keyId, 'ORDINAL DESC'],
      fields: ['number'],
      cursorOf: (row) => [String(row.ordinal)],
      read: async (walk) => told(await runNamed(reader, along(rotations.selectAll('rotation'), NEWEST_FIRST, walk))),
      count: () => countOf(reader, runNamed, [rotations]),
    },
    page,
  )
}

/** A rotation never changes, so those of a past moment are the first so many of all. */
function rotatedBy(shard: number, keyId: string, at: Instant): Expression<SqlBool> {
  return sql<SqlBool>`rotation.ordinal <= (
    SELECT count(*) FROM log.event
     WHERE event.shard = ${shard} AND event.stream_id = ${keyId} AND event.type = 'key.rotated'
       AND event.occurred_at < ${endOf(at)}::timestamptz)`
}

// By way of the codes, of which few are in overlap, however many rotations a key has had.
const OPEN_ROTATIONS = `
  SELECT r.*
    FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
    JOIN state.key k ON k.shard = wanted.shard AND k.key_id = wanted.id
    JOIN state.code c ON c.shard = k.shard AND c.account_id = k.account_id AND c.key_id = k.key_id
    JOIN state.rotation r ON r.shard = c.shard AND r.key_id = c.key_id AND r.retired_code_id = c.code_id
   WHERE ($3::text IS NULL OR k.account_id = $3) AND k.revoked_at IS NULL
     AND c.deleted_at IS NULL AND c.replaced_at IS NOT NULL AND c.overlap_ends_at > $4::timestamptz
   ORDER BY r.key_id, r.ordinal DESC`

/** By the key's id, the newest first: at most one of each slot. `tenant` is the account that may see them, null for any. */
export async function readOpenRotations(
  reader: Reader,
  places: readonly Place[],
  tenant: string | null,
): Promise<ReadonlyMap<string, readonly RotationRow[]>> {
  const rows = await runNamed(
    reader,
    statement<RotationRow>(OPEN_ROTATIONS, [...parametersOf(places, tenant), reader.now]),
  )
  return Map.groupBy(rows, ({ key_id }) => key_id)
}
