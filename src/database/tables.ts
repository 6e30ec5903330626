// The tables as the code sees them; a test compares this with the live catalog.

import type { ActorKind } from '#domain/actor.ts'
import type { EndpointRule } from '#domain/endpoint.ts'
import type { PolicyGrant } from '#domain/grant.ts'
import type { Instant } from '#domain/instant.ts'
import type { CodeSlot, Json, RevocationReason } from '#domain/key/events.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import type { Role } from '#domain/user/roles.ts'
import type { VerificationCode } from '#domain/verdict.ts'

export type FeedShardTable = { shard: number; head: bigint; last_at: Instant; last_event_id: string }
export type LogAccountTable = { shard: number; account_id: string; position: bigint }
export type StreamTable = { shard: number; stream_id: string; account_id: string; kind: string; version: number }
export type EventTable = {
  shard: number
  shard_position: bigint
  account_id: string
  position: bigint
  event_id: string
  stream_id: string
  stream_kind: string
  version: number
  type: string
  schema_version: number
  actor_kind: ActorKind
  actor_id: string | null
  credential_key_id: string | null
  credential_code_id: string | null
  correlation_id: string
  decided_at: Instant
  /** With microseconds. */
  occurred_at: string
  body: Buffer
  data: unknown
  mac: Buffer
  mac_secret_id: string
}

export type AccountTable = {
  shard: number
  account_id: string
  name: string
  management_keyspace_id: string
  created_at: Instant
  version: number
}
export type KeyspaceTable = {
  shard: number
  keyspace_id: string
  account_id: string
  name: string
  management: boolean
  rules: KeyspaceRules
  created_at: Instant
  deleted_at: Instant | null
  version: number
}
export type KeyTable = {
  shard: number
  key_id: string
  account_id: string
  keyspace_id: string
  name: string
  name_folded: string
  description: string | null
  tags: readonly string[]
  metadata: Json
  policy_ids: readonly string[]
  /** Null: its policies grant what they are at any time. */
  frozen_policies: readonly PolicyGrant[] | null
  permissions: readonly string[]
  owner_id: string | null
  acts_as_id: string | null
  enabled: boolean
  is_default: boolean
  expires_at: Instant | null
  log_request: boolean
  log_response: boolean
  created_at: Instant
  created_by_kind: ActorKind
  created_by_id: string | null
  updated_at: Instant
  revoked_at: Instant | null
  revoked_by_kind: ActorKind | null
  revoked_by_id: string | null
  revocation_reason: RevocationReason | null
  revocation_note: string | null
  deleted_at: Instant | null
  version: number
}
export type CodeTable = {
  shard: number
  code_id: string
  account_id: string
  keyspace_id: string
  key_id: string
  ordinal: number
  slot: CodeSlot
  hint: string
  description: string | null
  digest: Buffer
  digest_secret_id: string
  enabled: boolean
  issued_at: Instant
  issued_by_kind: ActorKind
  issued_by_id: string | null
  expires_at: Instant | null
  replaced_at: Instant | null
  replaced_by_id: string | null
  overlap_ends_at: Instant | null
  deleted_at: Instant | null
}
export type RotationTable = {
  shard: number
  rotation_id: string
  account_id: string
  key_id: string
  ordinal: number
  slot: CodeSlot
  retired_code_id: string
  replacement_code_id: string
  rotated_at: Instant
  rotated_by_kind: ActorKind
  rotated_by_id: string | null
}
export type LinkTable = {
  shard: number
  link_id: string
  account_id: string
  /** Null: into all of the account. */
  keyspace_id: string | null
  key_id: string
  /** Of the key, which is another account's. */
  key_shard: number
  policy_ids: readonly string[]
  linked_at: Instant
  linked_by_kind: ActorKind
  linked_by_id: string | null
  unlinked_at: Instant | null
  version: number
}
export type PolicyTable = {
  shard: number
  policy_id: string
  account_id: string
  name: string
  description: string
  permissions: readonly string[]
  endpoints: readonly EndpointRule[]
  created_at: Instant
  deleted_at: Instant | null
  version: number
}

