// Which codes and links stop opening things, or open less, once some streams are what a command makes of them: at once, or at an
// end that it brings forward. Of the command's own account alone: whoever has linked a key of it is their own account's affair, and
// of a linked key's codes this one knows nothing.
import { setImmediate } from 'node:timers/promises'
import { statement } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'
import type { KeyStanding } from '#domain/key/key-status.ts'
import { type Lost, lossesOf, lossOf } from '#domain/loss.ts'
import type { Stream } from '#domain/streams.ts'
import type { Candidate } from '#domain/verdict.ts'
import {
  type Concern,
  candidateOf,
  grantsOf,
  type HeldKey,
  heldKeyOf,
  is,
  readKeys,
  readSurroundings,
  type Scope,
  type Surroundings,
  surroundingsAfter,
} from './standing.ts'

/** `at`: from when on. */
export type Stop = Lost &
  (
    | { readonly kind: 'code'; readonly codeId: string; readonly keyId: string }
    | { readonly kind: 'link'; readonly linkId: string }
  )

export type Stops = {
  /** Those that open nothing any more first, and the sooner the earlier; a code that loses some at once and the rest later is there twice. */
  readonly stops: readonly Stop[]
  /** False where more keys or links are concerned than were looked at. */
  readonly complete: boolean
}

/** A stream as it is, and as it will be. */
export type Turn = { readonly before: Stream; readonly after: Stream }

/** Keys that are looked at, and links: what a removal takes at most. */
export const CONCERNED_MAX = 10_000
/** Then others have their turn. */
const TURN_LENGTH = 100

/** By the judge, before and after: at `now`, and at the ends that lie ahead. */
export async function findStops(scope: Scope, turns: readonly Turn[], now: Instant): Promise<Stops> {
  const concern = concernOf(turns)
  const changed = new Map(turns.filter(({ before }) => is(before, 'key')).map((turn) => [turn.before.id, turn]))
  const [others, links] = await Promise.all([
    readKeys(scope, concern, now, CONCERNED_MAX + 1),
    readLinks(scope, concern, idsOf(turns, 'link')),
  ])
  const keys = [
    ...[...changed.values()].flatMap(({ before, after }) => turnOfKey(before, after)),
    ...others.filter(({ keyId }) => !changed.has(keyId)).map((key) => ({ before: key, after: key })),
  ]
  const linkTurns = links.map((link) => ({ link, after: linkAfter(link, turns) }))
  const before = await readSurroundings(scope, {
    keyspaceIds: [
      ...keys.map((key) => key.before.keyspaceId),
      ...links.flatMap(({ keyspace_id: id }) => id ?? []),
      ...concern.keyspaceIds,
    ],
    policyIds: [
      ...keys.flatMap((key) => [...key.before.policyIds, ...key.after.policyIds]),
      ...linkTurns.flatMap(({ link, after }) => [...link.policy_ids, ...(after ?? [])]),
    ],
    userIds: keys.flatMap((key) => [key.before.actsAsId, key.after.actsAsId]).filter((id) => id !== null),
  })
  const after = surroundingsAfter(
    before,
    turns.map((turn) => turn.after),
  )
  const stops: Stop[] = []
  for (const [index, key] of keys.entries()) {
    stops.push(...stopsOfKey(key, before, after, now))
    if (index % TURN_LENGTH === TURN_LENGTH - 1) await setImmediate()
  }
  for (const turn of linkTurns) stops.push(...stopOfLink(turn, concern.keyspaceIds, before, after, now))
  const complete = Math.max(others.length, links.length) <= CONCERNED_MAX
  return { stops: stops.toSorted(gravestFirst), complete }
}

function gravestFirst(a: Stop, b: Stop): number {
  return Number(b.loss === 'ALL') - Number(a.loss === 'ALL') || Number(a.at > b.at) - Number(a.at < b.at)
}

/** What the changes concern beyond the streams themselves. */
function concernOf(turns: readonly Turn[]): Concern {
  const keyspaces = turns.filter(({ before, after }) => !asksForUser(before) && asksForUser(after))
  return {
    policyIds: idsOf(turns, 'policy'),
    userIds: idsOf(turns, 'user'),
    // Of all rules no other is asked for when a key is judged.
    keyspaceIds: keyspaces.map(({ before }) => before.id),
  }
}

function idsOf(turns: readonly Turn[], kind: Stream['kind']): readonly string[] {
  return turns.filter(({ before }) => before.kind === kind && before.version > 0).map(({ before }) => before.id)
}

function asksForUser(stream: Stream): boolean {
  return is(stream, 'keyspace') && stream.state.status === 'active' && stream.state.rules.upstreamUserRequired
}

type KeyTurn = { readonly before: HeldKey; readonly after: HeldKey }

