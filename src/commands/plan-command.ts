// What a command would do, before it is done: decided as it would be decided now, on one snapshot of everything and without a lock,
// a claim or an append. What would follow it is planned with what the command makes of things.
import { inSnapshot } from '#database/transaction.ts'
import type { Actor } from '#domain/actor.ts'
import { actorOf, type Caller, DenialError, mayDo } from '#domain/caller.ts'
import { knownShardOf } from '#domain/ids.ts'
import { confinedTo } from '#domain/member.ts'
import type { ManagementPermission } from '#domain/permission.ts'
import type { AnyFact, Stream } from '#domain/streams.ts'
import { foldStreams, readStreams } from '#log/load.ts'
import { stateTables } from '#state/project.ts'
import {
  type Change,
  type Command,
  type CommandServices,
  type CommonInput,
  type DecideStep,
  type LocateStep,
  notFound,
  type Origin,
  type PlanStep,
  type Refused,
  refused,
} from './command.ts'
import { decideAt, following, mayRun, type Read } from './decide-command.ts'
import { recall } from './idempotency.ts'
import { issuesOf } from './input-issues.ts'
import { namedBy, seesOutcome } from './own-keys.ts'
import { invalidInput } from './refusal.ts'
import { untilNoneCollides } from './run-command.ts'
import { findStops, type Stops, type Turn } from './stops.ts'

/** An event that would be appended. */
export type PlannedEvent = {
  /** As it would be then; of what is only to be made, with an id that nothing will have. */
  readonly subject: Stream
  /** As it would be until then. */
  readonly before: Stream
  readonly isNew: boolean
  readonly fact: AnyFact
  /** Which personal values it would tell, by name. */
  readonly personal: readonly string[]
  /** That the subject would have from then on. */
  readonly version: number
  readonly actor: Actor
  /** Of the command itself, as against what follows it. */
  readonly own: boolean
}

export type Plan = {
  readonly kind: 'planned'
  readonly accountId: string
  readonly events: readonly PlannedEvent[]
  /** False where more would follow than was planned. */
  readonly complete: boolean
  readonly stopping: Stops
  /** What the command is about. */
  readonly subjectId: string | null
}

/** Who may read all that a plan tells may ask for one, and change nothing by it. */
export const READERS: readonly ManagementPermission[] = ['accounts.read', 'keys.read', 'events.read']

/** Events that follow a command, of which there may be some for every user of an account. */
const FOLLOWING_MAX = 1_000

/** Whether the caller may ask what such a command would do: who may do it, and who may read all of it. */
export function mayPlan(caller: Caller, command: Parameters<typeof mayRun>[1]): boolean {
  if (mayRun(caller, command)) return true
  return command.permission !== 'root' && confinedTo(caller) === null && READERS.every((read) => mayDo(caller, read))
}

/**
 * As whom it is decided. Who may run it is refused what the command would refuse them. Who may only read gives nothing away by asking,
 * and so what they hold is no matter: they are told what it would do if it were done by somebody who holds everything.
 */
function decidedAs(caller: Caller, command: Parameters<typeof mayRun>[1]): Caller {
  return caller.kind === 'ROOT' || mayRun(caller, command) ? caller : { ...caller, permissions: ['*'] }
}

/**
 * Refuses as the command would, but for GRANT_EXCEEDS_CALLER to those who may only read. Throws DenialError where the caller may neither
 * run it nor read what it would do.
 */
export async function planCommand<Input extends CommonInput, Result>(
  services: CommandServices,
  origin: Origin,
  command: Command<Input, Result>,
  input: unknown,
): Promise<Plan | Refused> {
  if (!mayPlan(origin.caller, command)) throw new DenialError('FORBIDDEN')
  const parsed = command.input.safeParse(input)
  if (!parsed.success) return refused({ code: 'INVALID_INPUT', issues: issuesOf(parsed.error) })
  // They would learn which secrets are in use, which is not for readers.
  if (!mayRun(origin.caller, command) && 'secret' in parsed.data && typeof parsed.data.secret === 'string')
    return refused(invalidInput(['secret'], 'must be absent for a caller who may not do this but only read'))
  const tables = stateTables.map(({ name }) => `state.${name}`)
  const decided = { ...origin, caller: decidedAs(origin.caller, command) }
  return untilNoneCollides(() =>
    inSnapshot(services.database, tables, (transaction) =>
      plan({ services, origin: decided, transaction }, command, parsed.data),
    ),
  )
}

