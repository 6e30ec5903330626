// Read model: links, the ended ones too. What becomes of the linked key is in the key's own row.
import type { LinkTable } from '#database/tables.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import type { TableSpec } from './row-writer.ts'

export const linkTable: TableSpec = {
  name: 'link',
  key: ['shard', 'link_id'],
  stream: 'link_id',
  columns: [
    'shard',
    'link_id',
    'account_id',
    'keyspace_id',
    'key_id',
    'key_shard',
    'policy_ids',
    'linked_at',
    'linked_by_kind',
    'linked_by_id',
    'unlinked_at',
    'version',
  ],
}

export function linkRow({ id, accountId, state, version }: Stream<'link'>): LinkTable {
  invariant(state.status !== 'none', 'a link with events exists')
  return {
    shard: knownShardOf(accountId),
    link_id: id,
    account_id: accountId,
    keyspace_id: state.keyspaceId,
    key_id: state.keyId,
    key_shard: knownShardOf(state.keyId),
    policy_ids: state.policyIds,
    linked_at: state.linkedAt,
    linked_by_kind: state.linkedBy.kind,
    linked_by_id: state.linkedBy.id,
    unlinked_at: state.status === 'unlinked' ? state.unlinkedAt : null,
    version,
  }
}
