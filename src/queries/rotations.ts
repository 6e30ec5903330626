// Rotations of a key, newest first: the whole chain, for ever.
import { type Expression, type SqlBool, sql } from 'kysely'
import type { RotationTable } from '#database/tables.ts'
import type { Instant } from '#domain/instant.ts'
import { endOf } from '#history/moment.ts'
import { type AsItWas, asItWas } from '#history/past-rows.ts'
import { along, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { countOf, type Reader, runNamed } from './reader.ts'
import { locate } from './shard.ts'

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
