// What a rule says of all that is in a keyspace, and is more than one transaction should hold for what was there before the rule:
// made so in parts, each a transaction of its own, so that nothing is locked for long and what is done stays done. It looks for what
// is missing rather than remember what was done, so that whoever comes next finishes what a process left.
import { setTimeout } from 'node:timers/promises'
import type { CompiledQuery } from 'kysely'
import { send, statement } from '#database/connect.ts'
import { knownShardOf } from '#domain/ids.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import type { KeyspaceState } from '#domain/keyspace/state.ts'
import type { Command, CommandServices, CommonInput, Origin, PlanStep } from './command.ts'
import type { Refusal } from './refusal.ts'
import { runCommand } from './run-command.ts'

export type Keyspace = { readonly shard: number; readonly keyspace_id: string; readonly account_id: string }

export type Completion<Thing> = {
  /** SQL: whether the keyspace `s` has the rule. */
  readonly rule: string
  /** The same of rules that are at hand. */
  applies(rules: KeyspaceRules): boolean
  /** A page of what is missing in such a keyspace, behind what came last; the last page is shorter than `limit`. */
  missing(keyspace: Keyspace, after: Thing | undefined, limit: number): CompiledQuery<Thing>
  /** What one transaction makes. */
  parts(things: readonly Thing[]): readonly (readonly Thing[])[]
  /** Has the command run, or planned, for one part: it makes nothing where it is so already, or the rule is gone. */
  make<Answer>(keyspace: Keyspace, part: readonly Thing[], run: RunPart<Answer>): Promise<Answer>
  /** Parts that are made at the same time. */
  readonly atOnce: number
}

export type RunPart<Answer> = <Input extends CommonInput>(
  command: Command<Input, { readonly made: number }>,
  input: Input,
) => Promise<Answer>

export type Completed = { readonly made: number; readonly failed: number }

export type CompletionOptions = {
  /** Absent: in all. */
  readonly keyspaceId?: string
  /** Of what caused it. */
  readonly correlationId: string
  isStopped?(): boolean
}

const PAGE = 200

/**
 * Makes what is missing, in one keyspace or in all, until nothing is or it is told to stop. What other commands kept from being
 * made is counted as failed, and left to the next time.
 */
export async function complete<Thing>(
  completion: Completion<Thing>,
  services: CommandServices,
  { keyspaceId, correlationId, isStopped = () => false }: CompletionOptions,
): Promise<Completed> {
  const origin: Origin = { caller: { kind: 'ROOT' }, correlationId }
  const counted = { made: 0, failed: 0 }
  for (const keyspace of await keyspacesWith(completion.rule, services, keyspaceId))
    for (let after: Thing | undefined; !isStopped(); ) {
      const things = await send(services.database.pool, completion.missing(keyspace, after, PAGE))
      const parts = completion.parts(things)
      for (let start = 0; start < parts.length && !isStopped(); start += completion.atOnce)
        await Promise.all(
          parts.slice(start, start + completion.atOnce).map(async (part) => {
            const outcome = await completion.make(keyspace, part, (command, input) =>
              runCommand(services, origin, command, input),
            )
            if (outcome.kind === 'refused') counted.failed += part.length
            else counted.made += outcome.result.made
          }),
        )
      after = things.at(-1)
      if (things.length < PAGE) break
    }
  return counted
}

/** Plans what would be made in a keyspace, once it is what a command makes of it. */
export async function planCompletion<Thing>(
  completion: Completion<Thing>,
  { transaction, streamAfter, plan }: PlanStep,
  keyspaceId: string,
): Promise<void> {
  const stream = streamAfter(keyspaceId)
  const state = stream?.state as KeyspaceState | undefined
  if (stream === undefined || state?.status !== 'active' || !completion.applies(state.rules)) return
  const keyspace = { shard: knownShardOf(keyspaceId), keyspace_id: keyspaceId, account_id: stream.accountId }
  for (let after: Thing | undefined; ; ) {
    const things = await transaction.run(completion.missing(keyspace, after, PAGE))
    for (const part of completion.parts(things)) if (!(await completion.make(keyspace, part, plan))) return
    after = things.at(-1)
    if (things.length < PAGE) return
  }
}

async function keyspacesWith(
  rule: string,
  { database }: CommandServices,
  keyspaceId: string | undefined,
): Promise<readonly Keyspace[]> {
  const [where, values] =
    keyspaceId === undefined
      ? ['', []]
      : ['AND s.shard = $1 AND s.keyspace_id = $2', [knownShardOf(keyspaceId), keyspaceId]]
  return send(
    database.pool,
    statement<Keyspace>(
      `SELECT s.shard, s.keyspace_id, s.account_id FROM state.keyspace s
        WHERE ${rule} ${where} ORDER BY s.shard, s.keyspace_id`,
      values,
    ),
  )
}

/** Beyond the tries that each part gets: most that collide do so with what ends soon. */
const ROUNDS_MAX = 5
const ROUND_DELAY_MS = 100
/** No round begins later, so that a client whose changes are locked out for long is told rather than kept waiting. */
const PATIENCE_MS = 10_000

/** Makes it again until nothing fails; a refusal where something is still missing after some seconds. */
export async function finished(round: () => Promise<Completed>): Promise<Refusal | undefined> {
  const begunAt = performance.now()
  for (let count = 1; ; count++) {
    const { failed } = await round()
    if (failed === 0) return undefined
    if (count === ROUNDS_MAX || performance.now() - begunAt > PATIENCE_MS)
      return { code: 'CONFLICT', expectedVersion: null, actualVersion: null, isCommitted: true }
    await setTimeout(ROUND_DELAY_MS * 2 ** (count - 1))
  }
}
