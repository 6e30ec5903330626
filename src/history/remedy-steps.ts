// What takes one obstacle out of the way of a key, and how it would stand then: what is in the way after that, the judge says.
import { type Grant, suffices } from '#domain/grant.ts'
import { type Instant, reached } from '#domain/instant.ts'
import { type CodeStanding, inOverlap, isLive, newestOfSlot } from '#domain/key/code-status.ts'
import { endpointsOf } from '#domain/loss.ts'
import type { Candidate, JudgedCode, Question } from '#domain/verdict.ts'
import type { Judged } from './judged.ts'

/** `operation`: the mutation that does it; null for what whoever presents or verifies the key does. */
export type Step = { readonly operation: string | null; readonly message: string }

/** A code and its key with all that it grants, as they are or would be, and what is asked of them. */
export type Situation = { readonly candidate: Candidate; readonly asked: Question }

/** Steps that go together, and what they lead to. */
type Next = { readonly steps: readonly Step[]; readonly after: Situation }

/** Each takes what the judge stopped at out of the way by itself. */
export function nextSteps(judged: Judged, situation: Situation, code: JudgedCode): readonly Next[] {
  switch (code) {
    case 'VALID':
      return []
    case 'UPSTREAM_USER_REQUIRED':
      return upstreamSteps(situation)
    case 'INSUFFICIENT_PERMISSIONS':
      return grantSteps(judged, situation)
    default:
      return judged.matched.link === null ? standingSteps(judged, situation) : lenderSteps(situation, code, judged.now)
  }
}

const next = (operation: string | null, message: string, after: Situation): Next => ({
  steps: [{ operation, message }],
  after,
})

const GOOD_CODE: CodeStanding = {
  enabled: true,
  expiresAt: null,
  replacedAt: null,
  overlapEndsAt: null,
  deletedAt: null,
}
const GOOD_KEY = { enabled: true, expiresAt: null, revokedAt: null, deletedAt: null } as const

function withKey({ candidate, asked }: Situation, changed: Partial<Candidate['key']>): Situation {
  return { candidate: { ...candidate, key: { ...candidate.key, ...changed } }, asked }
}

function withCode({ candidate, asked }: Situation, code: CodeStanding): Situation {
  return { candidate: { ...candidate, code }, asked }
}

/** What ended or stopped the code or its key, in the order in which the judge looks at it. */
function standingSteps(judged: Judged, situation: Situation): readonly Next[] {
  const { key, code } = situation.candidate
  const { now } = judged
  if (key.revokedAt !== null || key.deletedAt !== null)
    return [anotherKey('Nothing brings a revoked key back: make another', situation)]
  const isReplaced = code.replacedAt !== null && !inOverlap(code, now)
  if (code.deletedAt !== null || isReplaced) return otherCodeSteps(judged, situation)
  if (!key.enabled) return [next('enableKey', 'Switch the key on.', withKey(situation, { enabled: true }))]
  // One that is past its expiry can not be switched on.
  if (!code.enabled && !reached(code.expiresAt, now))
    return [next('enableCode', 'Switch the code on.', withCode(situation, { ...code, enabled: true }))]
  if (reached(key.expiresAt, now))
    return [next('updateKey', 'Give the key a later expiry, or none.', withKey(situation, { expiresAt: null }))]
  return otherCodeSteps(judged, situation)
}

/** One like it, where that would be enough. */
function anotherKey(message: string, situation: Situation): Next {
  const { grants, actsAs } = situation.candidate.key
  const isEnough = actsAs?.removed !== true && suffices(grants, situation.asked, actsAs?.permissions ?? null)
  const made = isEnough ? GOOD_KEY : { ...GOOD_KEY, grants: anything(situation.asked), actsAs: null }
  const what = isEnough ? '.' : ', which may do what is asked for.'
  return next('createKey', `${message}${what}`, withCode(withKey(situation, made), GOOD_CODE))
}

/** Instead of a code that nothing brings back: the one that is in its slot now, or a new one. */
function otherCodeSteps({ matched, evidence, now }: Judged, situation: Situation): readonly Next[] {
  const { state } = evidence.key.stream
  const newest = state.status === 'none' ? undefined : newestOfSlot(state.codes, matched.slot)
  const isOther = newest !== undefined && newest.codeId !== matched.codeId
  const good = withCode(situation, GOOD_CODE)
  if (isOther && isLive(newest, now)) {
    const isReplaced = situation.candidate.code.replacedAt !== null
    return [
      next(
        null,
        isReplaced ? 'Present the code that has replaced it.' : 'Present the code that is in its slot now.',
        withCode(situation, newest),
      ),
      next('rotateKey', 'Where nobody has that one, rotate the key and present the new code.', good),
    ]
  }
  if (newest !== undefined && newest.deletedAt !== null) {
    const why = isOther ? 'The code that came after it was deleted' : 'A deleted code does not come back'
    return [next('issueCode', `${why}: issue another into its slot, and present that one.`, good)]
  }
  return [next('rotateKey', 'Put a new code into the slot of the one that has expired, and present that one.', good)]
}

const BY_THEM = ' The account that the key belongs to can do that, and knows what else of it may be in the way.'

