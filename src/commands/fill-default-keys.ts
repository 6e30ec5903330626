// The users who are without a default key get theirs: all at once where the rule is switched on, and whoever is left of them where
// a process ended, or others were in the way, before it was done. One transaction a user, so that nothing is locked for long and what is done stays done.
import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { type Database, send, statement } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'
import type { KeyspaceFact } from '#domain/keyspace/events.ts'
import {
  type Command,
  type CommandServices,
  type DecideStep,
  type LocateStep,
  notFound,
  type Origin,
  streamOf,
} from './command.ts'
import { HAS_DEFAULT_KEYS, keyspacesWithDefaultKeys, makeDefaultKey, NO_KEYS } from './default-keys.ts'
import { idempotent, idInput } from './input.ts'
import { invalidInput, type Refusal } from './refusal.ts'
import { runCommand } from './run-command.ts'
import { accountOfUser, userStreamOf } from './user-command.ts'

const input = z.object({ keyspaceId: idInput, userId: idInput, ...idempotent })

/** For one user; nothing where they have theirs already, are gone, or the keyspace has the rule no more. */
const fillDefaultKey: Command<z.infer<typeof input>, null> = {
  name: 'fillDefaultKey',
  permission: 'root',
  input,
  async locate(step, { keyspaceId, userId }) {
    const accountId = await accountOfUser(step, userId)
    if (accountId === undefined) return { notFound: userId }
    // The user exclusively: whoever else looks for what is missing then finds it there.
    const locks = [
      { id: keyspaceId, exclusive: false },
      { id: userId, exclusive: true },
    ]
    return { accountId, subjectId: userId, namedId: userId, locks }
  },
  async decide(step, { keyspaceId, userId }) {
    const user = userStreamOf(step, userId).state
    const keyspace = streamOf(step, 'keyspace', keyspaceId)?.state
    if (keyspace === undefined) return notFound(keyspaceId)
    const wanted = user.status === 'active' && keyspace.status === 'active' && keyspace.rules.defaultKeys
    const [there] = await step.transaction.run(
      statement('SELECT 1 FROM state.key WHERE shard = $1 AND keyspace_id = $2 AND owner_id = $3 AND is_default', [
        step.shard,
        keyspaceId,
        userId,
      ]),
    )
    const { changes, vault } =
      wanted && there === undefined
        ? await makeDefaultKey(step, { keyspaceId, rules: keyspace.rules }, userId)
        : NO_KEYS
    return { kind: 'accepted', changes, vault, result: null }
  },
}

/** Whoever adds a user makes as many keys at once, and is told as many secrets. */
const KEYSPACES_MAX = 10

/**
 * Why these facts may not give a keyspace default keys: the account has enough of such keyspaces. Exact, because whoever gives
 * one the rule holds the account's lock.
 */
export async function refusalForDefaultKeys(
  step: DecideStep,
  facts: readonly KeyspaceFact[],
): Promise<Refusal | undefined> {
  if (!facts.some(({ data }) => 'rules' in data && data.rules?.defaultKeys === true)) return undefined
  const others = await keyspacesWithDefaultKeys(step, step.shard, step.accountId)
  if (others.length < KEYSPACES_MAX) return undefined
  const why = `must be off: ${KEYSPACES_MAX} keyspaces of the account have default keys, which is the most there may be`
  return invalidInput(['rules', 'defaultKeys'], why)
}

/** Beyond the tries that each user gets: most that collide do so with what ends soon. */
const ROUNDS_MAX = 5
const ROUND_DELAY_MS = 100
/** No round begins later, so that a client whose changes are locked out for long is told rather than kept waiting. */
const PATIENCE_MS = 10_000

