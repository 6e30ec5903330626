// The judge: what a presented secret opens, once it has been found to be a certain code's. The only place that says VALID,
// for GraphQL, batches, forward-auth and this API's own callers alike.
import { type Asked, type Grant, suffices } from './grant.ts'
import { earlier, type Instant, reached } from './instant.ts'
import { type CodeStanding, inOverlap } from './key/code-status.ts'
import type { KeyStanding } from './key/key-status.ts'

export type VerificationCode =
  | 'VALID'
  | 'MALFORMED'
  | 'NOT_FOUND'
  | 'REVOKED'
  | 'REPLACED'
  | 'DISABLED'
  | 'EXPIRED'
  | 'UPSTREAM_USER_REQUIRED'
  | 'INSUFFICIENT_PERMISSIONS'
  | 'UNAVAILABLE'

/** The verdicts that are about a code whose whole secret matched. */
export type JudgedCode = Exclude<VerificationCode, 'MALFORMED' | 'NOT_FOUND' | 'UNAVAILABLE'>

/** A code whose whole secret matched, and its key with all that it grants. */
export type Candidate = {
  readonly code: CodeStanding
  readonly key: KeyStanding & {
    readonly grants: readonly Grant[]
    /** The user it acts as, as they are now; null: nobody, so that it has all that it grants. */
    readonly actsAs: { readonly permissions: readonly string[]; readonly removed: boolean } | null
  }
  /** The keyspace's rule, as it is now. */
  readonly upstreamUserRequired: boolean
}

export type Question = Asked & {
  /** Whoever asks has authenticated a user as well. */
  readonly hasUpstreamUser: boolean
}

export type Judgement = {
  readonly code: JudgedCode
  /** The earliest of the key's expiry, the code's and the overlap's end; null where there is none of them. */
  readonly expiresAt: Instant | null
}

/**
 * The verdict at `now`. That must not lie before the last event that `candidate` folds: by a clock that lags, an overlap
 * which a second rotation has ended would still seem to run.
 */
export function judge(candidate: Candidate, question: Question, now: Instant): Judgement {
  const { code, key } = candidate
  const expiresAt = earlier(earlier(key.expiresAt, code.expiresAt), code.overlapEndsAt)
  return { code: judgedCode(candidate, question, now), expiresAt }
}

/** The first that applies; what can't be undone comes before what can. */
function judgedCode(candidate: Candidate, question: Question, now: Instant): JudgedCode {
  const { code, key, upstreamUserRequired } = candidate
  if (key.revokedAt !== null || key.deletedAt !== null || code.deletedAt !== null) return 'REVOKED'
  if (code.replacedAt !== null && !inOverlap(code, now)) return 'REPLACED'
  if (!key.enabled || !code.enabled) return 'DISABLED'
  if (reached(key.expiresAt, now) || reached(code.expiresAt, now)) return 'EXPIRED'
  if (upstreamUserRequired && !question.hasUpstreamUser) return 'UPSTREAM_USER_REQUIRED'
  // Nobody may do anything in the name of who is gone, not even where nothing in particular is asked for.
  if (key.actsAs?.removed === true) return 'INSUFFICIENT_PERMISSIONS'
  if (!suffices(key.grants, question, key.actsAs?.permissions ?? null)) return 'INSUFFICIENT_PERMISSIONS'
  return 'VALID'
}

// Stable: logs and clients' tests may hold them. None tells more than its code does.
const MESSAGES: { readonly [Code in VerificationCode]: string } = {
  VALID: 'The key is valid.',
  MALFORMED: 'This is not a well-formed key.',
  NOT_FOUND: 'There is no such key.',
  REVOKED: 'The key or this code of it has been revoked.',
  REPLACED: 'This code of the key has been replaced by a newer one.',
  DISABLED: 'The key or this code of it is switched off.',
  EXPIRED: 'The key or this code of it has expired.',
  UPSTREAM_USER_REQUIRED: 'The key opens nothing without an authenticated user.',
  INSUFFICIENT_PERMISSIONS: 'The key does not grant what was asked for.',
  UNAVAILABLE: 'The key could not be checked now.',
}

/** All of them, in the order in which the first that applies is told. */
export const VERIFICATION_CODES = Object.keys(MESSAGES) as readonly VerificationCode[]

/** One sentence for people. */
export function verdictMessage(code: VerificationCode): string {
  return MESSAGES[code]
}
