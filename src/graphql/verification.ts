// Verification: is the key that somebody presents good, here and now, for this?
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { VerificationCode as Code } from '#domain/verdict.ts'
import { type Verification, type VerifyQuestion, verifyKeys } from '#verify/verify-keys.ts'
import { AccessLogging } from './access-logging.ts'
import { builder } from './builder.ts'
import { CodeSlot } from './code.ts'
import type { Context } from './context.ts'
import { found } from './found.ts'
import { VERIFICATION_COST, VERIFICATIONS_MAX } from './limits.ts'
import { demand } from './needs.ts'

const CODES: { readonly [Name in Code]: { readonly description: string } } = {
  VALID: { description: 'The key is good and grants what was asked for: let the request in.' },
  MALFORMED: { description: 'Not a key at all: mistyped, cut off, or something else.' },
  NOT_FOUND: { description: 'No such key, or not one of the keyspace or account that was named.' },
  REVOKED: { description: 'The key is revoked or deleted, or this code of it is deleted: for good.' },
  REPLACED: { description: 'The key has been rotated, and this secret has stopped: the client must use the new one.' },
  DISABLED: { description: 'The key or this code of it is switched off for now.' },
  EXPIRED: { description: 'The key or this code of it has expired.' },
  UPSTREAM_USER_REQUIRED: { description: 'The keyspace wants an already authenticated user beside the key.' },
  INSUFFICIENT_PERMISSIONS: { description: 'The key is good but does not grant what was asked for.' },
  UNAVAILABLE: { description: 'It could not be checked now. Do not let the request in; try again.' },
}
export const VerificationCode = builder.enumType('VerificationCode', {
  description: 'The verdict: the first that applies, in this order. Only VALID opens anything.',
  values: CODES,
})

const Consistency = builder.enumType('Consistency', {
  description: 'How old the state may be by which a key is judged.',
  values: {
    STRONG: {
      description:
        'It includes every change that was acknowledged before the call began, on whichever instance. UNAVAILABLE where the ' +
        'database can not be asked within a second.',
    },
    BOUNDED: {
      description:
        'It may be older, by 2 seconds at most unless the server is configured otherwise; so may be what is known of your own ' +
        'credential. Costs the database nothing for keys that are in use.',
    },
  } as const,
})

export const EndpointInput = builder.inputType('EndpointInput', {
  description: 'What a client wants to reach. A path that servers could read in different ways matches no rule.',
  fields: (t) => ({
    method: t.string({ required: true, description: 'The method as it was sent: `GET`. Case-sensitive.' }),
    path: t.string({
      required: true,
      description:
        'The path as it was sent, not decoded, from `/` on: `/reports/7`. A query is left out; above 4096 characters it matches nothing.',
    }),
  }),
})

const VerifyKeyInput = builder.inputType('VerifyKeyInput', {
  description: 'What to verify, and for what.',
  fields: (t) => ({
    key: t.string({
      required: true,
      description: 'What the client presented, whole and unchanged, without a scheme such as Bearer.',
    }),
    keyspaceId: t.id({
      description:
        'The keyspace whose resources are being reached; a key of another one that is not linked into it answers NOT_FOUND. Name it always.',
    }),
    accountId: t.id({
      description:
        "The account whose resources are being reached. Absent: the caller's own; for root, whichever the key belongs to. One " +
        'where the caller may not verify answers NOT_FOUND.',
    }),
    permission: t.string({
      description:
        'What the key must grant: a permission, or an expression of at most 512 characters such as ' +
        '`ads.read AND (reports.read OR reports.export)`. Absent: nothing in particular.',
    }),
    upstreamUser: t.string({
      description:
        'The user whom you have authenticated beside the key, where the keyspace is `upstreamUserRequired`. Absent or blank: nobody.',
    }),
    endpoint: t.field({
      type: EndpointInput,
      description:
        'Where the client wants to use it, for policies with endpoint rules. With a permission: a policy with rules gives it where ' +
        'one of them allows the endpoint. Alone: one of the rules must allow it, or the key grant `*` without rules. Absent, together ' +
        'with a permission: policies with rules give nothing; without one: a key that holds such a policy is refused.',
    }),
    consistency: t.field({
      type: Consistency,
      required: true,
      defaultValue: 'STRONG',
      description: 'How old the state may be by which it is judged.',
    }),
  }),
})