/** What must be so after any command that makes or changes a keyspace: where it has the rule, every user has theirs. */
export async function completeDefaultKeys(
  { services, origin }: Omit<LocateStep, 'transaction'>,
  { keyspaceId }: { readonly keyspaceId: string },
): Promise<Refusal | undefined> {
  const begunAt = performance.now()
  for (let round = 1; ; round++) {
    const { failed } = await fillDefaultKeys(services, { keyspaceId, correlationId: origin.correlationId })
    if (failed === 0) return undefined
    if (round === ROUNDS_MAX || performance.now() - begunAt > PATIENCE_MS)
      return { code: 'CONFLICT', expectedVersion: null, actualVersion: null, isCommitted: true }
    await setTimeout(ROUND_DELAY_MS * 2 ** (round - 1))
  }
}

type Keyspace = { readonly shard: number; readonly keyspace_id: string; readonly account_id: string }
type User = { readonly user_id: string; readonly created_at: Instant }

const BATCH_USERS = 200
/** More would only wait for the same account's counter. */
const AT_ONCE = 4

export type Filled = { readonly made: number; readonly failed: number }

/**
 * Makes what is missing, in one keyspace or in all, until nothing is or it is told to stop. Those that other commands kept from
 * being made are counted as failed, and left to the next time. `correlationId`: of what caused it.
 */
export async function fillDefaultKeys(
  services: CommandServices,
  { keyspaceId, correlationId, isStopped = () => false }: FillOptions,
): Promise<Filled> {
  const origin: Origin = { caller: { kind: 'ROOT' }, correlationId }
  const counted = { made: 0, failed: 0 }
  for (const keyspace of await keyspacesToFill(services.database, keyspaceId ?? null)) {
    for (let after: User | undefined; !isStopped(); ) {
      const users = await usersWithout(services.database, keyspace, after)
      for (let start = 0; start < users.length && !isStopped(); start += AT_ONCE) {
        const outcomes = await Promise.all(
          users
            .slice(start, start + AT_ONCE)
            .map(({ user_id: userId }) =>
              runCommand(services, origin, fillDefaultKey, { keyspaceId: keyspace.keyspace_id, userId }),
            ),
        )
        for (const outcome of outcomes) {
          if (outcome.kind === 'refused') counted.failed += 1
          else if (outcome.eventIds.length > 0) counted.made += 1
        }
      }
      after = users.at(-1)
      if (users.length < BATCH_USERS) break
    }
  }
  return counted
}

export type FillOptions = {
  readonly keyspaceId?: string
  readonly correlationId: string
  isStopped?(): boolean
}

async function keyspacesToFill(database: Database, keyspaceId: string | null): Promise<readonly Keyspace[]> {
  return send(
    database.pool,
    statement<Keyspace>(
      `SELECT s.shard, s.keyspace_id, s.account_id FROM state.keyspace s
        WHERE ${HAS_DEFAULT_KEYS} AND ($1::text IS NULL OR s.keyspace_id = $1) ORDER BY s.shard, s.keyspace_id`,
      [keyspaceId],
    ),
  )
}

/** Keys before users, as in every statement that touches both: see #state/rebuild.ts. */
export const USERS_WITHOUT = `SELECT u.user_id, u.created_at
   FROM (SELECT owner_id FROM state.key WHERE shard = $1 AND keyspace_id = $2 AND is_default) AS held
  RIGHT JOIN state.user u ON held.owner_id = u.user_id
  WHERE u.shard = $1 AND u.account_id = $3 AND u.removed_at IS NULL AND held.owner_id IS NULL
    AND (u.created_at, u.user_id) > ($4::timestamptz, $5)
  ORDER BY u.created_at, u.user_id LIMIT $6`

async function usersWithout(database: Database, keyspace: Keyspace, after: User | undefined): Promise<readonly User[]> {
  const { shard, keyspace_id: keyspaceId, account_id: accountId } = keyspace
  const { created_at: createdAt = '-infinity', user_id: userId = '' } = after ?? {}
  return send(
    database.pool,
    statement<User>(USERS_WITHOUT, [shard, keyspaceId, accountId, createdAt, userId, BATCH_USERS]),
  )
}
