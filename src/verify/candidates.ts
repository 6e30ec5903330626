// Which codes a presented secret belongs to, and by which links these are let in where a question is about: one indexed, prepared
// statement for a batch, by digest and nothing else, so that an unknown, a wrong and a foreign secret cost the same work.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { knownShardOf } from '#domain/ids.ts'
import type { Cursors } from '#log/poll.ts'
import type { Keyring } from '#secret/keyring.ts'
import { type CandidateColumns, type MatchedCode, matchedCode, throughLink } from './matched-code.ts'
import { SEALED_NAMES } from './sealed-names.ts'
import { createSharing } from './shared.ts'
import { SNAPSHOT, type SnapshotColumns, snapshotOf } from './snapshot.ts'
import type { Loaded, Snapshot } from './sourced-cache.ts'
import { weightOf } from './weight.ts'

/** Where links are looked for: a keyspace, an account, or a keyspace that must be of that account. Well-formed ids, at least one. */
export type LinkPlace = { readonly accountId: string | null; readonly keyspaceId: string | null }

/** A secret that was presented, by its digests under every secret of the keyring, in hexadecimal, and where it is to open something. */
export type Presented = {
  readonly digests: readonly string[]
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
type Match = SnapshotColumns & CandidateColumns & { readonly question: number }

export function matchCodes(presented: readonly Presented[]): CompiledQuery<Match | NoMatch> {
  const asked = presented.flatMap(({ digests, place }, question) =>
    digests.map((digest) => ({ digest, question, place })),
  )
  return statement(MATCHES, [
    asked.map(({ digest }) => Buffer.from(digest, 'hex')),
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
  since: Cursors,
): Matches {
  const byQuestion = Map.groupBy(rows.filter(isMatch).map(withShared), ({ question }) => question)
  const loaded = presented.map(({ digests, place }, question) => {
    const matches = byQuestion.get(question) ?? []
    // A copy, as what flatMap gives has room for many more.
    const found = [
      ...matches.flatMap((row) => {
        const code = matchedCode(keyring, row)
        return row.link === null ? [code] : [code, throughLink(code, row.link)]
      }),
    ]
    const sources = [...new Set([...digests, ...namedIn(place), ...matches.flatMap(sourcesOf)])]
    return { found, sources, weight: weightOf(found, sources.length) }
  })
  return { snapshot: snapshotOf(rows, since), loaded }
}

const isMatch = (row: Match | NoMatch): row is Match => row.question !== null

const shared = createSharing()

/** What other codes have alike, once for all of them. */
function withShared(row: Match): Match {
  return {
    ...row,
    account_id: shared(row.account_id),
    keyspace_id: shared(row.keyspace_id),
    slot: shared(row.slot),
    tags: shared(row.tags),
    permissions: shared(row.permissions),
    policies: row.policies.map(shared),
    user_permissions: shared(row.user_permissions),
    link: row.link && { ...row.link, policies: row.link.policies.map(shared) },
  }
}

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
