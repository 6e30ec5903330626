// Rotations of a key, newest first: the whole chain, for ever.
import type { RotationTable } from '#database/tables.ts'
import { along, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { countOf, type Reader, runNamed } from './reader.ts'
import { locate } from './shard.ts'

export type RotationRow = RotationTable

const NEWEST_FIRST: Keyset = { columns: [{ name: 'rotation.ordinal', type: 'bigint' }], descending: true }

/** Throws BadQueryArgumentError. */
export function listRotations(reader: Reader, keyId: string, page: PageRequest): Promise<Page<RotationRow>> {
  const { shard, id } = locate('key', keyId)
  const rotations = reader.database.kysely
    .selectFrom('state.rotation as rotation')
    .where('rotation.shard', '=', shard)
    .where('rotation.key_id', '=', id)
  return pageOf<RotationRow>(
    {
      identity: ['rotations', keyId, 'ORDINAL DESC'],
      fields: ['number'],
      cursorOf: (row) => [String(row.ordinal)],
      read: (walk) => runNamed(reader, along(rotations.selectAll('rotation'), NEWEST_FIRST, walk)),
      count: () => countOf(reader, runNamed, [rotations]),
    },
    page,
  )
}
