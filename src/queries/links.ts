// Links of an account, newest first, and the little that they tell of the keys they let in.
import { statement } from '#database/connect.ts'
import type { LinkTable } from '#database/tables.ts'
import { type KeyStanding, keyStatus } from '#domain/key/key-status.ts'
import { parametersOf } from './codes.ts'
import { along, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { countOf, type Reader, runNamed } from './reader.ts'
import { locate, type Place } from './shard.ts'

export type LinkRow = LinkTable

/** All that a linking account is told of a key that is not its own; once the link has ended, the name is the last that it told. */
export type LinkedKey = { readonly name: string; readonly active: boolean }

const NEWEST_FIRST: Keyset = {
  columns: [
    { name: 'link.linked_at', type: 'timestamptz' },
    { name: 'link.link_id', type: 'text' },
  ],
  descending: true,
}

/** Ended ones are in no list. Throws BadQueryArgumentError. */
export function listLinks(reader: Reader, accountId: string, page: PageRequest): Promise<Page<LinkRow>> {
  const { shard, id } = locate('acct', accountId)
  const links = reader.database.kysely
    .selectFrom('state.link as link')
    .where('link.shard', '=', shard)
    .where('link.account_id', '=', id)
    .where('link.unlinked_at', 'is', null)
  return pageOf<LinkRow>(
    {
      identity: ['links', accountId, 'LINKED_AT DESC'],
      fields: ['instant', 'text'],
      cursorOf: (row) => [row.linked_at, row.link_id],
      read: (walk) => runNamed(reader, along(links.selectAll('link'), NEWEST_FIRST, walk)),
      count: () => countOf(reader, runNamed, [links]),
    },
    page,
  )
}

/** Should the clock have been set back since the key was made, its first name is the one that was surely told. */
const NAME_AT_END = `
  coalesce(
    (SELECT e.data ->> 'name' FROM log.event e
      WHERE e.shard = row.key_shard AND e.stream_id = row.key_id AND e.data ? 'name' AND e.decided_at <= row.unlinked_at
      ORDER BY e.version DESC LIMIT 1),
    (SELECT e.data ->> 'name' FROM log.event e
      WHERE e.shard = row.key_shard AND e.stream_id = row.key_id AND e.data ? 'name' ORDER BY e.version LIMIT 1))`

// Of the key nothing is selected but what its name and its status come from. Tables in the order in which everyone locks them.
const LINKED_KEYS = `
  SELECT row.link_id, CASE WHEN row.unlinked_at IS NULL THEN k.name ELSE ${NAME_AT_END} END AS name, k.enabled, k.expires_at AS "expiresAt", k.revoked_at AS "revokedAt", k.deleted_at AS "deletedAt"
    FROM state.key AS k
    JOIN state.link AS row ON k.shard = row.key_shard AND k.key_id = row.key_id
    JOIN unnest($1::smallint[], $2::text[]) AS wanted (shard, id) ON row.shard = wanted.shard AND row.link_id = wanted.id
   WHERE $3::text IS NULL OR row.account_id = $3`

/** By the link's id. `tenant` is the account that the link must be of, null for any; whose the key is does not matter. */
export async function readLinkedKeys(
  reader: Reader,
  links: readonly Place[],
  tenant: string | null,
): Promise<ReadonlyMap<string, LinkedKey>> {
  const query = statement<KeyStanding & { link_id: string; name: string }>(LINKED_KEYS, parametersOf(links, tenant))
  const rows = await runNamed(reader, query)
  return new Map(
    rows.map(({ link_id, name, ...key }) => [link_id, { name, active: keyStatus(key, reader.now) === 'ACTIVE' }]),
  )
}
