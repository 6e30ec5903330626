// A verdict of the past with all that it was given by.
import type { Instant } from '#domain/instant.ts'
import type { Question, VerificationCode } from '#domain/verdict.ts'
import type { MatchedCode } from '#verify/matched-code.ts'
import type { Evidence } from './evidence.ts'

export type Judged = {
  readonly matched: MatchedCode
  readonly evidence: Evidence
  readonly asked: Question
  readonly code: VerificationCode
  /** By which it was judged. */
  readonly now: Instant
}
