// What a verdict hung on, as a list that people read: what was so, of what, and which event had made it so.
import { type Grant, suffices } from '#domain/grant.ts'
import { invariant } from '#domain/invariant.ts'
import { type CodeStatus, codeStatus } from '#domain/key/code-status.ts'
import { type KeyStatus, keyStatus } from '#domain/key/key-status.ts'
import type { KnownCode, PastLink } from './evidence.ts'
import type { Judged } from './judged.ts'
import type { PastCode } from './past-candidates.ts'
import type { PastEvent } from './past-streams.ts'

export type Fact = {
  readonly name: string
  readonly value: string
  /** What it was so of; null for the question itself. */
  readonly subjectId: string | null
  /** What had made it so; null for the question, the clock, and what is another account's. */
  readonly event: PastEvent | null
}

/** In the order in which the judge looks at them. */
export function factsOf(judged: Judged): readonly Fact[] {
  return [...(judged.evidence.link === null ? factsAtHome(judged) : factsByLink(judged)), ...factsAsked(judged)]
}

/** Of codes that were found but not there where the question was about, or not yet, and of the link that let none in. */
export function unfoundFacts(
  elsewhere: readonly PastCode[],
  notYet: readonly KnownCode[],
  shut: PastLink | null,
): readonly Fact[] {
  return [
    ...elsewhere.map(({ matched, evidence }) => {
      const event = evidence.key.changedBy.issued
      return { name: 'keyspace', value: `the key is one of ${matched.keyspaceId}`, subjectId: matched.keyId, event }
    }),
    ...notYet.map(({ code_id: subjectId }) => ({ name: 'code', value: 'not issued yet', subjectId, event: null })),
    ...(shut === null ? [] : [linkFact(shut)]),
  ]
}

function factsAtHome(judged: Judged): readonly Fact[] {
  const { matched, evidence, now } = judged
  const { keyId, codeId, key, code } = matched
  const { changedBy, stream } = evidence.key
  const ended = key.revokedAt !== null
  const ofKey = (name: string, value: string, event: PastEvent | null) => ({ name, value, subjectId: keyId, event })
  const ofCode = (name: string, value: string, event: PastEvent | null) => ({ name, value, subjectId: codeId, event })
  const { state } = stream
  invariant(state.status !== 'none', 'a key with events exists')
  return [
    ofKey('key', keyStatus(key, now), changedBy[KEY_PART[keyStatus(key, now)]]),
    ofCode('code', codeStatus(code, ended, now), changedBy[CODE_PART[codeStatus(code, ended, now)]]),
    ...(code.replacedAt === null ? [] : [ofCode('overlapEndsAt', ...overlapEnd(judged))]),
    ofKey('keyExpiresAt', key.expiresAt ?? 'never', changedBy.expiresAt),
    ofCode('codeExpiresAt', code.expiresAt ?? 'never', changedBy.issued),
    upstreamRule(matched.keyspaceId, matched.upstreamUserRequired, evidence.keyspace.changedBy.upstreamUserRequired),
    ...actingAs(matched, evidence),
    ofKey('permissions', listed(state.permissions), changedBy.permissions),
    ...(state.frozenPolicies === null
      ? policyFacts(evidence)
      : state.frozenPolicies.map((grant) =>
          ofKey('frozenPolicy', `${grant.policyId}: ${grantText(grant)}`, changedBy.frozenPolicies),
        )),
  ]
}

type Part = keyof Judged['evidence']['key']['changedBy']

/** By what a key came to its status: one that is past its expiry by what set that. */
const KEY_PART: { readonly [Status in KeyStatus]: Part } = {
  ACTIVE: 'enabled',
  DISABLED: 'enabled',
  EXPIRED: 'expiresAt',
  REVOKED: 'ended',
  DELETED: 'deleted',
}