export type UserTable = {
  shard: number
  user_id: string
  account_id: string
  role: Role
  permissions: readonly string[]
  created_at: Instant
  removed_at: Instant | null
  erased_at: Instant | null
  version: number
}

export type SecretCheckTable = { secret_id: string; check_value: Buffer }
export type RootKeyTable = { single: boolean; digest: Buffer; secret_id: string; created_at: Instant }
export type IdempotencyTable = {
  shard: number
  caller: string
  mutation: string
  key_digest: Buffer
  secret_id: string
  fingerprint: Buffer
  outcome: unknown
  created_at: Instant
}
export type UserKeyTable = { shard: number; user_id: string; account_id: string; sealed: Buffer; secret_id: string }
export type PersonalTable = { shard: number; user_id: string; name: string; version: number; ciphertext: Buffer }
export type IdentityTable = { shard: number; account_id: string; digest: Buffer; secret_id: string; user_id: string }

export type SealedSecretTable = {
  shard: number
  code_id: string
  keyspace_id: string
  secret_id: string
  nonce: Buffer
  ciphertext: Buffer
}

export type KeyUseTable = {
  shard: number
  key_id: string
  account_id: string
  keyspace_id: string
  last_used_at: Instant
}
export type CodeUseTable = {
  shard: number
  code_id: string
  account_id: string
  key_id: string
  last_used_at: Instant
}
/** `day` as `2026-03-01`, UTC's. */
export type CodeDayTable = { shard: number; code_id: string; day: string; uses: bigint }
export type AccessLogTable = {
  shard: number
  account_id: string
  at: Instant
  entry_id: string
  key_id: string
  key_name: string
  code_id: string | null
  verdict: VerificationCode
  method: string | null
  path: string | null
  status: number | null
  duration_ms: number | null
  client_ip: string | null
  user_agent: string | null
  request_body: string | null
  response_body: string | null
}

export type AuditLogTable = {
  log_number: number
  origin: string
  vkeys: string[]
  size: bigint
  root: Buffer
  refusal: string | null
  owner: string
  epoch: bigint
  lease_until: Instant
  opened_at: Instant
  closed_at: Instant | null
}
export type AuditCursorTable = { log_number: number; shard: number; shard_position: bigint; event_id: string }
export type AuditLeafTable = {
  log_number: number
  leaf_index: bigint
  shard: number | null
  shard_position: bigint | null
  entry: Buffer | null
}
export type AuditTileTable = { log_number: number; level: number; tile_index: bigint; hashes: Buffer }
export type AuditCheckpointTable = { log_number: number; size: bigint; root: Buffer; note: string; sealed_at: Instant }

export type Tables = {
  'log.feed_shard': FeedShardTable
  'log.account': LogAccountTable
  'log.stream': StreamTable
  'log.event': EventTable
  'state.generation': { single: boolean; generation: bigint }
  'state.account': AccountTable
  'state.keyspace': KeyspaceTable
  'state.key': KeyTable
  'state.code': CodeTable
  'state.rotation': RotationTable
  'state.link': LinkTable
  'state.policy': PolicyTable
  'state.user': UserTable
  'vault.secret_check': SecretCheckTable
  'vault.root_key': RootKeyTable
  'vault.idempotency': IdempotencyTable
  'vault.sealed_secret': SealedSecretTable
  'usage.key_use': KeyUseTable
  'usage.code_use': CodeUseTable
  'usage.code_day': CodeDayTable
  'usage.access_log': AccessLogTable
  'vault.user_key': UserKeyTable
  'vault.personal': PersonalTable
  'vault.identity': IdentityTable
  'audit.log': AuditLogTable
  'audit.cursor': AuditCursorTable
  'audit.leaf': AuditLeafTable
  'audit.tile': AuditTileTable
  'audit.checkpoint': AuditCheckpointTable
}