async function plan<Input extends CommonInput, Result>(
  step: LocateStep,
  command: Command<Input, Result>,
  input: Input,
): Promise<Plan | Refused> {
  const { services, origin, transaction } = step
  const met = await recall(transaction, services.keyring, origin.caller, command.name, input)
  if (met?.kind === 'reused') return refused({ code: 'IDEMPOTENCY_KEY_REUSED' })
  const located = await command.locate(step, input)
  const draft = newDraft(step)
  if (met !== undefined) {
    const { accountId, result } = met.outcome
    if (!(await seesOutcome(step, located, result))) return notFound(namedBy(located))
    if ('locks' in located) draft.know(foldStreams(await readUnlocked(step, located, knownShardOf(accountId))).values())
    await command.planAfterwards?.(draft.followUp, result as Result)
    return draft.finish(accountId, null, services.clock.now())
  }
  const decision = await decideAt(step, command, input, located, readUnlocked)
  if (decision.kind === 'refused') return decision
  draft.add(decision.step, decision.decided.changes, true)
  await command.planAfterwards?.(draft.followUp, decision.decided.result)
  return draft.finish(decision.step.accountId, decision.step.subjectId, decision.step.now)
}

const readUnlocked: Read = ({ transaction }, { locks }, shard) =>
  transaction.run(
    readStreams(
      shard,
      locks.map(({ id }) => id),
    ),
  )

/** A plan as it grows: each command is decided with what those before it made. */
function newDraft({ services, origin, transaction }: LocateStep) {
  const events: PlannedEvent[] = []
  const turns = new Map<string, Turn>()
  const streamsAfter = new Map<string, Stream>()
  let complete = true

  function know(streams: Iterable<Stream>): void {
    for (const stream of streams) if (!streamsAfter.has(stream.id)) streamsAfter.set(stream.id, stream)
  }

  function add(step: DecideStep, changes: readonly Change[], own: boolean): void {
    know(step.streams.values())
    const caller = actorOf(step.origin.caller)
    for (const { stream, facts, actor = caller, personal: told } of changes) {
      let after: Stream = stream
      for (const fact of facts) {
        const before = after
        after = following(before, fact, actor, step.now)
        const personal = Object.keys(told?.values.get(fact) ?? {})
        const isNew = stream.version === 0
        events.push({ subject: after, before, isNew, fact, personal, version: after.version, actor, own })
      }
      streamsAfter.set(stream.id, after)
      turns.set(stream.id, { before: turns.get(stream.id)?.before ?? stream, after })
    }
  }

  const followUp: PlanStep = {
    transaction,
    streamAfter: (id) => streamsAfter.get(id),
    async plan(command, input) {
      if (events.filter(({ own }) => !own).length >= FOLLOWING_MAX) {
        complete = false
        return false
      }
      const step = { services, origin: { ...origin, caller: { kind: 'ROOT' } as const }, transaction }
      const located = await command.locate(step, input)
      const decision = await decideAt(step, command, input, located, readUnlocked, streamsAfter)
      // What is refused would not be done then either, but by a later sweep.
      if (decision.kind === 'accepted') add(decision.step, decision.decided.changes, false)
      return true
    },
  }

  return {
    know,
    add,
    followUp,
    async finish(accountId: string, subjectId: string | null, now: DecideStep['now']): Promise<Plan> {
      const scope = { reading: transaction, shard: knownShardOf(accountId), accountId }
      const stopping = await findStops(scope, [...turns.values()], now)
      return { kind: 'planned', accountId, events, complete, stopping, subjectId }
    },
  }
}
