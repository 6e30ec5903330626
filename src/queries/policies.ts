// Policies of an account, newest first. Deleted ones are in no list.
import type { PolicyTable } from '#database/tables.ts'
import { isText } from './cursor.ts'
import { along, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { countOf, type Reader, runNamed } from './reader.ts'
import { locate } from './shard.ts'

export type PolicyRow = PolicyTable

const NEWEST_FIRST: Keyset = {
  columns: [
    { name: 'policy.created_at', type: 'timestamptz' },
    { name: 'policy.policy_id', type: 'text' },
  ],
  descending: true,
}

/** Throws BadQueryArgumentError. */
export function listPolicies(reader: Reader, accountId: string, page: PageRequest): Promise<Page<PolicyRow>> {
  const policies = policiesOf(reader, accountId)
  return pageOf<PolicyRow>(
    {
      identity: ['policies', accountId, 'CREATED_AT DESC'],
      fields: ['instant', 'text'],
      cursorOf: (row) => [row.created_at, row.policy_id],
      read: (walk) => runNamed(reader, along(policies.selectAll('policy'), NEWEST_FIRST, walk)),
      count: () => countOf(reader, runNamed, [policies]),
    },
    page,
  )
}

/** By its exact name; null where there is none that is not deleted. */
export async function findPolicyByName(reader: Reader, accountId: string, name: string): Promise<PolicyRow | null> {
  if (!isText(name)) return null
  const named = policiesOf(reader, accountId).selectAll('policy').where('policy.name', '=', name)
  const [row] = await runNamed(reader, named)
  return row ?? null
}

function policiesOf(reader: Reader, accountId: string) {
  const { shard, id } = locate('acct', accountId)
  return reader.database.kysely
    .selectFrom('state.policy as policy')
    .where('policy.shard', '=', shard)
    .where('policy.account_id', '=', id)
    .where('policy.deleted_at', 'is', null)
}
