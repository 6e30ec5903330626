// Why a key was, or was not, good at a moment of the past, or is now.
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { INSTANT_MAX, type Instant } from '#domain/instant.ts'
import { type ExplainQuestion, type Explanation, explainVerification } from '#history/explain-verification.ts'
import type { Fact } from '#history/facts.ts'
import type { Remedy as RemedyShape } from '#history/remedies.ts'
import type { Step } from '#history/remedy-steps.ts'
import { positionAt } from '#queries/past-loaders.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { Event } from './event.ts'
import { costOfList } from './limits.ts'
import { demand } from './needs.ts'
import { checkPast, PAST_COST } from './past.ts'
import { EndpointInput, KeyVerification, VerificationCode } from './verification.ts'

/** A verdict rarely hangs on more. */
const EVENTS_EXPECTED = 10

const ExplainVerificationInput = builder.inputType('ExplainVerificationInput', {
  description:
    'What was, or would have been, asked of `verifyKey`, and when. Give either the whole `key` or, where nobody has it, its `codeId`.',
  fields: (t) => ({
    key: t.string({ description: 'What the client presented, whole and unchanged, without a scheme such as Bearer.' }),
    codeId: t.id({
      description:
        "The code instead of its secret, which may long be forgotten; of the caller's own account, for root of any. That of another " +
        'account answers NOT_FOUND, also where its key is linked. Takes events.read.',
    }),
    keyspaceId: t.id({ description: 'As in `VerifyKeyInput`.' }),
    accountId: t.id({ description: 'As in `VerifyKeyInput`.' }),
    permission: t.string({ description: 'As in `VerifyKeyInput`.' }),
    endpoint: t.field({ type: EndpointInput, description: 'As in `VerifyKeyInput`.' }),
    upstreamUser: t.string({ description: 'As in `VerifyKeyInput`.' }),
    at: t.field({
      type: 'DateTime',
      description:
        'The instant at which it was asked, such as `checkedAt` of a verdict: events up to the end of its millisecond count, and ' +
        'expiries are judged by it. Absent: now, by all that has happened. Not in the future. Takes events.read.',
    }),
    position: t.field({
      type: 'Position',
      description:
        'With `at`: of the account that is asked about, events up to this one count, whenever they happened. `position` of a verdict ' +
        'leads to that very verdict again, whatever else happened in the same millisecond.',
    }),
  }),
})

const VerificationFact = builder.objectRef<Fact>('VerificationFact').implement({
  description: 'One thing that a verdict hung on, as it was then.',
  fields: (t) => ({
    name: t.exposeString('name', {
      needs: 'parent',
      description:
        'What it is about: `key` and `code` (their status), `keyspace`, `link`, `keyExpiresAt`, `codeExpiresAt`, `overlapEndsAt`, ' +
        '`upstreamUserRequired`, `actsAs`, `permissions`, `policy`, `frozenPolicy`, `asked`, `upstreamUser`, `judgedAt`. More may come.',
    }),
    value: t.exposeString('value', {
      needs: 'parent',
      description: 'What it was, for people; never anything of what was presented.',
    }),
    subjectId: t.exposeID('subjectId', {
      nullable: true,
      needs: 'parent',
      description: 'The key, code, keyspace, user, policy or link that it was so of; null for what was asked.',
    }),
    event: t.field({
      type: Event,
      nullable: true,
      needs: 'events.read',
      description:
        'What had made it so. Null for what was asked, and for what belongs to another account: of a linked key no more is told ' +
        'than a verdict tells. Null, with a FORBIDDEN error, without the permission events.read.',
      resolve: ({ event }, _arguments, { loaders }) => (event === null ? null : loaders.event.load(event.event_id)),
    }),
  }),
})

const RemedyStep = builder.objectRef<Step>('RemedyStep').implement({
  description: 'One step of a remedy.',
  fields: (t) => ({
    operation: t.exposeString('operation', {
      nullable: true,
      needs: 'parent',
      description: 'The mutation that does it; null for what whoever presents or verifies the key does.',
    }),
    message: t.exposeString('message', { needs: 'parent', description: 'What to do, for people.' }),
  }),
})

const Remedy = builder.objectRef<RemedyShape>('Remedy').implement({
  description: 'One way to have the key let in.',
  fields: (t) => ({
    steps: t.field({
      type: [RemedyStep],
      needs: 'parent',
      description: 'What it takes, all of it and in this order; at least one.',
      resolve: ({ steps }) => steps,
    }),
  }),
})

