// The users who are without a default key get theirs: all at once where the rule is switched on, and whoever is left of them where
// a process ended, or others were in the way, before it was done.
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'
import type { KeyspaceFact } from '#domain/keyspace/events.ts'
import { type Command, type CommandServices, type DecideStep, notFound, streamOf } from './command.ts'
import { type Completed, type Completion, type CompletionOptions, complete } from './completion.ts'
import { HAS_DEFAULT_KEYS, keyspacesWithDefaultKeys, makeDefaultKey, NO_KEYS } from './default-keys.ts'
import { idempotent, idInput } from './input.ts'
import { invalidInput, type Refusal } from './refusal.ts'
import { accountOfUser, userStreamOf } from './user-command.ts'

const input = z.object({ keyspaceId: idInput, userId: idInput, ...idempotent })

/** For one user; nothing where they have theirs already, are gone, or the keyspace has the rule no more. */
const fillDefaultKey: Command<z.infer<typeof input>, { readonly made: number }> = {
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
    return { kind: 'accepted', changes, vault, result: { made: changes.length } }
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

type User = { readonly user_id: string; readonly created_at: Instant }

/** Keys before users, as in every statement that touches both: see #state/rebuild.ts. */
export const USERS_WITHOUT = `SELECT u.user_id, u.created_at
   FROM (SELECT owner_id FROM state.key WHERE shard = $1 AND keyspace_id = $2 AND is_default) AS held
  RIGHT JOIN state.user u ON held.owner_id = u.user_id
  WHERE u.shard = $1 AND u.account_id = $3 AND u.removed_at IS NULL AND held.owner_id IS NULL
    AND (u.created_at, u.user_id) > ($4::timestamptz, $5)
  ORDER BY u.created_at, u.user_id LIMIT $6`

/** One transaction a user. */
export const DEFAULT_KEYS: Completion<User> = {
  rule: HAS_DEFAULT_KEYS,
  applies: ({ defaultKeys }) => defaultKeys,
  missing({ shard, keyspace_id: keyspaceId, account_id: accountId }, after, limit) {
    const { created_at: createdAt = '-infinity', user_id: userId = '' } = after ?? {}
    return statement(USERS_WITHOUT, [shard, keyspaceId, accountId, createdAt, userId, limit])
  },
  parts: (users) => users.map((user) => [user]),
  make: ({ keyspace_id: keyspaceId }, [user], run) => run(fillDefaultKey, { keyspaceId, userId: user?.user_id ?? '' }),
  // More would only wait for the same account's counter.
  atOnce: 4,
}

/** Makes those that are missing, in one keyspace or in all. */
export function fillDefaultKeys(services: CommandServices, options: CompletionOptions): Promise<Completed> {
  return complete(DEFAULT_KEYS, services, options)
}
