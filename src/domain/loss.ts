// What a secret opened and will open no more, once something has changed: told by asking the judge the same questions of both. They
// are as many as it takes: whatever the first was granted is asked for, once for each way in which it can be asked for.
import type { Endpoint, EndpointRule } from './endpoint.ts'
import { effectivePermissions, type Grant, type Limit } from './grant.ts'
import { earlier, type Instant, reached } from './instant.ts'
import { sameValue } from './same-value.ts'
import { type Candidate, judge, type Question } from './verdict.ts'

/** ALL: nothing of what it opened is left. SOME: something is. */
export type Loss = 'ALL' | 'SOME'

/** From `at` on. */
export type Lost = { readonly loss: Loss; readonly at: Instant }

/** Beyond these a change of what is granted counts as a loss, looked at or not: a policy may hold a hundred permissions for each of its rules. */
const QUESTIONS_MAX = 1_000

/**
 * What is lost at once, and what at the end that is set for it now where that comes sooner than it would have: none of them, one, or
 * first some of it and later the rest.
 */
export function lossesOf(before: Candidate, after: Candidate, now: Instant): readonly Lost[] {
  const atOnce = lossOf(before, after, now)
  if (atOnce === 'ALL') return [{ loss: atOnce, at: now }]
  const end = endOf(after)
  // Until then nothing changes that has not changed already: what is granted depends on no time.
  const later = end === null || reached(end, now) ? undefined : lossOf(before, after, end)
  return [
    ...(atOnce === undefined ? [] : [{ loss: atOnce, at: now }]),
    // What ends when it would have ended anyway loses nothing by it.
    ...(later === undefined || end === null ? [] : [{ loss: later, at: end }]),
  ]
}

/** When time alone closes it. */
function endOf({ code, key }: Candidate): Instant | null {
  return earlier(earlier(key.expiresAt, code.expiresAt), code.overlapEndsAt)
}

/** Undefined where nothing is lost: all that it opened before it opens after, or it had opened nothing. */
export function lossOf(before: Candidate, after: Candidate, now: Instant): Loss | undefined {
  if (isClosed(before, now)) return undefined
  const ends = isClosed(after, now)
  if (!ends && alike(before, after)) return undefined
  const opens = (candidate: Candidate) => (question: Question) => judge(candidate, question, now).code === 'VALID'
  const { asked, complete } = questionsAbout(before)
  if (ends) return asked.some(opens(before)) ? 'ALL' : undefined
  // What is asked of the second tells what is left of something wider.
  const opened = [...asked, ...questionsAbout(after).asked].filter(opens(before))
  const kept = opened.filter(opens(after))
  if (opened.length > 0 && kept.length === 0 && complete) {
    let tried = 0
    for (const question of questionsAcross(before, after))
      if (++tried > QUESTIONS_MAX || (opens(before)(question) && opens(after)(question))) return 'SOME'
    return 'ALL'
  }
  return kept.length < opened.length || !complete ? 'SOME' : undefined
}

/** Whatever is asked for. */
function isClosed(candidate: Candidate, now: Instant): boolean {
  const anything = { permission: null, endpoint: null, hasUpstreamUser: true }
  const { code } = judge(candidate, anything, now)
  return code !== 'VALID' && code !== 'INSUFFICIENT_PERMISSIONS'
}

function alike(before: Candidate, after: Candidate): boolean {
  return (
    before.upstreamUserRequired === after.upstreamUserRequired &&
    sameValue(before.key.actsAs, after.key.actsAs) &&
    sameValue(before.key.grants, after.key.grants)
  )
}

/** No name of anything: what a wildcard gives beyond all that anybody thought of. */
const ANY = 'any-0f3b9c'
const DEEP = Array.from({ length: 40 }, () => ANY).join('/')
/** What a `*` in a path may stand for: a rule that allows all of these is a `*` itself. */
const RESTS = ['', ANY, `${ANY}/${ANY}`, DEEP]

/**
 * Of each grant every permission alone and none, each at every endpoint of its rules and at none: an answer to a question about
 * more than one follows from these. A wildcard is asked for by a name that no narrower one covers.
 */
function questionsAbout({ key, upstreamUserRequired }: Candidate): { asked: readonly Question[]; complete: boolean } {
  const limit: Limit = key.actsAs?.permissions ?? null
  const asked: Question[] = []
  const bare: Grant = { permissions: [], endpoints: [] }
  for (const grant of [bare, ...key.grants]) {
    const permissions = [null, ...effectivePermissions([grant], limit).map(instanceOf)] as const
    const endpoints = [null, ...grant.endpoints.flatMap(endpointsOf)]
    for (const permission of permissions)
      for (const endpoint of endpoints)
        for (const hasUpstreamUser of upstreamUserRequired ? [true] : [true, false]) {
          if (asked.length >= QUESTIONS_MAX) return { asked, complete: false }
          asked.push({ permission, endpoint, hasUpstreamUser })
        }
  }
  return { asked, complete: true }
}

/**
 * Where rules of both may hold: of what had held everywhere something may be left there, and of what had held elsewhere, too. Patterns of
 * which neither allows an example of the other are taken to have nothing in common.
 */
function* questionsAcross(before: Candidate, after: Candidate): Generator<Question> {
  const named = [before, after].flatMap(({ key }) => effectivePermissions(key.grants, key.actsAs?.permissions ?? null))
  const permissions = [null, ...[...new Set(named)].map(instanceOf)]
  for (const rule of rulesOfBoth(before, after))
    for (const endpoint of endpointsOf(rule))
      for (const permission of permissions) yield { permission, endpoint, hasUpstreamUser: true }
}

function* rulesOfBoth(before: Candidate, after: Candidate): Generator<EndpointRule> {
  const [some, others] = [rulesOf(before), rulesOf(after)]
  yield* some
  yield* others
  for (const one of some) for (const other of others) yield* overlaps(one, other)
}

const rulesOf = ({ key }: Candidate) => key.grants.flatMap(({ endpoints }) => endpoints)

/** Rules of the methods that both allow, at the paths of either. */
function overlaps(one: EndpointRule, other: EndpointRule): readonly EndpointRule[] {
  const methods = one.methods.includes('*')
    ? other.methods
    : one.methods.filter((method) => other.methods.includes('*') || other.methods.includes(method))
  return methods.length === 0 ? [] : [...new Set([one.path, other.path])].map((path) => ({ methods, path }))
}

function instanceOf(permission: string) {
  const name = permission.endsWith('*') ? `${permission.slice(0, -1)}${ANY}` : permission
  return { kind: 'permission', permission: name } as const
}

/** Some that the rule allows, one for each way in which it can be met. */
export function endpointsOf({ methods, path }: EndpointRule): readonly Endpoint[] {
  const literal = path.replaceAll(/(?<!\\):[A-Za-z_][A-Za-z0-9_]*/g, ANY)
  const paths = /(?<!\\)\*/.test(literal) ? RESTS.map((rest) => literal.replace(/(?<!\\)\*/, rest)) : [literal]
  const told = methods.includes('*') ? [ANY.toUpperCase()] : methods
  return told.flatMap((method) => paths.map((found) => ({ method, path: found.replaceAll(/\\([:*+()])/g, '$1') })))
}
