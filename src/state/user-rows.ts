// Read model: users, the removed ones too. Who they are is in the vault.
import type { UserTable } from '#database/tables.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import type { TableSpec } from './row-writer.ts'

export const userTable: TableSpec = {
  name: 'user',
  key: ['shard', 'user_id'],
  stream: 'user_id',
  columns: [
    'shard',
    'user_id',
    'account_id',
    'role',
    'permissions',
    'created_at',
    'removed_at',
    'erased_at',
    'version',
  ],
}

export function userRow({ id, accountId, state, version }: Stream<'user'>): UserTable {
  invariant(state.status !== 'none', 'a user with events exists')
  return {
    shard: knownShardOf(accountId),
    user_id: id,
    account_id: accountId,
    role: state.role,
    permissions: state.permissions,
    created_at: state.createdAt,
    removed_at: state.status === 'removed' ? state.removedAt : null,
    erased_at: state.status === 'removed' ? state.erasedAt : null,
    version,
  }
}