/** None for one that is only being made. */
function turnOfKey(before: Stream, after: Stream): readonly KeyTurn[] {
  if (!is(before, 'key') || !is(after, 'key')) return []
  if (before.state.status === 'none' || after.state.status === 'none') return []
  return [{ before: heldKeyOf(before.id, before.state), after: heldKeyOf(after.id, after.state) }]
}

function stopsOfKey(key: KeyTurn, before: Surroundings, after: Surroundings, now: Instant): readonly Stop[] {
  const { keyId } = key.before
  const codesAfter = new Map(key.after.codes.map((code) => [code.codeId, code]))
  return key.before.codes.flatMap((code): readonly Stop[] => {
    const { codeId } = code
    const then = codesAfter.get(codeId) ?? code
    const losses = lossesOf(candidateOf(code, key.before, before), candidateOf(then, key.after, after), now)
    return losses.map((lost) => ({ kind: 'code', codeId, keyId, ...lost }))
  })
}

type LinkRow = KeyStanding & {
  readonly link_id: string
  readonly keyspace_id: string | null
  readonly policy_ids: readonly string[]
}

// Of the key nothing is selected but what the link tells of it. Tables in the order in which everyone locks them.
export const LINKS_CONCERNED = `
  WITH concerned AS (
    SELECT l.link_id FROM state.link l WHERE l.shard = $1 AND l.link_id = ANY ($3::text[]) AND l.unlinked_at IS NULL
     UNION
    SELECT l.link_id FROM state.link l
     WHERE l.shard = $1 AND l.account_id = $2 AND l.policy_ids && $4::text[] AND l.unlinked_at IS NULL
     UNION
    SELECT l.link_id FROM state.link l
     WHERE l.shard = $1 AND l.account_id = $2 AND l.unlinked_at IS NULL AND cardinality($5::text[]) > 0
       AND (l.keyspace_id IS NULL OR l.keyspace_id = ANY ($5::text[]))
     ORDER BY link_id LIMIT $6)
  SELECT l.link_id, l.keyspace_id, l.policy_ids, k.enabled, k.expires_at AS "expiresAt", k.revoked_at AS "revokedAt",
         k.deleted_at AS "deletedAt"
    FROM concerned
    JOIN state.link l ON l.shard = $1 AND l.link_id = concerned.link_id
    JOIN state.key k ON k.shard = l.key_shard AND k.key_id = l.key_id
   ORDER BY l.link_id`

async function readLinks(
  { reading, shard, accountId }: Scope,
  { policyIds, keyspaceIds }: Concern,
  linkIds: readonly string[],
): Promise<readonly LinkRow[]> {
  if (linkIds.length + policyIds.length + keyspaceIds.length === 0) return []
  const parameters = [shard, accountId, linkIds, policyIds, keyspaceIds, CONCERNED_MAX + 1]
  return reading.run(statement<LinkRow>(LINKS_CONCERNED, parameters))
}

/** The policies it will hold; undefined where it will have ended. */
function linkAfter(link: LinkRow, turns: readonly Turn[]): readonly string[] | undefined {
  const turn = turns.find(({ after }) => after.id === link.link_id)
  if (turn === undefined || !is(turn.after, 'link')) return link.policy_ids
  return turn.after.state.status === 'active' ? turn.after.state.policyIds : undefined
}

type LinkTurn = { readonly link: LinkRow; readonly after: readonly string[] | undefined }

/** Some code of its key that is good: whether there is one, its own account knows. */
const GOOD_CODE = { enabled: true, expiresAt: null, replacedAt: null, overlapEndsAt: null, deletedAt: null }

function stopOfLink(
  { link, after: policiesAfter }: LinkTurn,
  keyspaceIds: readonly string[],
  before: Surroundings,
  after: Surroundings,
  now: Instant,
): readonly Stop[] {
  const candidate = (
    policyIds: readonly string[],
    keyspaceId: string | null,
    { policies, keyspaces }: Surroundings,
  ): Candidate => ({
    code: GOOD_CODE,
    key: { ...link, grants: grantsOf(policyIds, policies), actsAs: null },
    upstreamUserRequired: keyspaceId !== null && keyspaces.get(keyspaceId)?.upstreamUserRequired === true,
  })
  // Let into all of the account, it is judged by the rules of the keyspace that is asked about.
  const places = link.keyspace_id === null ? [null, ...keyspaceIds] : [link.keyspace_id]
  const losses = places.map((keyspaceId) => {
    const then = candidate(policiesAfter ?? [], keyspaceId, after)
    const ended = policiesAfter === undefined ? { ...then, key: { ...then.key, revokedAt: now } } : then
    // The ends of its key are no command's of this account.
    return lossOf(candidate(link.policy_ids, keyspaceId, before), ended, now)
  })
  if (losses.every((loss) => loss === undefined)) return []
  const loss = losses.every((lost) => lost === 'ALL') ? 'ALL' : 'SOME'
  return [{ kind: 'link', linkId: link.link_id, loss, at: now }]
}
