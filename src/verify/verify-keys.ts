// THE read path of verification: parse, digest, match, judge. It writes nothing; that a code was used is noted beside it.
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Caller } from '#domain/caller.ts'
import type { Endpoint } from '#domain/endpoint.ts'
import { effectivePermissions } from '#domain/grant.ts'
import { type IdKind, kindOf } from '#domain/ids.ts'
import { type Instant, later } from '#domain/instant.ts'
import type { AccessLogging, CodeSlot, Json } from '#domain/key/events.ts'
import { type PermissionExpression, parseExpression } from '#domain/permission-expression.ts'
import { judge, type Question, type VerificationCode, verdictMessage } from '#domain/verdict.ts'
import type { Keyring } from '#secret/keyring.ts'
import { couldBeSecret } from '#secret/token.ts'
import type { ServingServices } from '#usage/services.ts'
import { type LinkPlace, type MatchedCode, matchCodes } from './candidates.ts'
import { nameOf } from './sealed-names.ts'

export type VerifyQuestion = {
  /** What the client presented, whole. */
  readonly key: string
  readonly keyspaceId?: string | null | undefined
  readonly accountId?: string | null | undefined
  readonly permission?: string | null | undefined
  readonly endpoint?: Endpoint | null | undefined
  /** Whom the caller has authenticated beside the key; blank is nobody. */
  readonly upstreamUser?: string | null | undefined
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
  readonly metadata: Json
  readonly permissions: readonly string[]
  readonly expiresAt: Instant | null
  readonly logging: AccessLogging | null
}

/** Answers each question, in order. Throws BadQueryArgumentError for a permission expression that can't be read. */
export async function verifyKeys(
  services: ServingServices,
  caller: Caller,
  questions: readonly VerifyQuestion[],
): Promise<readonly Verification[]> {
  const permissions = questions.map(permissionOf)
  // What can be nobody's secret is told apart before any lookup: a mistyped generated one by its checksum.
  const wellFormed = questions.filter((question) => couldBeSecret(question.key))
  const matches = await matchCodes(
    services.database,
    services.keyring,
    wellFormed.map((question) => ({ secret: question.key, place: linkPlaceOf(caller, question) })),
  )
  const matchesOf = new Map(wellFormed.map((question, index) => [question, matches[index] ?? []]))
  const now = services.clock.now()
  return questions.map((question, index) => {
    const found = matchesOf.get(question)
    if (found === undefined) return nothingTold('MALFORMED', now)
    const [matched, ...others] = found.filter((code) => mayVerify(caller, question, code))
    if (matched === undefined || others.length > 0) return nothingTold('NOT_FOUND', now)
    const hasUpstreamUser = (question.upstreamUser ?? '').trim() !== ''
    const asked = { permission: permissions[index] ?? null, endpoint: question.endpoint ?? null, hasUpstreamUser }
    const verdict = told(services.keyring, matched, asked, now)
    if (verdict.valid) services.uses.record(matched, verdict.checkedAt)
    return verdict
  })
}

function permissionOf({ permission }: VerifyQuestion, index: number): PermissionExpression | null {
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
function mayVerify(caller: Caller, question: VerifyQuestion, code: MatchedCode): boolean {
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

/** Where a link may let the key in: nowhere, where this caller may not ask about it, or says nothing of where (root). */
function linkPlaceOf(caller: Caller, { accountId, keyspaceId }: VerifyQuestion): LinkPlace | null {
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

function told(keyring: Keyring, matched: MatchedCode, asked: Question, clockNow: Instant): Verification {
  // An instance's clock may lag behind the database's, by which the key's last event was decided.
  const now = later(clockNow, matched.updatedAt)
  const { code, expiresAt } = judge(matched, asked, now)
  return {
    valid: code === 'VALID',
    code,
    message: verdictMessage(code),
    checkedAt: now,
    ...(matched.link === null ? toldAtHome(keyring, matched) : { ...UNTOLD, ...matched.link }),
    keyId: matched.keyId,
    name: matched.name,
    permissions: effectivePermissions(matched.key.grants, matched.key.actsAs?.permissions ?? null),
    expiresAt,
    logging: matched.logging,
  }
}

/** To the account of the key itself. */
function toldAtHome(keyring: Keyring, matched: MatchedCode) {
  const { position, accountId, keyspaceId, codeId, slot, names, ownerId, user, tags, metadata } = matched
  const owner = nameOf(keyring, names, ownerId)
  const actsAs = nameOf(keyring, names, user?.userId ?? null)
  return { position, accountId, keyspaceId, codeId, linkId: null, slot, owner, actsAs, tags, metadata }
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

function nothingTold(code: VerificationCode, checkedAt: Instant): Verification {
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
