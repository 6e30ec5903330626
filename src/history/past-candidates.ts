// The codes that something presented belonged to at a moment of the past, made of folded streams by what makes those of today.
import { type Database, statement } from '#database/connect.ts'
import type { Caller } from '#domain/caller.ts'
import type { Grant } from '#domain/grant.ts'
import { kindOf, knownShardOf, shardOf } from '#domain/ids.ts'
import { INSTANT_MAX, type Instant } from '#domain/instant.ts'
import { invariant } from '#domain/invariant.ts'
import { digestsOf } from '#secret/digest.ts'
import type { Keyring } from '#secret/keyring.ts'
import { keyRow } from '#state/key-rows.ts'
import { keyspaceRow } from '#state/keyspace-rows.ts'
import { linkRow } from '#state/link-rows.ts'
import { policyRow } from '#state/policy-rows.ts'
import { userRow } from '#state/user-rows.ts'
import type { LinkPlace } from '#verify/candidates.ts'
import {
  type CandidateColumns,
  type LinkedIn,
  type MatchedCode,
  matchedCode,
  throughLink,
} from '#verify/matched-code.ts'
import { SEALED_NAMES, type SealedName } from '#verify/sealed-names.ts'
import {
  type Evidence,
  findKnownCodes,
  homeEvidence,
  type KnownCode,
  linkEvidence,
  type PastLink,
  pastLink,
  type Sought,
} from './evidence.ts'
import type { Moment } from './moment.ts'

export type PastCode = { readonly matched: MatchedCode; readonly evidence: Evidence }

export type PastCandidates = {
  readonly codes: readonly PastCode[]
  /** Known today to whom it is no secret, root or the account of the code itself, and not issued by then. */
  readonly notYet: readonly KnownCode[]
  /** Of the account that is asked about: those of the codes that let nothing in there, as they had ended or lead elsewhere. */
  readonly shut: readonly PastLink[]
}

/** What has happened by then: up to the end of the millisecond, and in the account that is asked about up to a position, if one is given. */
export type Then = {
  /** By which expiries are judged. */
  readonly at: Instant
  /** All that is there has happened, whatever the clock of this instance says. */
  readonly isNow: boolean
  readonly position: bigint | null
  /** Of the last event of an account up to the end of that millisecond. */
  readonly positionOf: (accountId: string) => Promise<bigint>
}

type Parts = { readonly database: Database; readonly keyring: Keyring; readonly then: Then }

export type PresentedThen = { readonly secret: string } | { readonly codeId: string }

/** Once as such and once for each link, like the codes of today. `place`: where links may let it in, null for nowhere. */
export async function findPastCodes(
  parts: Parts,
  caller: Caller,
  presented: PresentedThen,
  place: LinkPlace | null,
): Promise<PastCandidates> {
  const tenant = caller.kind === 'ROOT' ? null : caller.accountId
  const known = await findKnownCodes(parts.database, soughtBy(parts.keyring, presented), placed(place), tenant)
  const found = await Promise.all(known.map((code) => pastCodesOf(parts, code, place)))
  const isTheirs = (code: KnownCode) => tenant === null || tenant === code.account_id
  return {
    codes: found.flatMap(({ codes }) => codes),
    notYet: known.filter((code, index) => found[index]?.codes.length === 0 && isTheirs(code)),
    shut: found.flatMap(({ shut }) => shut),
  }
}

function soughtBy(keyring: Keyring, presented: PresentedThen): Sought {
  if ('secret' in presented) return { digests: digestsOf(keyring, presented.secret).map(({ digest }) => digest) }
  const { codeId } = presented
  // What is no id reaches no statement: PostgreSQL has texts that it refuses.
  return kindOf(codeId) === 'code' ? { codeId, shard: knownShardOf(codeId) } : { codeId: '', shard: -1 }
}

function placed(place: LinkPlace | null) {
  const shard = shardOf(place?.keyspaceId ?? place?.accountId ?? '')
  return place === null || shard === undefined ? null : { ...place, shard }
}

