// What a past verdict hung on: each thing as it was at the moment, with the event that had made each part of it so.
import { type Database, statement } from '#database/connect.ts'
import { invariant } from '#domain/invariant.ts'
import type { Code, KeyState } from '#domain/key/state.ts'
import type { LinkState } from '#domain/link/state.ts'
import type { PolicyState } from '#domain/policy/state.ts'
import type { StreamKind } from '#domain/streams.ts'
import type { LinkPlace } from '#verify/candidates.ts'
import { byPosition, namedBy } from './granted.ts'
import { type Folded, foldWithChanges, type Parts } from './last-changes.ts'
import type { Moment } from './moment.ts'
import { type PastEvent, readPastEvents } from './past-streams.ts'

type KeyPart =
  | 'ended'
  | 'deleted'
  | 'enabled'
  | 'expiresAt'
  | 'permissions'
  | 'policyIds'
  | 'frozenPolicies'
  | 'actsAsId'
type CodePart = 'issued' | 'codeEnabled' | 'replaced' | 'overlapEndsAt' | 'codeDeleted'

export type Evidence = {
  readonly code: Code
  readonly key: Folded<'key', KeyPart | CodePart>
  readonly keyspace: Folded<'keyspace', 'upstreamUserRequired'>
  /** Whom it acts as. */
  readonly user: Folded<'user', 'role' | 'permissions' | 'removed'> | null
  /** Those it holds, or that the link does, deleted ones too. */
  readonly policies: readonly Folded<'policy', 'grant'>[]
  /** By which it is let in, and the keyspace that it is let in to; null: at home. */
  readonly link: {
    readonly link: PastLink['link']
    readonly into: Folded<'keyspace', 'upstreamUserRequired'> | null
  } | null
  /** Of all that its grants may ever have hung on, in their order: key, keyspace, policies and users; of one let in, link and policies. */
  readonly history: readonly PastEvent[]
}

/** A link as it was, ended or not, and its events. */
export type PastLink = {
  readonly link: Folded<'link', 'linked' | 'ended' | 'policyIds'>
  readonly events: readonly PastEvent[]
}

/** A code that is known today: which key it is of never changes. */
export type KnownCode = {
  readonly code_id: string
  readonly key_id: string
  readonly account_id: string
  /** That is asked about; null where the question names none, which is root's to do. */
  readonly asked_account_id: string | null
  /** The key's links into the account that is asked about, ended ones too. */
  readonly link_ids: readonly string[]
}

// Whatever the caller may not see is left out here, so that it costs the same as what does not exist. Tables in the order in which
// everyone locks them: see #state/rebuild.ts.
const KNOWN = `
  WITH place AS (
    SELECT coalesce($2, (SELECT k.account_id FROM state.keyspace k WHERE k.shard = $1 AND k.keyspace_id = $3)) AS account_id)
  SELECT c.code_id, c.key_id, c.account_id, place.account_id AS asked_account_id, coalesce(linked.ids, '{}') AS link_ids
    FROM state.code c
   CROSS JOIN place
    LEFT JOIN LATERAL (
      SELECT array_agg(l.link_id) AS ids FROM state.link l
       WHERE l.shard = $1 AND l.account_id = place.account_id AND l.key_id = c.key_id) AS linked ON true
   WHERE ($4::text IS NULL OR c.account_id = $4 OR linked.ids IS NOT NULL) AND `

export type Sought = { readonly digests: readonly Buffer[] } | { readonly codeId: string; readonly shard: number }

/** `place`: where links are looked for, with its shard; `tenant`: whose codes may be seen beside those linked there, null for any. */
export async function findKnownCodes(
  { kysely }: Pick<Database, 'kysely'>,
  sought: Sought,
  place: (LinkPlace & { readonly shard: number }) | null,
  tenant: string | null,
): Promise<readonly KnownCode[]> {
  const where = [place?.shard ?? null, place?.accountId ?? null, place?.keyspaceId ?? null, tenant]
  const query =
    'digests' in sought
      ? statement<KnownCode>(`${KNOWN} c.digest = ANY ($5)`, [...where, sought.digests])
      : statement<KnownCode>(`${KNOWN} c.shard = $5 AND c.code_id = $6`, [...where, sought.shard, sought.codeId])
  return (await kysely.executeQuery(query)).rows
}

/** Of the code at home at that moment; null where it had not been issued yet. */
export async function homeEvidence(
  database: Pick<Database, 'kysely'>,
  { code_id: codeId, key_id: keyId, account_id: accountId }: KnownCode,
  moment: Moment,
): Promise<Evidence | null> {
  const keyEvents = await readPastEvents(database, [keyId], moment, accountId)
  const key = foldWithChanges('key', keyEvents, keyParts(codeId))
  const state = key?.stream.state
  const code = state && codeOf(state, codeId)
  if (key == null || state === undefined || state.status === 'none' || code === undefined) return null
  const { keyspaceId, actsAsId, policyIds } = state
  const others = await readPastEvents(database, namedBy(keyEvents), moment, accountId)
  const events = byStream(others)
  const keyspace = fold('keyspace', events.get(keyspaceId), KEYSPACE_PARTS)
  invariant(keyspace !== null, 'a key is in a keyspace')
  return {
    code,
    key,
    keyspace,
    user: actsAsId === null ? null : fold('user', events.get(actsAsId), USER_PARTS),
    policies: policiesIn(events, policyIds),
    link: null,
    history: [...keyEvents, ...others].sort(byPosition),
  }
}