const VerificationExplanation = builder.objectRef<Explanation>('VerificationExplanation').implement({
  description: 'A verdict with its reasons.',
  fields: (t) => ({
    code: t.field({
      type: VerificationCode,
      needs: 'parent',
      description: 'The verdict, for programs.',
      resolve: ({ verdict }) => verdict.code,
    }),
    verdict: t.field({
      type: KeyVerification,
      needs: 'parent',
      description:
        'All that `verifyKey` would have answered then, by the same rules; `owner` and `actsAs` by the names that they have now.',
      resolve: ({ verdict }) => verdict,
    }),
    facts: t.field({
      type: [VerificationFact],
      needs: 'parent',
      complexity: costOfList(EVENTS_EXPECTED),
      description:
        'What it hung on, in the order in which it is judged. Where it is NOT_FOUND: what the account that is asked about may know of a ' +
        'code of its own or of a link that has ended, else none.',
      resolve: ({ facts }) => facts,
    }),
    decidedBy: t.field({
      type: [Event],
      nullable: true,
      needs: 'events.read',
      complexity: costOfList(EVENTS_EXPECTED),
      description:
        'The events that decided it, the oldest first: those that had made so what the verdict says; where it is VALID, by which the ' +
        'code came to be, and those of its grants that were enough for what was asked; of INSUFFICIENT_PERMISSIONS the last that took ' +
        'away what was asked for, or, where it had never been granted, by which all came to be that was. Never those of another account. ' +
        'Null, with a FORBIDDEN error, without the permission events.read.',
      resolve: async ({ decidedBy }, _arguments, { loaders }) => {
        const events = await Promise.all(decidedBy.map(({ event_id }) => loaders.event.load(event_id)))
        return events.filter((event) => event !== null)
      },
    }),
    remedies: t.field({
      type: [Remedy],
      needs: 'parent',
      description:
        'What would have made it VALID, each by itself and found so by the same rules, as long as those of the keyspace permit it; empty ' +
        'where it is. Of a key of another account it is told as far as the verdict tells of it, and where it is NOT_FOUND, how to ask instead.',
      resolve: ({ remedies }) => remedies,
    }),
  }),
})

builder.queryField('explainVerification', (t) =>
  t.field({
    type: VerificationExplanation,
    needs: 'events.read',
    // What is now may be told to whoever may verify the key, and has it: nothing of how it came to be.
    orNeeds: ({ input: { key, codeId, at, position } }) =>
      key != null && codeId == null && at == null && position == null ? ['keys.verify'] : undefined,
    args: {
      input: t.arg({ type: ExplainVerificationInput, required: true, description: 'What was asked, and when.' }),
    },
    complexity: { field: PAST_COST, multiplier: 1 },
    description:
      'Whether a key would have been let in at any moment of the past, by what was true then, and why: also where the code, a policy, ' +
      'a link or a user has been deleted since. Judged from the history, not remembered, and no use of the key. What belongs to others ' +
      'answers NOT_FOUND, like what does not exist. Needs the permission events.read; for a whole `key`, and as it is now, keys.verify ' +
      'will do, without the events.',
    resolve: (_root, { input }, context) => explain(context, input),
  }),
)

type Given = ExplainQuestion & {
  readonly at?: Instant | null | undefined
  readonly position?: bigint | null | undefined
}

async function explain(context: Context, { at, position, ...question }: Given): Promise<Explanation> {
  const { caller: someone, reader, services } = context
  const caller = demand(someone, 'caller')
  if (at != null) checkPast(context, ['input', 'at'], at)
  await checkPosition(context, {
    at,
    position,
    accountId: caller.kind === 'ROOT' ? question.accountId : caller.accountId,
  })
  const then = { at: at ?? reader.now, isNow: at == null, position: position ?? null }
  const until = then.isNow ? INSTANT_MAX : then.at
  const positionOf = async (accountId: string) => (await positionAt({ ...reader, now: until }, accountId)) ?? 0n
  try {
    return await explainVerification(services, caller, question, { ...then, positionOf })
  } catch (error) {
    if (!(error instanceof BadQueryArgumentError)) throw error
    throw new BadQueryArgumentError(error.issues.map(({ path, message }) => ({ path: ['input', ...path], message })))
  }
}

async function checkPosition(
  { loaders }: Context,
  { at, position, accountId }: Pick<Given, 'at' | 'position' | 'accountId'>,
): Promise<void> {
  if (position == null) return
  const refuse = (message: string) => new BadQueryArgumentError([{ path: ['input', 'position'], message }])
  if (at == null) throw refuse('goes with at only')
  const last = accountId == null ? null : await loaders.accountPosition.load(accountId)
  if (last !== null && position > last) throw refuse('is in the future: there is no such event yet')
}