async function pastCodesOf(
  { database, keyring, then }: Parts,
  known: KnownCode,
  place: LinkPlace | null,
): Promise<Pick<PastCandidates, 'codes' | 'shut'>> {
  const accountId = known.asked_account_id ?? known.account_id
  const moment = {
    at: then.isNow ? INSTANT_MAX : then.at,
    upTo: then.position === null ? null : { accountId, position: then.position },
  }
  const evidence = await homeEvidence(database, known, moment)
  if (evidence === null) return { codes: [], shut: [] }
  const positionOf = async (id: string) => (id === accountId ? then.position : null) ?? (await then.positionOf(id))
  const names = await namesOf(database, evidence)
  const matched = matchedCode(keyring, columnsOf(evidence, names, await positionOf(known.account_id)))
  const links = place === null ? [] : await linksOf(database, evidence, known.link_ids, place, moment)
  const away = links.flatMap(({ byLink }) => byLink ?? [])
  const position = away.length === 0 ? 0n : await positionOf(accountId)
  const letIn = away.map((one) => ({ matched: throughLink(matched, linkedIn(one, position)), evidence: one }))
  return {
    codes: [{ matched, evidence }, ...letIn],
    shut: links.flatMap(({ link, byLink }) => (byLink === null ? [link] : [])),
  }
}

/** Those that were there by then; `byLink`: of the code by it, null where it let nothing in. */
async function linksOf(
  database: Database,
  home: Evidence,
  linkIds: readonly string[],
  place: LinkPlace,
  moment: Moment,
) {
  const found = linkIds.map(async (id) => {
    const link = await pastLink(database, id, moment)
    return link && { link, byLink: await linkEvidence(database, home, link, place, moment) }
  })
  return (await Promise.all(found)).filter((one) => one !== null)
}

function columnsOf(
  { code, key, keyspace, user, policies }: Evidence,
  names: readonly SealedName[],
  position: bigint,
): CandidateColumns {
  const row = keyRow(key.stream)
  const { management, rules } = keyspaceRow(keyspace.stream)
  const acting = user && userRow(user.stream)
  return {
    ...row,
    management,
    upstream_user_required: rules.upstreamUserRequired,
    code_id: code.codeId,
    slot: code.slot,
    code_enabled: code.enabled,
    code_expires_at: code.expiresAt,
    replaced_at: code.replacedAt,
    overlap_ends_at: code.overlapEndsAt,
    code_deleted_at: code.deletedAt,
    policies: row.frozen_policies ?? granted(policies),
    key_enabled: row.enabled,
    key_expires_at: row.expires_at,
    key_deleted_at: row.deleted_at,
    user_role: acting?.role ?? null,
    user_permissions: acting?.permissions ?? null,
    user_removed_at: acting?.removed_at ?? null,
    names,
    position,
    link: null,
  }
}

function linkedIn({ link, policies }: Evidence, position: bigint): LinkedIn {
  invariant(link !== null, 'what is let in is by a link')
  const row = linkRow(link.link.stream)
  const into = link.into && keyspaceRow(link.into.stream)
  return {
    linkId: row.link_id,
    accountId: row.account_id,
    keyspaceId: row.keyspace_id,
    policyIds: row.policy_ids,
    position: String(position),
    upstreamUserRequired: into?.rules.upstreamUserRequired ?? false,
    policies: granted(policies),
  }
}

/** By those that were not deleted. */
function granted(policies: Evidence['policies']): readonly Grant[] {
  return policies.map(({ stream }) => policyRow(stream)).filter(({ deleted_at }) => deleted_at === null)
}

/** Of the vault, which has no past. */
async function namesOf({ kysely }: Database, { key }: Evidence): Promise<readonly SealedName[]> {
  const { owner_id: ownerId, acts_as_id: actsAsId, shard } = keyRow(key.stream)
  if (ownerId === null && actsAsId === null) return []
  const { rows } = await kysely.executeQuery(
    statement<{ names: readonly SealedName[] | null }>(NAMES, [shard, ownerId, actsAsId]),
  )
  return rows[0]?.names ?? []
}

const NAMES = `
  SELECT told.names FROM (VALUES ($1::smallint, $2::text, $3::text)) AS k (shard, owner_id, acts_as_id)
   CROSS JOIN LATERAL (${SEALED_NAMES}) AS told`
