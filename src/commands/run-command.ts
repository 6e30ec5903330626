// THE write path. A command is one READ COMMITTED transaction: claim the idempotency key and locate · lock the streams in the
// order of their ids, fold · decide · rows, events and COMMIT. Every mutation goes through here, top to bottom.
import { setTimeout } from 'node:timers/promises'
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { inTransaction, type Transaction } from '#database/transaction.ts'
import { actorOf, credentialOf } from '#domain/caller.ts'
import type { Stream } from '#domain/streams.ts'
import { append, STREAM_MOVED_ON } from '#log/append.ts'
import type { EventBody } from '#log/body.ts'
import { lockStreams } from '#log/load.ts'
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
  type LocateStep,
  notFound,
  type Origin,
  type Outcome,
  type Refused,
  refused,
} from './command.ts'
import { authorize, decideAt, following, type Read } from './decide-command.ts'
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
  return untilNoneCollides(() =>
    inTransaction(services.database, (transaction) => execute(transaction, { services, origin }, command, input)),
  )
}

/** Tries again what another command kept from being done. */
export async function untilNoneCollides<Answer>(work: () => Promise<Answer>): Promise<Answer | Refused> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!COLLISIONS.has(sqlStateOf(error))) throw error
      if (attempt === ATTEMPTS_MAX) return refused({ code: 'CONFLICT', expectedVersion: null, actualVersion: null })
      await setTimeout(RETRY_DELAY_MS * attempt * (0.5 + Math.random()))
    }
  }
}

async function execute<Input extends CommonInput, Result>(
  transaction: Transaction,
  { services, origin }: Omit<LocateStep, 'transaction'>,
  command: Command<Input, Result>,
  input: Input,
): Promise<Outcome<Result>> {
  const step = { services, origin, transaction }
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
  const decision = await decideAt(step, command, input, located, lock)
  return decision.kind === 'refused' ? decision : commit(transaction, decision.step, decision.decided, claimed)
}

/** The streams' events, under their locks; the clock is read when all locks are held. */
const lock: Read = ({ transaction }, { locks }, shard) => transaction.run(lockStreams(shard, locks))

/** Rows, the remembered outcome, events and COMMIT in one flight: no counter lock ever waits for this process. */
async function commit<Result>(
  transaction: Transaction,
  step: DecideStep,
  decided: Extract<Decided<Result>, { kind: 'accepted' }>,
  claimed: Claim | undefined,
): Promise<Outcome<Result>> {
  const { accountId } = step
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
  const { caller } = step.origin
  const [callersActor, callersCredential] = [actorOf(caller), credentialOf(caller)]
  for (const { stream, facts, actor = callersActor, personal: told } of changes) {
    let after: Stream = stream
    for (const fact of facts) {
      after = following(after, fact, actor, step.now)
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
        // What the server does itself it does by no credential, whoever gave occasion to it.
        credential: actor === callersActor ? callersCredential : null,
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
