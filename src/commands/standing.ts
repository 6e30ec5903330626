// What codes and links are good for, as the judge sees them: by the state tables, and by what a planned command makes of it.
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import type { Grant, PolicyGrant } from '#domain/grant.ts'
import type { Instant } from '#domain/instant.ts'
import type { CodeStanding } from '#domain/key/code-status.ts'
import { type KeyStanding, standingOf } from '#domain/key/key-status.ts'
import type { ExistingKey } from '#domain/key/state.ts'
import type { Stream, StreamKind } from '#domain/streams.ts'
import { limitOf, type Role } from '#domain/user/roles.ts'
import type { Candidate } from '#domain/verdict.ts'

/** An account's part of a snapshot. */
export type Scope = { readonly reading: Reading; readonly shard: number; readonly accountId: string }

export type HeldCode = CodeStanding & { readonly codeId: string }
export type HeldKey = {
  readonly keyId: string
  readonly keyspaceId: string
  readonly standing: KeyStanding
  readonly permissions: readonly string[]
  readonly policyIds: readonly string[]
  readonly frozenPolicies: readonly PolicyGrant[] | null
  readonly actsAsId: string | null
  readonly codes: readonly HeldCode[]
}

/** What keys and links refer to, by id. */
export type Surroundings = {
  readonly keyspaces: ReadonlyMap<string, { readonly management: boolean; readonly upstreamUserRequired: boolean }>
  readonly policies: ReadonlyMap<string, Grant>
  readonly users: ReadonlyMap<
    string,
    { readonly role: Role; readonly permissions: readonly string[]; readonly removed: boolean }
  >
}

export function heldKeyOf(keyId: string, key: ExistingKey): HeldKey {
  const { keyspaceId, permissions, policyIds, frozenPolicies, actsAsId, codes } = key
  return { keyId, keyspaceId, standing: standingOf(key), permissions, policyIds, frozenPolicies, actsAsId, codes }
}

export function candidateOf(code: CodeStanding, key: HeldKey, { keyspaces, policies, users }: Surroundings): Candidate {
  const { management = false, upstreamUserRequired = false } = keyspaces.get(key.keyspaceId) ?? {}
  const user = key.actsAsId === null ? undefined : users.get(key.actsAsId)
  const held = key.frozenPolicies ?? grantsOf(key.policyIds, policies)
  return {
    code,
    key: {
      ...key.standing,
      grants: [{ permissions: key.permissions, endpoints: [] }, ...held],
      actsAs: user === undefined ? null : { permissions: limitOf(management, user), removed: user.removed },
    },
    upstreamUserRequired,
  }
}

export function grantsOf(policyIds: readonly string[], policies: Surroundings['policies']): readonly Grant[] {
  return policyIds.flatMap((id) => policies.get(id) ?? [])
}

type KeyRow = {
  readonly key_id: string
  readonly keyspace_id: string
  readonly enabled: boolean
  readonly expires_at: Instant | null
  readonly permissions: readonly string[]
  readonly policy_ids: readonly string[]
  readonly frozen_policies: readonly PolicyGrant[] | null
  readonly acts_as_id: string | null
  readonly code_id: string
  readonly code_enabled: boolean
  readonly code_expires_at: Instant | null
  readonly replaced_at: Instant | null
  readonly overlap_ends_at: Instant | null
}

/** Of the account, those that hold one of the policies, act as one of the users or lie in one of the keyspaces. */
export const KEYS_CONCERNED = `
  WITH concerned AS (
    SELECT key_id FROM state.key
     WHERE shard = $1 AND account_id = $2 AND policy_ids && $3::text[] AND revoked_at IS NULL AND frozen_policies IS NULL
     UNION
    SELECT key_id FROM state.key WHERE shard = $1 AND acts_as_id = ANY ($4::text[]) AND revoked_at IS NULL
     UNION
    SELECT key_id FROM state.key
     WHERE shard = $1 AND keyspace_id = ANY ($5::text[]) AND revoked_at IS NULL AND deleted_at IS NULL
     ORDER BY key_id LIMIT $7)
  SELECT k.key_id, k.keyspace_id, k.enabled, k.expires_at, k.permissions, k.policy_ids, k.frozen_policies, k.acts_as_id,
         c.code_id, c.enabled AS code_enabled, c.expires_at AS code_expires_at, c.replaced_at, c.overlap_ends_at
    FROM concerned
    JOIN state.key k ON k.shard = $1 AND k.key_id = concerned.key_id
    JOIN state.code c ON c.shard = k.shard AND c.key_id = k.key_id
   WHERE c.deleted_at IS NULL AND (c.replaced_at IS NULL OR c.overlap_ends_at > $6::timestamptz)
     AND (c.expires_at IS NULL OR c.expires_at > $6::timestamptz)
   ORDER BY k.key_id, c.ordinal`