/** A code's expiry is set when it is issued, and never after; REVOKED it is with its key. */
const CODE_PART: { readonly [Status in CodeStatus]: Part } = {
  VALID: 'codeEnabled',
  DISABLED: 'codeEnabled',
  EXPIRED: 'issued',
  REPLACED: 'replaced',
  REVOKED: 'ended',
  DELETED: 'codeDeleted',
}

/** What ended it, or would have; where there never was one, what replaced the code without. */
function overlapEnd({ matched: { code }, evidence: { key } }: Judged): readonly [string, PastEvent | null] {
  const { replaced, overlapEndsAt } = key.changedBy
  return code.overlapEndsAt === null ? ['none', replaced] : [code.overlapEndsAt, overlapEndsAt]
}

/** Of the key no more than its own verdict tells: it is another account's. */
function factsByLink({ matched, evidence: { link, policies }, now }: Judged): readonly Fact[] {
  if (link === null) return []
  const about = link.into?.stream.id ?? null
  return [
    { name: 'key', value: keyStatus(matched.key, now), subjectId: matched.keyId, event: null },
    linkFact(link),
    upstreamRule(about, matched.upstreamUserRequired, link.into?.changedBy.upstreamUserRequired ?? null),
    ...policyFacts({ policies }),
  ]
}

function linkFact({ link: { stream, changedBy } }: Pick<PastLink, 'link'>): Fact {
  const { id, state } = stream
  const into =
    state.status === 'none' || state.keyspaceId === null ? 'into all of the account' : `into ${state.keyspaceId}`
  const ended = changedBy.ended !== null
  return {
    name: 'link',
    value: ended ? `${into}, ended` : into,
    subjectId: id,
    event: changedBy.ended ?? changedBy.linked,
  }
}

function upstreamRule(subjectId: string | null, required: boolean, event: PastEvent | null): Fact {
  return { name: 'upstreamUserRequired', value: String(required), subjectId, event }
}

function actingAs({ key, management }: Judged['matched'], { user }: Judged['evidence']): readonly Fact[] {
  if (key.actsAs === null || user === null) return []
  const { changedBy, stream } = user
  const { removed, permissions } = key.actsAs
  const value = removed ? 'removed: may do nothing' : `may do no more than ${listed(permissions)}`
  const event = removed ? changedBy.removed : management ? changedBy.role : changedBy.permissions
  return [{ name: 'actsAs', value, subjectId: stream.id, event }]
}

function policyFacts({ policies }: Pick<Judged['evidence'], 'policies'>): readonly Fact[] {
  return policies.map(({ stream: { id: subjectId, state }, changedBy: { grant: event } }) => {
    const value = state.status === 'active' ? `${state.name}: ${grantText(state)}` : 'deleted: grants nothing'
    return { name: 'policy', value, subjectId, event }
  })
}

/** In words of ours: what was sent may hold what must not be told again. */
function factsAsked({ matched, asked, now }: Judged): readonly Fact[] {
  const { permission, endpoint, hasUpstreamUser } = asked
  const wanted = [...(permission === null ? [] : ['a permission']), ...(endpoint === null ? [] : ['an endpoint'])]
  const granted = suffices(matched.key.grants, asked, matched.key.actsAs?.permissions ?? null)
  const fact = (name: string, value: string): Fact => ({ name, value, subjectId: null, event: null })
  return [
    fact('asked', `${wanted.join(' and ') || 'nothing in particular'}: ${granted ? 'granted' : 'not granted'}`),
    fact('upstreamUser', hasUpstreamUser ? 'given' : 'none'),
    fact('judgedAt', now),
  ]
}

function grantText({ permissions, endpoints }: Grant): string {
  const where = endpoints.map(({ methods, path }) => `${methods.join(' ')} ${path}`)
  return `${listed(permissions)}${where.length === 0 ? '' : `, at ${where.join('; ')}`}`
}

const listed = (permissions: readonly string[]) => (permissions.length === 0 ? 'nothing' : permissions.join(', '))
