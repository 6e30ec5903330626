// THE write path. A command is one READ COMMITTED transaction: claim the idempotency key and locate · lock the streams in the
// order of their ids, fold · decide · rows, events and COMMIT. Every mutation goes through here, top to bottom.
import { setTimeout } from 'node:timers/promises'
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { inTransaction } from '#database/transaction.ts'
import { actorOf, type Caller, DenialError, mayDo } from '#domain/caller.ts'
import { knownShardOf } from '#domain/ids.ts'
import { epochMsOf, type Instant, instantOf } from '#domain/instant.ts'
import { confinedTo } from '#domain/member.ts'
import { evolveStream, type Stream } from '#domain/streams.ts'
import { append, STREAM_MOVED_ON } from '#log/append.ts'
import type { EventBody } from '#log/body.ts'
import { foldStreams, lockStreams } from '#log/load.ts'
import { eventSchemas } from '#log/upcast.ts'
import { newId, newSalt } from '#secret/ids.ts'
import { changedRows } from '#state/project.ts'
import { writeEach } from '#state/row-writer.ts'
import {
  type Change,
  type Command,
  type CommandServices,
  type CommonInput,
  type Decided,
  type DecideStep,
  type Located,
  type LocateStep,
  notFound,
  type Origin,
  type Outcome,
  type Place,
  refused,
} from './command.ts'
import { type Claim, claim } from './idempotency.ts'
import { issuesOf } from './input-issues.ts'
import { namedBy, seesOutcome } from './own-keys.ts'
import { encryptFor, insertPersonal } from './personal.ts'
import { destroyed } from './seals.ts'

/** Three tries: what still collides then is contention that the client should see and pace. */
const ATTEMPTS_MAX = 3
const RETRY_DELAY_MS = 20

/** Moved on, unique violation (two made the same thing), serialization, deadlock, lock timeout: another command was first. */
const COLLISIONS = new Set([STREAM_MOVED_ON, '23505', '40001', '40P01', '55P03'])

/**
 * Runs a command. Throws DenialError where the caller lacks the permission; every other expected "no" is a refusal.
 * A fault leaves nothing behind, unless COMMIT itself got no answer: then a retry with the same idempotency key tells.
 */
export async function runCommand<Input extends CommonInput, Result>(
  services: CommandServices,
  origin: Origin,
  command: Command<Input, Result>,
  input: unknown,
): Promise<Outcome<Result>> {
  authorize(origin.caller, command)
  const parsed = command.input.safeParse(input)
  if (!parsed.success) return refused({ code: 'INVALID_INPUT', issues: issuesOf(parsed.error) })
  const outcome = await attempt({ services, origin }, command, parsed.data)
  if (outcome.kind === 'refused') return outcome
  const unfinished = await command.afterwards?.({ services, origin }, outcome.result)
  return unfinished === undefined ? outcome : refused(unfinished)
}

async function attempt<Input extends CommonInput, Result>(
  { services, origin }: Omit<LocateStep, 'transaction'>,
  command: Command<Input, Result>,
  input: Input,
): Promise<Outcome<Result>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(services.database, (transaction) =>
        execute({ services, origin, transaction }, command, input),
      )
    } catch (error) {
      if (!COLLISIONS.has(sqlStateOf(error))) throw error
      if (attempt === ATTEMPTS_MAX) return refused({ code: 'CONFLICT', expectedVersion: null, actualVersion: null })
      await setTimeout(RETRY_DELAY_MS * attempt * (0.5 + Math.random()))
    }
  }
}

type Demands = Pick<Command<CommonInput, unknown>, 'permission' | 'heedsOwners'>

function authorize(caller: Caller, { permission, heedsOwners }: Demands): void {
  const allowed = permission === 'root' ? caller.kind === 'ROOT' : mayDo(caller, permission)
  // What a MEMBER may do is for their own keys: a command that doesn't ask whose they are is none for them.
  if (!allowed || (confinedTo(caller) !== null && heedsOwners !== true)) throw new DenialError('FORBIDDEN')
}

async function execute<Input extends CommonInput, Result>(
  step: LocateStep,
  command: Command<Input, Result>,
  input: Input,
): Promise<Outcome<Result>> {
  const { services, origin, transaction } = step
  const [claimed, located] = await Promise.all([
    claim(transaction, services.keyring, origin.caller, command.name, input),
    command.locate(step, input),
  ])
  if (claimed?.kind === 'reused') return refused({ code: 'IDEMPOTENCY_KEY_REUSED' })
  if (claimed?.kind === 'replay') {
    const { accountId, result, eventIds } = claimed.outcome
    if (!(await seesOutcome(step, located, result))) return notFound(namedBy(located))
    return { kind: 'done', accountId, result: result as Result, eventIds, secrets: new Map() }
  }
  const place = placeFor(origin.caller, located)
  if ('notFound' in place) return notFound(place.notFound)
  if ('refusal' in place) return refused(place.refusal)

  const locked = await lock(step, place)
  const subject = place.subjectId === null ? undefined : locked.streams.get(place.subjectId)
  if (place.subjectId !== null && subject === undefined) return notFound(place.namedId)
  const { expectedVersion } = input
  if (subject !== undefined && expectedVersion !== undefined && expectedVersion !== null)
    if (subject.version !== expectedVersion)
      return refused({ code: 'CONFLICT', expectedVersion, actualVersion: subject.version })

  const decided = await command.decide(locked, input)
  return decided.kind === 'refused' ? decided : commit(locked, decided, claimed)
}

