// Why a key was, or was not, good at a moment: the verdict that would have been given then by the same judge, what it hung on, which
// events had made that so, and what would make it VALID. Nothing of it is remembered, and no use is noted.
import type { Database } from '#database/connect.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Caller } from '#domain/caller.ts'
import { later } from '#domain/instant.ts'
import type { Question } from '#domain/verdict.ts'
import type { Keyring } from '#secret/keyring.ts'
import { couldBeSecret } from '#secret/token.ts'
import {
  linkPlaceOf,
  mayVerify,
  nothingTold,
  permissionOf,
  theOne,
  told,
  type Verification,
  type VerifyQuestion,
} from '#verify/verify-keys.ts'
import { decisiveEvents } from './decisive-events.ts'
import type { PastLink } from './evidence.ts'
import { type Fact, factsOf, unfoundFacts } from './facts.ts'
import { byPosition } from './granted.ts'
import { findPastCodes, type PastCandidates, type Then } from './past-candidates.ts'
import type { PastEvent } from './past-streams.ts'
import { MALFORMED_REMEDIES, type Remedy, remediesFor, remediesForUnfound } from './remedies.ts'

/** What was asked then: by the whole key or, for whoever does not have it, by its code. */
export type ExplainQuestion = Omit<VerifyQuestion, 'key' | 'consistency'> & {
  readonly key?: string | null | undefined
  readonly codeId?: string | null | undefined
}

export type Explanation = {
  readonly verdict: Verification
  readonly facts: readonly Fact[]
  /** In the order of their positions; of the caller's own account only, or of the one that has linked the key. */
  readonly decidedBy: readonly PastEvent[]
  /** Each by itself; none where it is VALID. */
  readonly remedies: readonly Remedy[]
}

type Services = { readonly database: Database; readonly keyring: Keyring }

/** Throws BadQueryArgumentError for a permission expression that can't be read, or where it is not exactly one of key and code. */
export async function explainVerification(
  { database, keyring }: Services,
  caller: Caller,
  question: ExplainQuestion,
  then: Then,
): Promise<Explanation> {
  const { key, codeId } = question
  if ((key == null) === (codeId == null)) {
    throw new BadQueryArgumentError([{ path: [], message: 'takes either a key or a codeId' }])
  }
  const asked: Question = {
    permission: permissionAsked(question),
    endpoint: question.endpoint ?? null,
    hasUpstreamUser: (question.upstreamUser ?? '').trim() !== '',
  }
  if (key != null && !couldBeSecret(key)) {
    return {
      verdict: nothingTold('MALFORMED', then.at),
      ...unexplained,
      remedies: MALFORMED_REMEDIES,
    }
  }
  const asQuestion: VerifyQuestion = { ...question, key: key ?? '' }
  // Ids of codes are their own account's: who has only linked a key knows none of them.
  const place = codeId != null && caller.kind !== 'ROOT' ? null : linkPlaceOf(caller, asQuestion)
  const presented = key == null ? { codeId: codeId ?? '' } : { secret: key }
  const candidates = await findPastCodes({ database, keyring, then }, caller, presented, place)
  const allowed = candidates.codes.filter(({ matched }) => mayVerify(caller, asQuestion, matched))
  const meant = theOne(
    allowed.map(({ matched }) => matched),
    asQuestion,
  )
  const chosen = allowed.find(({ matched }) => matched === meant)
  if (chosen === undefined) return unfound({ caller, question, asked }, candidates, then)
  const { matched, evidence } = chosen
  const verdict = told(matched, asked, then.at)
  const judged = { matched, evidence, asked, code: verdict.code, now: later(then.at, matched.updatedAt) }
  return {
    verdict,
    facts: factsOf(judged),
    decidedBy: decisiveEvents(judged),
    remedies: remediesFor(judged),
  }
}

const unexplained = { facts: [], decidedBy: [] } as const

type Asking = { readonly caller: Caller; readonly question: ExplainQuestion; readonly asked: Question }

/** What its own account may know of a code that was not found, or the one that had linked its key in of the link. */
function unfound(
  { caller, question, asked }: Asking,
  { codes, notYet, shut }: PastCandidates,
  then: Then,
): Explanation {
  const own = codes.filter(
    ({ matched: { link, accountId } }) => link === null && (caller.kind === 'ROOT' || caller.accountId === accountId),
  )
  const elsewhere = own.map((found) => ({
    ...found,
    asked,
    code: 'NOT_FOUND' as const,
    now: later(then.at, found.matched.updatedAt),
  }))
  // A key may have been linked again and again: the last tells why it is not let in.
  const link = shut.toSorted((a, b) => (linkedAt(a) < linkedAt(b) ? -1 : 1)).at(-1) ?? null
  const { linked, ended } = link?.link.changedBy ?? { linked: null, ended: null }
  const issued = own.map(({ evidence }) => evidence.key.changedBy.issued)
  // Of one account, whose positions order them.
  const deciding = (link === null ? issued : [linked, ended]).filter((event) => event !== null)
  return {
    verdict: nothingTold('NOT_FOUND', then.at),
    facts: unfoundFacts(own, notYet, link),
    decidedBy: deciding.toSorted(byPosition),
    remedies: remediesForUnfound({ caller, question, elsewhere, isTooEarly: notYet.length > 0, shut: link }),
  }
}

const linkedAt = ({ link }: PastLink) => link.changedBy.linked?.position ?? 0n

/** Of the one question: the place of what is wrong is without its number. */
function permissionAsked(question: ExplainQuestion): Question['permission'] {
  try {
    return permissionOf({ ...question, key: '' }, 0)
  } catch (error) {
    if (!(error instanceof BadQueryArgumentError)) throw error
    throw new BadQueryArgumentError(error.issues.map(({ path, message }) => ({ path: path.slice(1), message })))
  }
}