export const KeyVerification = builder.objectRef<Verification>('KeyVerification').implement({
  description:
    'A verdict. Everything but `valid`, `code`, `message` and `checkedAt` is null or empty unless the whole secret matched and ' +
    'the caller may verify there. Through a link of the account that is asked about, the key belongs to another: `linkId` says so, ' +
    '`accountId` and `position` are of the linking account, `keyId` and `name` of the key, and nothing else is told of it.',
  fields: (t) => ({
    valid: t.exposeBoolean('valid', {
      needs: 'parent',
      description: 'Whether to let the request in: `code` is VALID.',
    }),
    code: t.expose('code', { type: VerificationCode, needs: 'parent', description: 'The verdict, for programs.' }),
    message: t.exposeString('message', { needs: 'parent', description: 'The verdict, for people.' }),
    checkedAt: t.expose('checkedAt', {
      type: 'DateTime',
      needs: 'parent',
      description: 'The instant at which it holds. Do not keep it: the key may be revoked at any time.',
    }),
    position: t.expose('position', {
      type: 'Position',
      nullable: true,
      needs: 'parent',
      description: 'Every event of the account in `accountId` up to here was taken into account.',
    }),
    accountId: t.exposeID('accountId', {
      nullable: true,
      needs: 'parent',
      description: "The key's account; through a link the one that has linked it.",
    }),
    keyspaceId: t.exposeID('keyspaceId', { nullable: true, needs: 'parent', description: "The key's keyspace." }),
    keyId: t.exposeID('keyId', {
      nullable: true,
      needs: 'parent',
      description: 'The key, which stays the same when it is rotated: count and limit by this.',
    }),
    codeId: t.exposeID('codeId', { nullable: true, needs: 'parent', description: 'The code that was presented.' }),
    linkId: t.exposeID('linkId', {
      nullable: true,
      needs: 'parent',
      description: "The link by which another account's key is let in; null for the account's own.",
    }),
    slot: t.expose('slot', { type: CodeSlot, nullable: true, needs: 'parent', description: "The code's slot." }),
    name: t.exposeString('name', { nullable: true, needs: 'parent', description: "The key's name." }),
    owner: t.exposeString('owner', {
      nullable: true,
      needs: 'parent',
      description:
        "The external id of the user whose key it is, `(erased)` where that is kept no more; null where it is nobody's.",
    }),
    actsAs: t.exposeString('actsAs', {
      nullable: true,
      needs: 'parent',
      description:
        'The external id of the user it acts as: do for the client what you would do for them. `(erased)` where that is kept no ' +
        'more; null where it acts as nobody.',
    }),
    tags: t.expose('tags', { type: ['String'], needs: 'parent', description: "The key's tags." }),
    metadata: t.expose('metadata', {
      type: 'JSON',
      nullable: true,
      needs: 'parent',
      description: "The application's own data about the key.",
    }),
    permissions: t.expose('permissions', {
      type: ['String'],
      needs: 'parent',
      description:
        'All that the key grants, sorted, wherever it grants it: see `code` for whether it does so here. Of a key that acts as a user ' +
        'only what they may do themselves. Through a link what the policies of the link grant, and nothing of what the ' +
        "key's own account has granted.",
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description:
        "When it ends by itself: the earliest of the key's and the code's expiry and the overlap's end. Null: never.",
    }),
    logging: t.expose('logging', {
      type: AccessLogging,
      nullable: true,
      needs: 'parent',
      description: 'Which bodies to give to `recordAccess` for this key.',
    }),
  }),
})

const FAILURES = 'A key that is not good is a verdict, never an error. Only by POST. Needs the permission keys.verify.'

builder.queryFields((t) => ({
  verifyKey: t.field({
    type: KeyVerification,
    needs: 'keys.verify',
    consistencyOf: ({ input }) => input.consistency,
    complexity: { field: VERIFICATION_COST, multiplier: 0 },
    args: { input: t.arg({ type: VerifyKeyInput, required: true, description: 'What to verify, and for what.' }) },
    description: `Judges a presented key. ${FAILURES}`,
    resolve: async (_root, { input }, context) => {
      const [verdict] = await judge(context, [input], (path) => ['input', ...path.slice(1)])
      return found(verdict)
    },
  }),
  verifyKeys: t.field({
    type: [KeyVerification],
    needs: 'keys.verify',
    consistencyOf: ({ inputs }) =>
      inputs.every(({ consistency }) => consistency === 'BOUNDED') ? 'BOUNDED' : 'STRONG',
    // Longer lists are refused by name, below, rather than as too large an operation.
    complexity: ({ inputs }) => ({
      field: Math.min(inputs.length, VERIFICATIONS_MAX) * VERIFICATION_COST,
      multiplier: 0,
    }),
    args: {
      inputs: t.arg({
        type: [VerifyKeyInput],
        required: true,
        description: `What to verify, each for what: at most ${VERIFICATIONS_MAX}.`,
      }),
    },
    description: `Judges up to ${VERIFICATIONS_MAX} presented keys at once; verdicts come in the order of the inputs. ${FAILURES}`,
    resolve: (_root, { inputs }, context) => {
      if (inputs.length > VERIFICATIONS_MAX) {
        const message = `must be at most ${VERIFICATIONS_MAX} keys, not ${inputs.length}`
        throw new BadQueryArgumentError([{ path: ['inputs'], message }])
      }
      return judge(context, inputs, (path) => ['inputs', ...path])
    },
  }),
}))

async function judge(
  { services, caller, view }: Context,
  questions: readonly VerifyQuestion[],
  fromRoot: (path: readonly string[]) => readonly string[],
): Promise<readonly Verification[]> {
  try {
    return await verifyKeys(services, demand(caller, 'keys.verify'), questions, view)
  } catch (error) {
    if (!(error instanceof BadQueryArgumentError)) throw error
    throw new BadQueryArgumentError(error.issues.map(({ path, message }) => ({ path: fromRoot(path), message })))
  }
}
