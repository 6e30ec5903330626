// Which codes a presented secret belongs to: one indexed, prepared statement for a batch, by digest and nothing else, so that
// an unknown, a wrong and a foreign secret cost the same work.
import { type Database, send, statement } from '#database/connect.ts'
import type { ActingUser } from '#domain/caller.ts'
import type { Grant } from '#domain/grant.ts'
import type { Instant } from '#domain/instant.ts'
import { invariant } from '#domain/invariant.ts'
import type { AccessLogging, CodeSlot, Json } from '#domain/key/events.ts'
import { permissionsOfRole, type Role } from '#domain/user/roles.ts'
import type { Candidate } from '#domain/verdict.ts'
import { digestsOf } from '#secret/digest.ts'
import type { Keyring } from '#secret/keyring.ts'
import { SEALED_NAMES, type SealedName } from './sealed-names.ts'

/** A code whose digest matched, with all that a verdict depends on, read in one snapshot. */
export type MatchedCode = Candidate & {
  readonly accountId: string
  readonly keyspaceId: string
  readonly management: boolean
  readonly keyId: string
  readonly codeId: string
  readonly slot: CodeSlot
  readonly name: string
  readonly tags: readonly string[]
  readonly metadata: Json
  readonly logging: AccessLogging
  readonly ownerId: string | null
  /** Whom it acts as, as they are now; null for nobody. */
  readonly user: ActingUser | null
  /** Who the owner and the user are, as far as that is kept. */
  readonly names: readonly SealedName[]
  /** Of the key's last event: no verdict is given by a clock that lies before it. */
  readonly updatedAt: Instant
  /** The account's position in the same snapshot. */
  readonly position: bigint
}

// Tables in the order in which everyone locks them: see #state/rebuild.ts.
const MATCHES = `
  SELECT c.digest, c.account_id, c.keyspace_id, s.management,
         (s.rules ->> 'upstreamUserRequired')::boolean AS upstream_user_required, c.key_id, c.code_id, c.slot, c.enabled AS code_enabled,
         c.expires_at AS code_expires_at, c.replaced_at, c.overlap_ends_at, c.deleted_at AS code_deleted_at, k.name, k.tags,
         k.metadata, k.permissions, coalesce(k.frozen_policies, held.policies, '[]') AS policies, k.enabled AS key_enabled, k.expires_at AS key_expires_at, k.revoked_at,
         k.deleted_at AS key_deleted_at, k.log_request, k.log_response, k.updated_at, k.owner_id, k.acts_as_id,
         u.role AS user_role, u.permissions AS user_permissions, u.removed_at AS user_removed_at, told.names, a.position
    FROM state.keyspace s
    JOIN state.key k ON k.shard = s.shard AND k.keyspace_id = s.keyspace_id
    JOIN state.code c ON c.shard = k.shard AND c.key_id = k.key_id
    LEFT JOIN LATERAL (
      SELECT jsonb_agg(jsonb_build_object('permissions', p.permissions, 'endpoints', p.endpoints)) AS policies
        FROM state.policy p
       WHERE p.shard = k.shard AND p.policy_id = ANY (k.policy_ids) AND p.deleted_at IS NULL
         AND k.frozen_policies IS NULL) AS held ON true
    LEFT JOIN state.user u ON u.shard = k.shard AND u.user_id = k.acts_as_id
    LEFT JOIN LATERAL (${SEALED_NAMES}) AS told ON true
    JOIN log.account a ON a.shard = c.shard AND a.account_id = c.account_id
   WHERE c.digest = ANY ($1)`

type Row = {
  readonly digest: Buffer
  readonly account_id: string
  readonly keyspace_id: string
  readonly management: boolean
  readonly upstream_user_required: boolean
  readonly key_id: string
  readonly code_id: string
  readonly slot: CodeSlot
  readonly code_enabled: boolean
  readonly code_expires_at: Instant | null
  readonly replaced_at: Instant | null
  readonly overlap_ends_at: Instant | null
  readonly code_deleted_at: Instant | null
  readonly name: string
  readonly tags: readonly string[]
  readonly metadata: Json
  readonly permissions: readonly string[]
  /** What the policies grant: now, or for good where the key is frozen. */
  readonly policies: readonly Grant[]
  readonly key_enabled: boolean
  readonly key_expires_at: Instant | null
  readonly revoked_at: Instant | null
  readonly key_deleted_at: Instant | null
  readonly log_request: boolean
  readonly log_response: boolean
  readonly updated_at: Instant
  readonly owner_id: string | null
  readonly acts_as_id: string | null
  readonly user_role: Role | null
  readonly user_permissions: readonly string[] | null
  readonly user_removed_at: Instant | null
  readonly names: readonly SealedName[] | null
  readonly position: bigint
}

/** The codes that each of the presented secrets belongs to, in the order of `secrets`; none for an unknown one. */
export async function matchCodes(
  database: Database,
  keyring: Keyring,
  secrets: readonly string[],
): Promise<readonly (readonly MatchedCode[])[]> {
  if (secrets.length === 0) return []
  const digests = secrets.map((secret) => digestsOf(keyring, secret).map(({ digest }) => digest))
  const rows = await send(database.pool, statement<Row>(MATCHES, [digests.flat()]))
  const byDigest = Map.groupBy(rows, (row) => row.digest.toString('hex'))
  return digests.map((own) => own.flatMap((digest) => (byDigest.get(digest.toString('hex')) ?? []).map(matchedCode)))
}

function matchedCode(row: Row): MatchedCode {
  const user = userOf(row)
  return {
    accountId: row.account_id,
    keyspaceId: row.keyspace_id,
    management: row.management,
    upstreamUserRequired: row.upstream_user_required,
    keyId: row.key_id,
    codeId: row.code_id,
    slot: row.slot,
    name: row.name,
    tags: row.tags,
    metadata: row.metadata,
    logging: { request: row.log_request, response: row.log_response },
    ownerId: row.owner_id,
    user,
    names: row.names ?? [],
    updatedAt: row.updated_at,
    position: row.position,
    code: {
      enabled: row.code_enabled,
      expiresAt: row.code_expires_at,
      replacedAt: row.replaced_at,
      overlapEndsAt: row.overlap_ends_at,
      deletedAt: row.code_deleted_at,
    },
    key: {
      enabled: row.key_enabled,
      expiresAt: row.key_expires_at,
      revokedAt: row.revoked_at,
      deletedAt: row.key_deleted_at,
      grants: [{ permissions: row.permissions, endpoints: [] }, ...row.policies],
      actsAs: user && { permissions: limitOf(row, user), removed: user.removed },
    },
  }
}

function userOf(row: Row): ActingUser | null {
  const { acts_as_id: userId, account_id: accountId, user_role: role, user_permissions: permissions } = row
  if (userId === null) return null
  invariant(role !== null && permissions !== null, 'who a key acts as is there, if only as one who was removed')
  return { userId, accountId, role, permissions, removed: row.user_removed_at !== null }
}

/** A management key opens this API, where a user may what goes with their role; any other opens the application. */
function limitOf({ management }: Row, { role, permissions }: ActingUser): readonly string[] {
  return management ? permissionsOfRole(role) : permissions
}