/** Null where it was not there yet. */
export async function pastLink(
  database: Pick<Database, 'kysely'>,
  linkId: string,
  moment: Moment,
): Promise<PastLink | null> {
  const events = await readPastEvents(database, [linkId], moment, null)
  const link = fold('link', events, LINK_PARTS)
  return link && { link, events }
}

/** Of the same code by a link at that moment; null where the link let nothing in there then. */
export async function linkEvidence(
  database: Pick<Database, 'kysely'>,
  home: Evidence,
  { link, events: linkEvents }: PastLink,
  { keyspaceId }: LinkPlace,
  moment: Moment,
): Promise<Evidence | null> {
  if (link.stream.state.status !== 'active') return null
  const { keyspaceId: soleId, policyIds } = link.stream.state
  if (keyspaceId !== null && soleId !== null && soleId !== keyspaceId) return null
  const intoId = keyspaceId ?? soleId
  const ids = [...namedBy(linkEvents), ...(intoId === null ? [] : [intoId])]
  const others = await readPastEvents(database, ids, moment, link.stream.accountId)
  const events = byStream(others)
  const into = intoId === null ? null : fold('keyspace', events.get(intoId), KEYSPACE_PARTS)
  // The one that is asked about must be there, and an application's.
  const state = into?.stream.state
  if (keyspaceId !== null && (state?.status !== 'active' || state.management)) return null
  const history = [...linkEvents, ...others].sort(byPosition)
  return { ...home, user: null, policies: policiesIn(events, policyIds), link: { link, into }, history }
}

function policiesIn(events: ReadonlyMap<string, readonly PastEvent[]>, ids: readonly string[]) {
  return ids.flatMap((id) => fold('policy', events.get(id), POLICY_PARTS) ?? [])
}

function byStream(events: readonly PastEvent[]): ReadonlyMap<string, readonly PastEvent[]> {
  return Map.groupBy(events, ({ stream_id }) => stream_id)
}

function fold<Kind extends StreamKind, Name extends string>(
  kind: Kind,
  events: readonly PastEvent[] | undefined,
  parts: Parts<Kind, Name>,
): Folded<Kind, Name> | null {
  return events === undefined ? null : foldWithChanges(kind, events, parts)
}

const ofKey = (state: KeyState) => (state.status === 'none' ? undefined : state)

function keyParts(codeId: string): Parts<'key', KeyPart | CodePart> {
  // Asked for by each part after each event: a key may have thousands of codes.
  let looked: KeyState | undefined
  let code: Code | undefined
  const ofCode = (state: KeyState) => {
    if (state !== looked) [looked, code] = [state, codeOf(state, codeId)]
    return code
  }
  return {
    ended: (state) => state.status === 'revoked' || state.status === 'deleted',
    deleted: (state) => state.status === 'deleted',
    enabled: (state) => ofKey(state)?.enabled,
    expiresAt: (state) => ofKey(state)?.expiresAt,
    permissions: (state) => ofKey(state)?.permissions,
    policyIds: (state) => ofKey(state)?.policyIds,
    // Null as long as it is not frozen, which is as before there was anything.
    frozenPolicies: (state) => ofKey(state)?.frozenPolicies ?? null,
    actsAsId: (state) => ofKey(state)?.actsAsId,
    issued: (state) => ofCode(state) !== undefined,
    codeEnabled: (state) => ofCode(state)?.enabled,
    // As before there was a code: its issue changes none of them.
    replaced: (state) => ofCode(state)?.replacedAt ?? null,
    overlapEndsAt: (state) => ofCode(state)?.overlapEndsAt ?? null,
    codeDeleted: (state) => ofCode(state)?.deletedAt ?? null,
  }
}

function codeOf(state: KeyState, codeId: string): Code | undefined {
  return ofKey(state)?.codes.find((code) => code.codeId === codeId)
}

const KEYSPACE_PARTS: Parts<'keyspace', 'upstreamUserRequired'> = {
  upstreamUserRequired: (state) => (state.status === 'none' ? undefined : state.rules.upstreamUserRequired),
}

const USER_PARTS: Parts<'user', 'role' | 'permissions' | 'removed'> = {
  role: (state) => (state.status === 'none' ? undefined : state.role),
  permissions: (state) => (state.status === 'none' ? undefined : state.permissions),
  removed: (state) => state.status === 'removed',
}

const POLICY_PARTS: Parts<'policy', 'grant'> = {
  grant: (state: PolicyState) =>
    state.status === 'active' ? [state.permissions, state.endpoints.map((rule) => ({ ...rule }))] : state.status,
}

const LINK_PARTS: Parts<'link', 'linked' | 'ended' | 'policyIds'> = {
  linked: (state: LinkState) => state.status !== 'none',
  ended: (state: LinkState) => state.status === 'unlinked',
  policyIds: (state: LinkState) => (state.status === 'none' ? undefined : state.policyIds),
}
