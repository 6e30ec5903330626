// What would make a key VALID that was not: steps that change what the judge stopped at, or another way to ask. The judge is asked again
// after each, so that what is told is enough.
import type { Caller } from '#domain/caller.ts'
import { judge } from '#domain/verdict.ts'
import type { VerifyQuestion } from '#verify/verify-keys.ts'
import type { PastLink } from './evidence.ts'
import type { Judged } from './judged.ts'
import { nextSteps, type Situation, type Step } from './remedy-steps.ts'

/** All of the steps, in this order. */
export type Remedy = { readonly steps: readonly Step[] }

/** More than there are obstacles to a key. */
const STEPS_MAX = 10

/** Each by itself; none where it is VALID. */
export function remediesFor(judged: Judged): readonly Remedy[] {
  return judged.code === 'VALID' ? [] : waysFrom(judged).map((steps) => ({ steps }))
}

/** One way of no steps where it is VALID already. */
function waysFrom(
  judged: Judged,
  situation: Situation = { candidate: judged.matched, asked: judged.asked },
  stepsLeft = STEPS_MAX,
): readonly (readonly Step[])[] {
  const { code } = judge(situation.candidate, situation.asked, judged.now)
  if (code === 'VALID') return [[]]
  if (stepsLeft === 0) return []
  return nextSteps(judged, situation, code).flatMap(({ steps, after }) =>
    waysFrom(judged, after, stepsLeft - 1).map((others) => [...steps, ...others]),
  )
}

export const MALFORMED_REMEDIES: readonly Remedy[] = [
  alone('Present the whole secret, as it was issued, and nothing else.'),
]

type Unfound = {
  readonly caller: Caller
  readonly question: Omit<VerifyQuestion, 'key'> & { readonly codeId?: string | null | undefined }
  /** Codes that the caller may know of, which are not what was asked about. */
  readonly elsewhere: readonly Judged[]
  /** One that the caller may know of had not been issued by then. */
  readonly isTooEarly: boolean
  /** By which it was not let in. */
  readonly shut: PastLink | null
}

/** How to ask instead, and what it takes besides where that is known. Of another account's key only its links are. */
export function remediesForUnfound(unfound: Unfound): readonly Remedy[] {
  const { caller, question, elsewhere } = unfound
  if (elsewhere.length > 0) {
    return elsewhere.flatMap((judged) =>
      waysFrom(judged).map((steps) => ({ steps: [rightPlace(judged, question), ...steps] })),
    )
  }
  const isForeign = caller.kind !== 'ROOT' && question.accountId != null && question.accountId !== caller.accountId
  const own: readonly Step[] = isForeign
    ? [{ operation: null, message: 'Ask about your own account: of another nothing is told.' }]
    : []
  return guesses(unfound).map(({ steps }) => ({ steps: [...own, ...steps] }))
}

/** Of the account too, where another one was named: the two must agree. */
function rightPlace({ matched: { accountId, keyspaceId } }: Judged, question: Unfound['question']): Step {
  const isElsewhere = question.accountId != null && question.accountId !== accountId
  const message = isElsewhere
    ? `Ask about the account and the keyspace that the key is one of: ${accountId}, ${keyspaceId}.`
    : `Ask about the keyspace that the key is one of: ${keyspaceId}.`
  return { operation: null, message }
}

function guesses({ caller, question, isTooEarly, shut }: Unfound): readonly Remedy[] {
  if (isTooEarly) return [alone('Ask about an instant at which the code had been issued.')]
  if (shut !== null) return [throughLink(shut)]
  if (question.codeId != null && caller.kind !== 'ROOT') {
    return [alone('Name a code of your own account that had been issued by then; of a linked key, present the secret.')]
  }
  return [
    alone('Present a secret that had been issued by then, and name the keyspace or account it is for.'),
    alone('If it is of a key of another account, link that key in.', 'linkKey'),
  ]
}

function throughLink({ link: { stream, changedBy } }: PastLink): Remedy {
  const { state } = stream
  if (changedBy.ended !== null) return alone('The link has ended: link the key in again.', 'linkKey')
  return state.status === 'none' || state.keyspaceId === null
    ? alone('Name no keyspace, or one of the account that is there and not the management keyspace.')
    : alone(`Ask about the keyspace that it is linked into: ${state.keyspaceId}.`)
}

function alone(message: string, operation: string | null = null): Remedy {
  return { steps: [{ operation, message }] }
}
