// removeUser: nobody any more, for good, and with them what was theirs; their history stays, and their external id is free again.
import type { CompiledQuery } from 'kysely'
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { knownShardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import { decideKey } from '#domain/key/decide.ts'
import type { EraseUser, RemoveUser } from '#domain/user/commands.ts'
import { decideUser } from '#domain/user/decide.ts'
import { STREAM_MOVED_ON } from '#log/append.ts'
import {
  type Change,
  type Command,
  type Decided,
  type DecideStep,
  type Located,
  type LocateStep,
  refused,
  streamOf,
} from './command.ts'
import { idInput, versioned } from './input.ts'
import { invalidInput } from './refusal.ts'
import { accountOfUser, deleteIdentity, userStreamOf } from './user-command.ts'

const input = z.object({ userId: idInput, ...versioned })

/** What one transaction revokes within seconds, and whoever waits for its locks sits out. */
const KEYS_MAX = 10_000

export const removeUser: Command<z.infer<typeof input>, { readonly userId: string }> = {
  name: 'removeUser',
  permission: 'users.write',
  input,
  locate: (step, { userId }) => withTheirKeys(step, userId),
  decide: (step, { userId }) => endUser(step, userId, { type: 'RemoveUser' }, [deleteIdentity(step, userId)]),
}

/** The user, and all that is theirs. */
export async function withTheirKeys(step: LocateStep, userId: string): Promise<Located> {
  const accountId = await accountOfUser(step, userId)
  if (accountId === undefined) return { notFound: userId }
  const keyIds = await keysOf(step.transaction, userId)
  const locks = [userId, ...keyIds].map((id) => ({ id, exclusive: true }))
  return { accountId, subjectId: userId, namedId: userId, locks }
}

/** What ends a user ends their keys with them. `vault`: what is forgotten of them where something comes of it. */
export async function endUser(
  step: DecideStep,
  userId: string,
  command: RemoveUser | EraseUser,
  vault: readonly CompiledQuery[],
): Promise<Decided<{ readonly userId: string }>> {
  const stream = userStreamOf(step, userId)
  const decision = decideUser(command, stream.state)
  if (decision.kind === 'refused') return decision
  if (decision.facts.length === 0) return { kind: 'accepted', changes: [], result: { userId } }
  // Again, now that nobody can be given to them: whoever gives a key to a user holds the user's lock.
  const keyIds = await keysOf(step.transaction, userId)
  if (keyIds.length > KEYS_MAX)
    return refused(invalidInput(['userId'], `must have at most ${KEYS_MAX} keys to be revoked: revoke some first`))
  const changes = [{ stream, facts: decision.facts }, ...keyIds.map((keyId) => revoked(step, keyId))]
  return { kind: 'accepted', changes, vault, result: { userId } }
}

export const KEYS_OF_USER = `SELECT key_id FROM state.key WHERE shard = $1 AND owner_id = $2 AND revoked_at IS NULL
   UNION
  SELECT key_id FROM state.key WHERE shard = $1 AND acts_as_id = $2 AND revoked_at IS NULL
   ORDER BY key_id LIMIT $3`

/** Ids of the keys that they own or that act as them and are not revoked: one more than a removal takes, at most. */
async function keysOf(transaction: Reading, userId: string): Promise<readonly string[]> {
  const rows = await transaction.run(
    statement<{ key_id: string }>(KEYS_OF_USER, [knownShardOf(userId), userId, KEYS_MAX + 1]),
  )
  return rows.map(({ key_id }) => key_id)
}

/** Starts the command over for a key that became theirs between looking and locking. */
function revoked(step: DecideStep, keyId: string): Change<'key'> {
  const stream = streamOf(step, 'key', keyId)
  if (stream === undefined)
    throw Object.assign(new Error('The user was given a key meanwhile'), { code: STREAM_MOVED_ON })
  const decision = decideKey({ type: 'RevokeKey', reason: 'AFFILIATION_CHANGED', note: null }, stream.state)
  invariant(decision.kind === 'accepted', 'a revocation is never refused')
  return { stream, facts: decision.facts }
}
