// Read model: accounts.
import type { AccountTable } from '#database/tables.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import type { TableSpec } from './row-writer.ts'

export const accountTable: TableSpec = {
  name: 'account',
  key: ['shard', 'account_id'],
  stream: 'account_id',
  columns: ['shard', 'account_id', 'name', 'management_keyspace_id', 'created_at', 'version'],
}

export function accountRow({ id, state, version }: Stream<'account'>): AccountTable {
  invariant(state.status === 'active', 'an account with events exists')
  return {
    shard: knownShardOf(id),
    account_id: id,
    name: state.name,
    management_keyspace_id: state.managementKeyspaceId,
    created_at: state.createdAt,
    version,
  }
}
