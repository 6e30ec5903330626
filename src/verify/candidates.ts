// Which codes a presented secret belongs to, and by which links these are let in where a question is about: one indexed, prepared
// statement for a batch, by digest and nothing else, so that an unknown, a wrong and a foreign secret cost the same work.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import type { ActingUser } from '#domain/caller.ts'
import type { Grant } from '#domain/grant.ts'
import { knownShardOf } from '#domain/ids.ts'
import type { Instant } from '#domain/instant.ts'
import { invariant } from '#domain/invariant.ts'
import type { AccessLogging, CodeSlot, Json } from '#domain/key/events.ts'
import { permissionsOfRole, type Role } from '#domain/user/roles.ts'
import type { Candidate } from '#domain/verdict.ts'
import type { Keyring } from '#secret/keyring.ts'
import { nameOf, SEALED_NAMES, type SealedName } from './sealed-names.ts'
import { SNAPSHOT, type SnapshotColumns, snapshotOf } from './snapshot.ts'
import type { Loaded, Snapshot } from './sourced-cache.ts'

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
  /** The owner's external id; null for nobody, and for who was erased. */
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

/** Where links are looked for: a keyspace, an account, or a keyspace that must be of that account. Well-formed ids, at least one. */
export type LinkPlace = { readonly accountId: string | null; readonly keyspaceId: string | null }

/** A secret that was presented, by its digests under every secret of the keyring, and where it is to open something. */
export type Presented = {
  readonly digests: readonly Buffer[]
  /** Null: as a key of its own account only. */
  readonly place: LinkPlace | null
}

// `named` is the keyspace that a question is about, `sole` the one that a link is limited to. Tables in the order in which everyone
// locks them: see #state/rebuild.ts.
const MATCHES = `
  WITH ${SNAPSHOT}
  SELECT snapshot.*, matched.* FROM snapshot LEFT JOIN (
  SELECT asked.question, c.account_id, c.keyspace_id, s.management,
         (s.rules ->> 'upstreamUserRequired')::boolean AS upstream_user_required, c.key_id, c.code_id, c.slot, c.enabled AS code_enabled,
         c.expires_at AS code_expires_at, c.replaced_at, c.overlap_ends_at, c.deleted_at AS code_deleted_at, k.name, k.tags,
         k.metadata, k.permissions, k.policy_ids, coalesce(k.frozen_policies, held.policies, '[]') AS policies, k.enabled AS key_enabled, k.expires_at AS key_expires_at, k.revoked_at,
         k.deleted_at AS key_deleted_at, k.log_request, k.log_response, k.updated_at, k.owner_id, k.acts_as_id,
         u.role AS user_role, u.permissions AS user_permissions, u.removed_at AS user_removed_at, told.names, a.position, linked.link
    FROM state.keyspace s
    JOIN state.key k ON k.shard = s.shard AND k.keyspace_id = s.keyspace_id
    JOIN state.code c ON c.shard = k.shard AND c.key_id = k.key_id
    JOIN unnest($1::bytea[], $2::integer[], $3::smallint[], $4::text[], $5::text[])
           AS asked (digest, question, shard, account_id, keyspace_id) ON asked.digest = c.digest
    LEFT JOIN LATERAL (
      SELECT jsonb_build_object('linkId', l.link_id, 'accountId', l.account_id, 'keyspaceId', l.keyspace_id,
               'policyIds', l.policy_ids, 'position', linking.position::text,
               'upstreamUserRequired', coalesce((coalesce(named.rules, sole.rules) ->> 'upstreamUserRequired')::boolean, false),
               'policies', (SELECT coalesce(jsonb_agg(jsonb_build_object('permissions', p.permissions, 'endpoints', p.endpoints)), '[]')
                              FROM state.policy p
                             WHERE p.shard = l.shard AND p.policy_id = ANY (l.policy_ids) AND p.deleted_at IS NULL)) AS link
        FROM (VALUES (asked.shard, asked.account_id, asked.keyspace_id)) AS place (shard, account_id, keyspace_id)
        LEFT JOIN state.keyspace named ON named.shard = place.shard AND named.keyspace_id = place.keyspace_id
         AND NOT named.management AND named.deleted_at IS NULL
        JOIN state.link l ON l.shard = place.shard AND l.account_id = coalesce(place.account_id, named.account_id)
         AND l.key_id = k.key_id AND l.unlinked_at IS NULL
        LEFT JOIN state.keyspace sole ON sole.shard = l.shard AND sole.keyspace_id = l.keyspace_id
        JOIN log.account linking ON linking.shard = l.shard AND linking.account_id = l.account_id
       WHERE place.keyspace_id IS NULL
          OR named.account_id = l.account_id AND coalesce(l.keyspace_id, named.keyspace_id) = named.keyspace_id
       LIMIT 1) AS linked ON true
    LEFT JOIN LATERAL (
      SELECT jsonb_agg(jsonb_build_object('permissions', p.permissions, 'endpoints', p.endpoints)) AS policies
        FROM state.policy p
       WHERE p.shard = k.shard AND p.policy_id = ANY (k.policy_ids) AND p.deleted_at IS NULL
         AND k.frozen_policies IS NULL) AS held ON true
    LEFT JOIN state.user u ON u.shard = k.shard AND u.user_id = k.acts_as_id
    LEFT JOIN LATERAL (${SEALED_NAMES}) AS told ON true
    JOIN log.account a ON a.shard = c.shard AND a.account_id = c.account_id) AS matched ON true`

