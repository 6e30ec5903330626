// A code that a presented secret belongs to, with all that a verdict depends on: made here of what was read, whether that is of now or
// of a moment of the past.
import type { ActingUser } from '#domain/caller.ts'
import { effectivePermissions, type Grant } from '#domain/grant.ts'
import type { Instant } from '#domain/instant.ts'
import { invariant } from '#domain/invariant.ts'
import { JsonText } from '#domain/json-text.ts'
import type { AccessLogging, CodeSlot, Json } from '#domain/key/events.ts'
import { limitOf, type Role } from '#domain/user/roles.ts'
import type { Candidate } from '#domain/verdict.ts'
import type { Keyring } from '#secret/keyring.ts'
import { nameOf, type SealedName } from './sealed-names.ts'

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
  readonly metadata: JsonText | null
  readonly logging: AccessLogging
  /** All that it grants, within what the user may whom it acts as; sorted. */
  readonly permissions: readonly string[]
  /** The owner's external id, ERASED for who was erased; null for nobody. */
  readonly owner: string | null
  /** Whom it acts as, as they are now; null for nobody. */
  readonly user: ActingUser | null
  /** That user's external id, as the owner's. */
  readonly actsAs: string | null
  /** Of the key's last event: no verdict is given by a clock that lies before it. */
  readonly updatedAt: Instant
  /** The account's position in the same snapshot. */
  readonly position: bigint
  /** Let in by a link, whose grants and upstream rule are then the candidate's; null: as a key of its own account. */
  readonly link: { readonly linkId: string; readonly accountId: string; readonly position: bigint } | null
}

/** All that a candidate is made of: as one statement reads it now, or as it is folded of a moment of the past. */
export type CandidateColumns = {
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
  readonly policy_ids: readonly string[]
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
  /** By which it is let in where the question is about; null: none. A key is linked once into an account. */
  readonly link: LinkedIn | null
}

export type LinkedIn = {
  readonly linkId: string
  readonly accountId: string
  /** The one it is limited to. */
  readonly keyspaceId: string | null
  readonly policyIds: readonly string[]
  readonly position: string
  readonly upstreamUserRequired: boolean
  readonly policies: readonly Grant[]
}

/** What its own account grants is left behind, and for whom: a link lets in the key, not what the key may do there. */
export function throughLink(
  code: MatchedCode,
  { linkId, accountId, position, policies, upstreamUserRequired }: LinkedIn,
): MatchedCode {
  return {
    ...code,
    owner: null,
    user: null,
    actsAs: null,
    upstreamUserRequired,
    key: { ...code.key, grants: policies, actsAs: null },
    permissions: effectivePermissions(policies),
    link: { linkId, accountId, position: BigInt(position) },
  }
}

export function matchedCode(keyring: Keyring, row: CandidateColumns): MatchedCode {
  const user = userOf(row)
  const names = row.names ?? []
  const grants = [{ permissions: row.permissions, endpoints: [] }, ...row.policies]
  const actsAs = user && { permissions: limitOf(row.management, user), removed: user.removed }
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
    metadata: row.metadata === null ? null : new JsonText(row.metadata),
    logging: { request: row.log_request, response: row.log_response },
    owner: nameOf(keyring, names, row.owner_id),
    user,
    actsAs: nameOf(keyring, names, row.acts_as_id),
    updatedAt: row.updated_at,
    position: row.position,
    link: null,
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
      grants,
      actsAs,
    },
    permissions: effectivePermissions(grants, actsAs?.permissions ?? null),
  }
}

function userOf(row: CandidateColumns): ActingUser | null {
  const { acts_as_id: userId, account_id: accountId, user_role: role, user_permissions: permissions } = row
  if (userId === null) return null
  invariant(role !== null && permissions !== null, 'who a key acts as is there, if only as one who was removed')
  return { userId, accountId, role, permissions, removed: row.user_removed_at !== null }
}
