// Read model: keys as they are now.
import type { KeyTable } from '#database/tables.ts'
import { foldName } from '#domain/fold-name.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import type { TableSpec } from './row-writer.ts'

export const keyTable: TableSpec = {
  name: 'key',
  key: ['shard', 'key_id'],
  stream: 'key_id',
  columns: [
    'shard',
    'key_id',
    'account_id',
    'keyspace_id',
    'name',
    'name_folded',
    'description',
    'tags',
    'metadata',
    'policy_ids',
    'frozen_policies',
    'permissions',
    'owner_id',
    'acts_as_id',
    'enabled',
    'is_default',
    'expires_at',
    'log_request',
    'log_response',
    'created_at',
    'created_by_kind',
    'created_by_id',
    'updated_at',
    'revoked_at',
    'revoked_by_kind',
    'revoked_by_id',
    'revocation_reason',
    'revocation_note',
    'deleted_at',
    'version',
  ],
  json: ['metadata', 'frozen_policies'],
}

export function keyRow({ id, accountId, state, version }: Stream<'key'>): KeyTable {
  invariant(state.status !== 'none', 'a key with events exists')
  const revocation = state.status === 'active' ? null : state.revocation
  return {
    shard: knownShardOf(accountId),
    key_id: id,
    account_id: accountId,
    keyspace_id: state.keyspaceId,
    name: state.name,
    name_folded: foldName(state.name),
    description: state.description,
    tags: state.tags,
    metadata: state.metadata,
    policy_ids: state.policyIds,
    frozen_policies: state.frozenPolicies,
    permissions: state.permissions,
    owner_id: state.ownerId,
    acts_as_id: state.actsAsId,
    enabled: state.enabled,
    is_default: state.isDefault,
    expires_at: state.expiresAt,
    log_request: state.logging.request,
    log_response: state.logging.response,
    created_at: state.createdAt,
    created_by_kind: state.createdBy.kind,
    created_by_id: state.createdBy.id,
    updated_at: state.updatedAt,
    revoked_at: revocation?.at ?? null,
    revoked_by_kind: revocation?.by.kind ?? null,
    revoked_by_id: revocation?.by.id ?? null,
    revocation_reason: revocation?.reason ?? null,
    revocation_note: revocation?.note ?? null,
    deleted_at: state.status === 'deleted' ? state.deletedAt : null,
    version,
  }
}
