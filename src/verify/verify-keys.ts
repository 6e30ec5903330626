// THE read path of verification: parse, digest, match, judge. It writes nothing; that a code was used is noted beside it.

import { isUnavailable } from '#database/unavailable.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Caller } from '#domain/caller.ts'
import type { Endpoint } from '#domain/endpoint.ts'
import { type IdKind, kindOf } from '#domain/ids.ts'
import { type Instant, later } from '#domain/instant.ts'
import type { JsonText } from '#domain/json-text.ts'
import type { AccessLogging, CodeSlot } from '#domain/key/events.ts'
import { type PermissionExpression, parseExpression } from '#domain/permission-expression.ts'
import { judge, type Question, type VerificationCode, verdictMessage } from '#domain/verdict.ts'
import { couldBeSecret } from '#secret/token.ts'
import type { LinkPlace } from './candidates.ts'
import type { MatchedCode } from './matched-code.ts'
import { type Consistency, type VerifyingServices, type View, viewOf } from './view.ts'

export type VerifyQuestion = {
  /** What the client presented, whole. */
  readonly key: string
  readonly keyspaceId?: string | null | undefined
  readonly accountId?: string | null | undefined
  readonly permission?: string | null | undefined
  readonly endpoint?: Endpoint | null | undefined
  /** Whom the caller has authenticated beside the key; blank is nobody. */
  readonly upstreamUser?: string | null | undefined
  /** STRONG unless given. */
  readonly consistency?: Consistency | undefined
}

/**
 * Everything but the first four is null or empty unless the whole secret matched and the caller may verify there. Through a link
 * account and position are the linking account's, and of the key only its id and name are told.
 */
export type Verification = {
  readonly valid: boolean
  readonly code: VerificationCode
  readonly message: string
  readonly checkedAt: Instant
  readonly position: bigint | null
  readonly accountId: string | null
  readonly keyspaceId: string | null
  readonly keyId: string | null
  readonly codeId: string | null
  readonly linkId: string | null
  readonly slot: CodeSlot | null
  readonly name: string | null
  /** External ids. */
  readonly owner: string | null
  readonly actsAs: string | null
  readonly tags: readonly string[]
  /** Parsed by who tells it: most that ask for a verdict do not ask for it. */
  readonly metadata: JsonText | null
  readonly permissions: readonly string[]
  readonly expiresAt: Instant | null
  readonly logging: AccessLogging | null
}

/**
 * Answers each question, in order; UNAVAILABLE where that can't be done as currently as is asked. Throws BadQueryArgumentError
 * for a permission expression that can't be read.
 */
export async function verifyKeys(
  services: VerifyingServices,
  caller: Caller,
  questions: readonly VerifyQuestion[],
  view: View = viewOf(services),
): Promise<readonly Verification[]> {
  const permissions = questions.map(permissionOf)
  // Each for itself: a batch that asks for both has BOUNDED answers where STRONG ones can't be had.
  const looked = questions.map((question) => candidatesFor(services, caller, question, view))
  const found = looked.every(isKnown) ? looked : await Promise.all(looked)
  const now = services.clock.now()
  return questions.map((question, index) => {
    const candidates = found[index] ?? 'UNAVAILABLE'
    if (typeof candidates === 'string') return nothingTold(candidates, now)
    const matched = theOne(
      candidates.filter((code) => mayVerify(caller, question, code)),
      question,
    )
    if (matched === undefined) return nothingTold('NOT_FOUND', now)
    const hasUpstreamUser = (question.upstreamUser ?? '').trim() !== ''
    const asked = { permission: permissions[index] ?? null, endpoint: question.endpoint ?? null, hasUpstreamUser }
    const verdict = told(matched, asked, now)
    if (verdict.valid) services.uses.record(matched, verdict.checkedAt)
    return verdict
  })
}

/** The codes that a question may be about; or why none are: it is nobody's secret, or could not be looked for. */
type Candidates = readonly MatchedCode[] | 'MALFORMED' | 'UNAVAILABLE'

/** At once where all is known: a promise for each key would cost a batch as much as finding it does. */
function candidatesFor(
  { codes }: VerifyingServices,
  caller: Caller,
  question: VerifyQuestion,
  view: View,
): Candidates | Promise<Candidates> {
  // Mistyped generated ones are told by their checksum, before any I/O.
  if (!couldBeSecret(question.key)) return 'MALFORMED'
  const find = () => codes.find({ secret: question.key, place: linkPlaceOf(caller, question) }, view)
  const current = view.current(question.consistency ?? 'STRONG')
  const found = current === undefined ? find() : current.then(find)
  return isKnown(found) ? found : found.catch(unavailable)
}

