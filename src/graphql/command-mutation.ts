// The one way from a mutation to its command: every mutation is a field with one input, and a result that is either its own
// success or one of the errors.
import type { FieldMap, InputObjectRef } from '@pothos/core'
import type { GraphQLResolveInfo } from 'graphql'
import type { Command, CommonInput, Outcome } from '#commands/command.ts'
import { planCommand, READERS } from '#commands/plan-command.ts'
import { runCommand } from '#commands/run-command.ts'
import { confinedTo } from '#domain/member.ts'
import { builder, type Types } from './builder.ts'
import type { Context } from './context.ts'
import { DryRun, type PlanShown } from './dry-run.ts'
import { ConflictError, InvalidInputError, NotFoundError, RuleViolationError } from './errors.ts'
import { Event } from './event.ts'
import { found } from './found.ts'
import { MUTATION_COST } from './limits.ts'
import { demand } from './needs.ts'
import { readPositionFirst } from './position-first.ts'
import { errorOf, type RefusalError } from './refusals.ts'

type Done<Result> = Extract<Outcome<Result>, { readonly kind: 'done' }>
/** What the success type's fields are resolved from. */
export type Success<Result> = Done<Result> & { readonly __typename: string }
export type SuccessBuilder<Result> = PothosSchemaTypes.ObjectFieldBuilder<Types, Success<Result>>

type MutationSpec<Result> = {
  readonly description: string
  readonly input: InputObjectRef<Types, object>
  /** What the success tells beside its events. All of it may be read by whoever ran the mutation. */
  success(t: SuccessBuilder<Result>): FieldMap
  /** The input names nothing that could be missing. */
  readonly alwaysFound?: true
  /** It ends or changes access, and can be tried before it is done. */
  readonly dryRun?: true
}

/** Adds the mutation that a command is named after, with its types `<Name>Success` and `<Name>Result`. */
export function commandMutation<Input extends CommonInput, Result>(
  command: Command<Input, Result>,
  { description, input, success, alwaysFound, dryRun }: MutationSpec<Result>,
): void {
  const name = `${command.name.charAt(0).toUpperCase()}${command.name.slice(1)}`
  const SuccessType = builder.objectRef<Success<Result>>(`${name}Success`).implement({
    description: `The success of ${command.name}: done now, or before under the same idempotency key.`,
    fields: (t) => ({ ...success(t), events: eventsField(t) }),
  })
  const ResultType = builder.unionType(`${name}Result`, {
    description: `What became of ${command.name}: its success, or why nothing was changed.`,
    types: [
      SuccessType,
      ...(dryRun ? [DryRun] : []),
      InvalidInputError,
      ...(alwaysFound ? [] : [NotFoundError]),
      ConflictError,
      RuleViolationError,
    ],
  })
  builder.mutationField(command.name, (t) =>
    t.field({
      type: ResultType,
      needs: command.permission,
      complexity: { field: MUTATION_COST, multiplier: 1 },
      args: {
        input: t.arg({ type: input, required: true, description: 'What to do.' }),
        ...(dryRun && { dryRun: dryRunArgument(t) }),
      },
      description,
      orNeeds: (args) => (isDryRun(args) ? READERS : undefined),
      resolve: (_root, args, context, info) =>
        isDryRun(args)
          ? rehearse(command, args.input, context)
          : perform(command, `${name}Success`, args.input, context, info),
    }),
  )
}

type ArgumentBuilder = PothosSchemaTypes.MutationFieldBuilder<Types, unknown>

function dryRunArgument(t: ArgumentBuilder) {
  return t.arg.boolean({
    required: true,
    defaultValue: false,
    description:
      'Only answer what would be done (DryRun), or why it would not; nothing is written. Whoever has accounts.read, keys.read and ' +
      'events.read may ask as well, but for secrets of their own: they are told what it would do if it were done by somebody who ' +
      'holds everything, while who may do it themselves is refused what the mutation would refuse them.',
  })
}

function isDryRun(args: object): boolean {
  return 'dryRun' in args && args.dryRun === true
}

async function rehearse<Input extends CommonInput, Result>(
  command: Command<Input, Result>,
  input: unknown,
  context: Context,
): Promise<(PlanShown & { readonly __typename: 'DryRun' }) | RefusalError> {
  const { services, correlationId } = context
  const caller = demand(context.caller, 'caller')
  const plan = await planCommand(services, { caller, correlationId }, command, input)
  return plan.kind === 'refused' ? errorOf(plan.refusal) : { ...plan, caller, __typename: 'DryRun' }
}

async function perform<Input extends CommonInput, Result>(
  command: Command<Input, Result>,
  __typename: string,
  input: unknown,
  context: Context,
  info: GraphQLResolveInfo,
): Promise<Success<Result> | RefusalError> {
  const { services, correlationId } = context
  const origin = { caller: demand(context.caller, command.permission), correlationId }
  const outcome = await runCommand(services, origin, command, input)
  if (outcome.kind === 'refused') return errorOf(outcome.refusal)
  context.startOver()
  await readPositionFirst(context, info, outcome.accountId)
  if (await isGone(context, outcome.result)) return errorOf({ code: 'NOT_FOUND', subjectId: null })
  return { ...outcome, __typename }
}

/** Whether a MEMBER has lost the key by now: like a retry, the answer then tells nothing of it, its new secret least of all. */
async function isGone({ caller, loaders }: Context, result: unknown): Promise<boolean> {
  if (caller === undefined || confinedTo(caller) === null) return false
  const { keyId, codeId } = (result ?? {}) as { readonly keyId?: string; readonly codeId?: string }
  if (keyId !== undefined) return (await loaders.key.load(keyId)) === null
  return codeId !== undefined && (await loaders.code.load(codeId)) === null
}

function eventsField<Result>(t: SuccessBuilder<Result>) {
  return t.field({
    type: [Event],
    needs: 'parent',
    description:
      'What happened, in order; nothing where it had been so already. In the answer to a retry: what happened the first time.',
    resolve: ({ eventIds }, _arguments, { loaders }) =>
      Promise.all(eventIds.map(async (id) => found(await loaders.event.load(id)))),
  })
}