export type Concern = {
  readonly policyIds: readonly string[]
  readonly userIds: readonly string[]
  readonly keyspaceIds: readonly string[]
}

/** Those that may open something at `now`, with the codes that may. */
export async function readKeys(
  { reading, shard, accountId }: Scope,
  { policyIds, userIds, keyspaceIds }: Concern,
  now: Instant,
  limit: number,
): Promise<readonly HeldKey[]> {
  if (policyIds.length + userIds.length + keyspaceIds.length === 0) return []
  const parameters = [shard, accountId, policyIds, userIds, keyspaceIds, now, limit]
  const rows = await reading.run(statement<KeyRow>(KEYS_CONCERNED, parameters))
  return [...Map.groupBy(rows, ({ key_id }) => key_id).values()].flatMap((codes) => {
    const [key] = codes
    return key === undefined ? [] : [heldKeyIn(key, codes)]
  })
}

function heldKeyIn(key: KeyRow, codes: readonly KeyRow[]): HeldKey {
  return {
    keyId: key.key_id,
    keyspaceId: key.keyspace_id,
    standing: { enabled: key.enabled, expiresAt: key.expires_at, revokedAt: null, deletedAt: null },
    permissions: key.permissions,
    policyIds: key.policy_ids,
    frozenPolicies: key.frozen_policies,
    actsAsId: key.acts_as_id,
    codes: codes.map((code) => ({
      codeId: code.code_id,
      enabled: code.code_enabled,
      expiresAt: code.code_expires_at,
      replacedAt: code.replaced_at,
      overlapEndsAt: code.overlap_ends_at,
      deletedAt: null,
    })),
  }
}

type Referred = {
  readonly keyspaceIds: readonly string[]
  readonly policyIds: readonly string[]
  readonly userIds: readonly string[]
}

/** What is referred to, as it is: deleted policies grant nothing, and are left out. */
export async function readSurroundings({ reading, shard }: Scope, referred: Referred): Promise<Surroundings> {
  const read = <Row>(text: string, ids: readonly string[]) =>
    ids.length === 0 ? [] : reading.run(statement<Row>(text, [shard, [...new Set(ids)]]))
  const [keyspaces, policies, users] = await Promise.all([
    read<{ id: string; management: boolean; upstreamUserRequired: boolean }>(
      `SELECT keyspace_id AS id, management, (rules ->> 'upstreamUserRequired')::boolean AS "upstreamUserRequired"
         FROM state.keyspace WHERE shard = $1 AND keyspace_id = ANY ($2)`,
      referred.keyspaceIds,
    ),
    read<Grant & { id: string }>(
      `SELECT policy_id AS id, permissions, endpoints
         FROM state.policy WHERE shard = $1 AND policy_id = ANY ($2) AND deleted_at IS NULL`,
      referred.policyIds,
    ),
    read<{ id: string; role: Role; permissions: readonly string[]; removed: boolean }>(
      `SELECT user_id AS id, role, permissions, removed_at IS NOT NULL AS removed
         FROM state.user WHERE shard = $1 AND user_id = ANY ($2)`,
      referred.userIds,
    ),
  ])
  const byId = <Row extends { readonly id: string }>(rows: readonly Row[]) => new Map(rows.map((row) => [row.id, row]))
  return { keyspaces: byId(keyspaces), policies: byId(policies), users: byId(users) }
}

/** The same once these streams are what they will be. */
export function surroundingsAfter(before: Surroundings, after: Iterable<Stream>): Surroundings {
  const keyspaces = new Map(before.keyspaces)
  const policies = new Map(before.policies)
  const users = new Map(before.users)
  for (const stream of after) {
    if (is(stream, 'keyspace') && stream.state.status === 'active') {
      const { management, rules } = stream.state
      keyspaces.set(stream.id, { management, upstreamUserRequired: rules.upstreamUserRequired })
    }
    if (is(stream, 'policy')) {
      if (stream.state.status === 'active') policies.set(stream.id, stream.state)
      else policies.delete(stream.id)
    }
    if (is(stream, 'user') && stream.state.status !== 'none') {
      const { role, permissions, status } = stream.state
      users.set(stream.id, { role, permissions, removed: status !== 'active' })
    }
  }
  return { keyspaces, policies, users }
}

export function is<Kind extends StreamKind>(stream: Stream, kind: Kind): stream is Stream & Stream<Kind> {
  return stream.kind === kind
}