function isKnown<Known>(found: Known | Promise<Known>): found is Known {
  return !(found instanceof Promise)
}

function unavailable(error: unknown): 'UNAVAILABLE' {
  if (!isUnavailable(error)) throw error
  return 'UNAVAILABLE'
}

/** `index`: of the question, to say where an expression can't be read. Throws BadQueryArgumentError. */
export function permissionOf({ permission }: VerifyQuestion, index: number): PermissionExpression | null {
  if (permission === undefined || permission === null) return null
  const parsed = parseExpression(permission)
  if (parsed.kind === 'parsed') return parsed.expression
  const message = `at character ${parsed.position}: expected ${parsed.expected}`
  throw new BadQueryArgumentError([{ path: [String(index), 'permission'], message }])
}

/**
 * Whether this caller may ask about this code there. Every "no" answers NOT_FOUND, like a secret that does not exist:
 * otherwise a caller could find out which secrets other tenants use.
 */
export function mayVerify(caller: Caller, question: VerifyQuestion, code: MatchedCode): boolean {
  // Its link was looked for where the caller may ask, and nowhere else.
  if (code.link !== null) return true
  if (caller.kind !== 'ROOT' && code.accountId !== caller.accountId) return false
  const accountId = question.accountId ?? null
  const keyspaceId = question.keyspaceId ?? null
  if (accountId !== null && accountId !== code.accountId) return false
  if (keyspaceId !== null) return keyspaceId === code.keyspaceId
  // A credential of this API opens nothing else, unless who asks says that they mean this API.
  return !code.management
}

/**
 * The code that is meant; undefined where several may be. The keyspace that was named has one code of a secret at most, and no other
 * account can take its place by linking a key of the same secret in.
 */
export function theOne(codes: readonly MatchedCode[], { keyspaceId }: VerifyQuestion): MatchedCode | undefined {
  const own = codes.find((code) => code.link === null && code.keyspaceId === keyspaceId)
  return own ?? (codes.length === 1 ? codes[0] : undefined)
}

/** Where a link may let the key in: nowhere, where this caller may not ask about it, or says nothing of where (root). */
export function linkPlaceOf(caller: Caller, { accountId, keyspaceId }: VerifyQuestion): LinkPlace | null {
  const own = caller.kind === 'ROOT' ? null : caller.accountId
  const named = { accountId: accountId ?? own, keyspaceId: keyspaceId ?? null }
  if (named.accountId === null && named.keyspaceId === null) return null
  if (own !== null && named.accountId !== own) return null
  const wellFormed = isOfKind('acct', named.accountId) && isOfKind('ks', named.keyspaceId)
  return wellFormed ? named : null
}

function isOfKind(kind: IdKind, id: string | null): boolean {
  return id === null || kindOf(id) === kind
}

/** The verdict, and what goes with it. */
export function told(matched: MatchedCode, asked: Question, clockNow: Instant): Verification {
  // An instance's clock may lag behind the database's, by which the key's last event was decided.
  const now = later(clockNow, matched.updatedAt)
  const { code, expiresAt } = judge(matched, asked, now)
  const { accountId, position } = matched.link ?? matched
  const { keyspaceId, codeId, slot, owner, actsAs, tags, metadata } = matched.link === null ? matched : UNTOLD
  return {
    valid: code === 'VALID',
    code,
    message: verdictMessage(code),
    checkedAt: now,
    accountId,
    position,
    linkId: matched.link?.linkId ?? null,
    keyspaceId,
    codeId,
    slot,
    owner,
    actsAs,
    tags,
    metadata,
    keyId: matched.keyId,
    name: matched.name,
    permissions: matched.permissions,
    expiresAt,
    logging: matched.logging,
  }
}

/** What a linking account is not told. */
const UNTOLD = {
  keyspaceId: null,
  codeId: null,
  slot: null,
  owner: null,
  actsAs: null,
  tags: [],
  metadata: null,
} as const

/** Where there is no code, or none that the caller may ask about. */
export function nothingTold(code: VerificationCode, checkedAt: Instant): Verification {
  return {
    valid: false,
    code,
    message: verdictMessage(code),
    checkedAt,
    position: null,
    accountId: null,
    ...UNTOLD,
    keyId: null,
    linkId: null,
    name: null,
    permissions: [],
    expiresAt: null,
    logging: null,
  }
}
