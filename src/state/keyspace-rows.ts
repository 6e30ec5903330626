// Read model: keyspaces, the deleted ones too.
import type { KeyspaceTable } from '#database/tables.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import type { TableSpec } from './row-writer.ts'

export const keyspaceTable: TableSpec = {
  name: 'keyspace',
  key: ['shard', 'keyspace_id'],
  stream: 'keyspace_id',
  columns: ['shard', 'keyspace_id', 'account_id', 'name', 'management', 'rules', 'created_at', 'deleted_at', 'version'],
  json: ['rules'],
}

export function keyspaceRow({ id, accountId, state, version }: Stream<'keyspace'>): KeyspaceTable {
  invariant(state.status !== 'none', 'a keyspace with events exists')
  return {
    shard: knownShardOf(accountId),
    keyspace_id: id,
    account_id: accountId,
    name: state.name,
    management: state.management,
    rules: state.rules,
    created_at: state.createdAt,
    deleted_at: state.status === 'deleted' ? state.deletedAt : null,
    version,
  }
}