/** Tenants are apart: what lies in another account is not found, whatever the input says. */
function placeFor(caller: Caller, located: Located): Located {
  if (!('accountId' in located) || caller.kind === 'ROOT' || located.accountId === caller.accountId) return located
  return { notFound: located.namedId }
}

async function lock(step: LocateStep, place: Place): Promise<DecideStep> {
  const shard = knownShardOf(place.accountId)
  const { transaction } = step
  const events = place.locks.length === 0 ? [] : await transaction.run(lockStreams(shard, place.locks))
  const [clock] =
    events.length > 0
      ? events
      : await transaction.run(statement<{ now: Instant }>('SELECT clock_timestamp() AS now', []))
  // To the millisecond: an instant in an event and in a row of state are then the same text.
  const databaseNow = instantOf(epochMsOf(clock?.now ?? ''))
  const now = step.services.clock.fromDatabase(databaseNow)
  return { ...step, ...place, shard, now, streams: foldStreams(events) }
}

/** Rows, the remembered outcome, events and COMMIT in one flight: no counter lock ever waits for this process. */
async function commit<Result>(
  step: DecideStep,
  decided: Extract<Decided<Result>, { kind: 'accepted' }>,
  claimed: Claim | undefined,
): Promise<Outcome<Result>> {
  const { transaction, accountId } = step
  const { bodies, writes } = prepare(step, decided.changes)
  const eventIds = bodies.map((body) => body.eventId)
  const sent = [...writes, ...(decided.vault ?? [])].map((query) => transaction.run(query))
  if (claimed?.kind === 'claimed') sent.push(claimed.remember({ accountId, result: decided.result, eventIds }) as never)
  const appends: CompiledQuery<unknown>[] = byActor(bodies).map((own) => append(step.services.keyring, step.shard, own))
  const last = appends.pop() ?? statement('SELECT 1', [])
  await Promise.all([...sent, ...appends.map((query) => transaction.run(query)), transaction.commitWith(last)])
  if (bodies.length > 0) step.services.committed()
  const { result, secrets = new Map() } = decided
  return { kind: 'done', accountId, result, eventIds, secrets }
}

/** In stretches of one actor each: an append takes the events of one. */
function byActor(bodies: readonly EventBody[]): readonly (readonly EventBody[])[] {
  const stretches: EventBody[][] = []
  for (const body of bodies) {
    const stretch = stretches.at(-1)
    if (stretch?.[0]?.actor.kind === body.actor.kind && stretch[0].actor.id === body.actor.id) stretch.push(body)
    else stretches.push([body])
  }
  return stretches
}

type Prepared = { bodies: EventBody[]; writes: CompiledQuery[] }

function prepare(step: DecideStep, changes: readonly Change[]): Prepared {
  const bodies: EventBody[] = []
  const rows: CompiledQuery[] = []
  const vault: CompiledQuery[] = []
  const caller = actorOf(step.origin.caller)
  for (const { stream, facts, actor = caller, personal: told } of changes) {
    let after: Stream = stream
    for (const fact of facts) {
      after = evolveStream(after, { ...fact, at: step.now, actor, version: after.version + 1 })
      const encrypted = told === undefined ? [] : encryptFor(told.key, after.version, told.values.get(fact) ?? {})
      if (encrypted.length > 0) vault.push(insertPersonal(step.shard, encrypted))
      bodies.push({
        eventId: newId('evt', step.shard),
        accountId: step.accountId,
        streamId: stream.id,
        streamKind: stream.kind,
        version: after.version,
        type: fact.type,
        schemaVersion: eventSchemas[fact.type].version,
        actor,
        correlationId: step.origin.correlationId,
        decidedAt: step.now,
        data: fact.data,
        salt: newSalt(),
        personal: Object.fromEntries(encrypted.map(({ name, hash }) => [name, hash])),
      })
    }
    if (facts.length > 0)
      rows.push(...changedRows(stream, after).flatMap((changed) => writeEach(changed, stream.version === 0)))
    vault.push(...destroyed(step.shard, stream, after))
  }
  return { bodies, writes: [...rows, ...vault] }
}

function sqlStateOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
