// Read model: policies, the deleted ones too.
import type { PolicyTable } from '#database/tables.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import type { TableSpec } from './row-writer.ts'

export const policyTable: TableSpec = {
  name: 'policy',
  key: ['shard', 'policy_id'],
  stream: 'policy_id',
  columns: [
    'shard',
    'policy_id',
    'account_id',
    'name',
    'description',
    'permissions',
    'endpoints',
    'created_at',
    'deleted_at',
    'version',
  ],
  json: ['endpoints'],
}

export function policyRow({ id, accountId, state, version }: Stream<'policy'>): PolicyTable {
  invariant(state.status !== 'none', 'a policy with events exists')
  return {
    shard: knownShardOf(accountId),
    policy_id: id,
    account_id: accountId,
    name: state.name,
    description: state.description,
    permissions: state.permissions,
    endpoints: state.endpoints,
    created_at: state.createdAt,
    deleted_at: state.status === 'deleted' ? state.deletedAt : null,
    version,
  }
}
