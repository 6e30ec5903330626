// Keyspaces of an account, the management keyspace among them, newest first. Deleted ones are in no list.
import type { KeyspaceTable } from '#database/tables.ts'
import { isText } from './cursor.ts'
import { along, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { countOf, type Reader, runNamed } from './reader.ts'
import { locate } from './shard.ts'

export type KeyspaceRow = KeyspaceTable

const NEWEST_FIRST: Keyset = {
  columns: [
    { name: 'keyspace.created_at', type: 'timestamptz' },
    { name: 'keyspace.keyspace_id', type: 'text' },
  ],
  descending: true,
}

/** Throws BadQueryArgumentError. */
export function listKeyspaces(reader: Reader, accountId: string, page: PageRequest): Promise<Page<KeyspaceRow>> {
  const keyspaces = keyspacesOf(reader, accountId)
  return pageOf<KeyspaceRow>(
    {
      identity: ['keyspaces', accountId, 'CREATED_AT DESC'],
      fields: ['instant', 'text'],
      cursorOf: (row) => [row.created_at, row.keyspace_id],
      read: (walk) => runNamed(reader, along(keyspaces.selectAll('keyspace'), NEWEST_FIRST, walk)),
      count: () => countOf(reader, runNamed, [keyspaces]),
    },
    page,
  )
}

/** By its exact name; null where there is none that is not deleted. */
export async function findKeyspaceByName(reader: Reader, accountId: string, name: string): Promise<KeyspaceRow | null> {
  if (!isText(name)) return null
  const named = keyspacesOf(reader, accountId).selectAll('keyspace').where('keyspace.name', '=', name)
  const [row] = await runNamed(reader, named)
  return row ?? null
}

function keyspacesOf(reader: Reader, accountId: string) {
  const { shard, id } = locate('acct', accountId)
  return reader.database.kysely
    .selectFrom('state.keyspace as keyspace')
    .where('keyspace.shard', '=', shard)
    .where('keyspace.account_id', '=', id)
    .where('keyspace.deleted_at', 'is', null)
}