/** Of another account's key no more is told than the verdict tells: the rest of what is in the way there, that account has to see to. */
function lenderSteps(situation: Situation, code: JudgedCode, now: Instant): readonly Next[] {
  const { key } = situation.candidate
  const after = withCode(withKey(situation, GOOD_KEY), GOOD_CODE)
  const theirs = (operation: string, message: string) => next(operation, `${message}${BY_THEM}`, after)
  switch (code) {
    case 'REVOKED': {
      if (key.revokedAt === null && key.deletedAt === null)
        return [theirs('issueCode', 'A deleted code does not come back: issue another, and present that one.')]
      const { steps } = theirs('createKey', 'Nothing brings a revoked key back: make another.')
      return [{ steps: [...steps, { operation: 'linkKey', message: 'Link that one in.' }], after }]
    }
    case 'REPLACED':
      return [
        next(null, 'Present the code that has replaced it, unless its account has stopped that one too.', after),
        theirs('rotateKey', 'Where nobody has that one, rotate the key and present the new code.'),
      ]
    case 'DISABLED':
      return [key.enabled ? theirs('enableCode', 'Switch the code on.') : theirs('enableKey', 'Switch the key on.')]
    default:
      return [
        reached(key.expiresAt, now)
          ? theirs('updateKey', 'Give the key a later expiry, or none.')
          : theirs('rotateKey', 'Put a new code into the slot of the one that has expired, and present that one.'),
      ]
  }
}

function upstreamSteps(situation: Situation): readonly Next[] {
  const { candidate, asked } = situation
  return [
    next(null, 'Authenticate a user beside the key, and say who it is in upstreamUser.', {
      candidate,
      asked: { ...asked, hasUpstreamUser: true },
    }),
    next('updateKeyspace', 'Take the rule upstreamUserRequired from the keyspace.', {
      candidate: { ...candidate, upstreamUserRequired: false },
      asked,
    }),
  ]
}

/** First the user who is gone, then what is granted, then what the user may. */
function grantSteps(judged: Judged, situation: Situation): readonly Next[] {
  const { actsAs, grants } = situation.candidate.key
  if (actsAs?.removed === true) {
    const gone = 'The user is gone whom the key acts as'
    if (isFrozen(judged)) return [anotherKey(`${gone}, and that is fixed for good: make another key`, situation)]
    const message = `${gone}: let it act as another, or as nobody.`
    return [next('updateKey', message, withKey(situation, { actsAs: null }))]
  }
  if (!suffices(grants, situation.asked)) return missingSteps(judged, situation)
  const what = judged.matched.management ? 'a role' : 'permissions'
  const message = `Give the user whom the key acts as ${what} that cover what is asked for.`
  const wide = actsAs && { ...actsAs, permissions: ['*'] }
  return [next('updateUser', message, withKey(situation, { actsAs: wide }))]
}

function isFrozen({ matched, evidence }: Judged): boolean {
  const { state } = evidence.key.stream
  return matched.link === null && state.status !== 'none' && state.frozenPolicies !== null
}

/** What the key, or its link, does not grant to anybody. */
function missingSteps(judged: Judged, situation: Situation): readonly Next[] {
  const { asked, candidate } = situation
  const { grants } = candidate.key
  const asking = askingSteps(situation)
  const bare = isBare(asked)
  // Where nothing is asked for, nothing but rules of endpoints is in the way.
  const enough = bare ? grants.filter(({ endpoints }) => endpoints.length === 0) : [...grants, ...anything(asked)]
  const after = withKey(situation, { grants: enough })
  if (isFrozen(judged)) {
    const message = 'What this key grants is fixed for good: make one that grants what is asked for.'
    return [...asking, next('createKey', message, after)]
  }
  const holder = judged.matched.link === null ? 'key' : 'link'
  const what = holder === 'key' ? 'a permission, or a policy,' : 'a policy'
  const give = bare
    ? `Take from the ${holder} the policies that hold at certain endpoints only.`
    : `Give the ${holder} ${what} that grants what is asked for.`
  const change = bare
    ? `Take the endpoint rules from the policies of the ${holder}.`
    : `Let a policy of the ${holder} grant what is asked for.`
  const holds = judged.evidence.policies.some(({ stream }) => stream.state.status === 'active')
  return [
    ...asking,
    next(holder === 'key' ? 'updateKey' : 'updateLink', give, after),
    ...(holds ? [next('updatePolicy', change, after)] : []),
  ]
}

const isBare = ({ permission, endpoint }: Question) => permission === null && endpoint === null

const EVERYTHING: Grant = { permissions: ['*'], endpoints: [] }
const EVERYWHERE: Grant = { permissions: [], endpoints: [{ methods: ['*'], path: '/*' }] }

/** Grants that are enough for what is asked; endpoints alone they open whatever the user may whom the key acts as. */
function anything(asked: Question): readonly Grant[] {
  return isBare(asked) ? [EVERYTHING] : [EVERYTHING, EVERYWHERE]
}

/** Each costs as much as a verification, and more of them would hardly tell of another. */
const RULES_TRIED_MAX = 100

/** Grants that hold at endpoints only give nothing to a question that names none: where naming one would do, or do but for the user. */
function askingSteps({ candidate, asked }: Situation): readonly Next[] {
  if (asked.endpoint !== null) return []
  const { grants, actsAs } = candidate.key
  const rules = grants.flatMap(({ endpoints }) => endpoints).slice(0, RULES_TRIED_MAX)
  const questions = rules
    .flatMap((rule) => endpointsOf(rule).slice(0, 1))
    .map((endpoint): Question => ({ ...asked, endpoint }))
  const named =
    questions.find((question) => suffices(grants, question, actsAs?.permissions ?? null)) ??
    questions.find((question) => suffices(grants, question))
  if (named === undefined) return []
  const message = 'Say which endpoint is to be reached: some of what it grants holds at certain ones only.'
  return [next(null, message, { candidate, asked: named })]
}