type NoMatch = SnapshotColumns & { readonly question: null }
type Match = SnapshotColumns & {
  readonly question: number
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

type LinkedIn = {
  readonly linkId: string
  readonly accountId: string
  /** The one it is limited to. */
  readonly keyspaceId: string | null
  readonly policyIds: readonly string[]
  readonly position: string
  readonly upstreamUserRequired: boolean
  readonly policies: readonly Grant[]
}

export function matchCodes(presented: readonly Presented[]): CompiledQuery<Match | NoMatch> {
  const asked = presented.flatMap(({ digests, place }, question) =>
    digests.map((digest) => ({ digest, question, place })),
  )
  return statement(MATCHES, [
    asked.map(({ digest }) => digest),
    asked.map(({ question }) => question),
    asked.map(({ place }) => shardOfPlace(place)),
    asked.map(({ place }) => place?.accountId ?? null),
    asked.map(({ place }) => place?.keyspaceId ?? null),
  ])
}

export type Matches = {
  readonly snapshot: Snapshot
  /** For each presented secret the codes that it belongs to, once as such and once by its link; none for an unknown one. */
  readonly loaded: readonly Loaded<readonly MatchedCode[]>[]
}

/** What the rows of `matchCodes` say of what was presented. */
export function readMatches(
  keyring: Keyring,
  presented: readonly Presented[],
  rows: readonly (Match | NoMatch)[],
): Matches {
  const byQuestion = Map.groupBy(rows.filter(isMatch), ({ question }) => question)
  const loaded = presented.map(({ digests, place }, question) => {
    const matches = byQuestion.get(question) ?? []
    const found = matches.flatMap((row) => {
      const code = matchedCode(keyring, row)
      return row.link === null ? [code] : [code, throughLink(code, row.link)]
    })
    const own = digests.map((digest) => digest.toString('hex'))
    return { found, sources: [...new Set([...own, ...namedIn(place), ...matches.flatMap(sourcesOf)])] }
  })
  return { snapshot: snapshotOf(rows), loaded }
}

const isMatch = (row: Match | NoMatch): row is Match => row.question !== null

/** Where it is not there yet, it may come to be, and then be what a link lets in to. */
function namedIn(place: LinkPlace | null): readonly string[] {
  return place === null || place.keyspaceId === null ? [] : [place.keyspaceId]
}

/** The ids of all streams, and accounts, that a row was read from. */
function sourcesOf({
  account_id,
  keyspace_id,
  key_id,
  policy_ids,
  owner_id,
  acts_as_id,
  link,
}: Match): readonly string[] {
  const linked = link === null ? [] : [link.linkId, link.accountId, link.keyspaceId, ...link.policyIds]
  return [account_id, keyspace_id, key_id, ...policy_ids, owner_id, acts_as_id, ...linked].filter((id) => id !== null)
}

function shardOfPlace(place: LinkPlace | null): number | null {
  const id = place?.keyspaceId ?? place?.accountId ?? null
  return id === null ? null : knownShardOf(id)
}

/** What its own account grants is left behind, and for whom: a link lets in the key, not what the key may do there. */
function throughLink(
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
    link: { linkId, accountId, position: BigInt(position) },
  }
}

function matchedCode(keyring: Keyring, row: Match): MatchedCode {
  const user = userOf(row)
  const names = row.names ?? []
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
      grants: [{ permissions: row.permissions, endpoints: [] }, ...row.policies],
      actsAs: user && { permissions: limitOf(row, user), removed: user.removed },
    },
  }
}

function userOf(row: Match): ActingUser | null {
  const { acts_as_id: userId, account_id: accountId, user_role: role, user_permissions: permissions } = row
  if (userId === null) return null
  invariant(role !== null && permissions !== null, 'who a key acts as is there, if only as one who was removed')
  return { userId, accountId, role, permissions, removed: row.user_removed_at !== null }
}

/** A management key opens this API, where a user may what goes with their role; any other opens the application. Who was removed may nothing. */
function limitOf({ management }: Match, { role, permissions, removed }: ActingUser): readonly string[] {
  if (removed) return []
  return management ? permissionsOfRole(role) : permissions
}
