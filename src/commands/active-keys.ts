// The limit of active keys, exact under any concurrency: it is counted under the keyspace's lock, taken for itself.
import { statement } from '#database/connect.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import { STREAM_MOVED_ON } from '#log/append.ts'
import type { DecideStep } from './command.ts'

/** SQL: whether the keyspace `s` has a limit, and so is to be locked exclusively by who may add to what is counted. */
export const KEYSPACE_LIMITED = `jsonb_typeof(s.rules -> 'activeKeysMax') <> 'null'`

/**
 * Keys of the keyspace that are neither revoked nor deleted nor past their expiry at `now`; 0 where there is no limit.
 * Starts the command over where the limit came between looking and locking, when the lock was only shared.
 */
export async function countActiveKeys(step: DecideStep, keyspaceId: string, rules: KeyspaceRules): Promise<number> {
  if (rules.activeKeysMax === null) return 0
  if (!step.locks.some((lock) => lock.id === keyspaceId && lock.exclusive))
    throw Object.assign(new Error('The keyspace was given a limit meanwhile'), { code: STREAM_MOVED_ON })
  const [row] = await step.transaction.run(
    statement<{ count: number }>(
      `SELECT count(*)::integer AS count FROM state.key
        WHERE shard = $1 AND keyspace_id = $2 AND revoked_at IS NULL AND deleted_at IS NULL
          AND (expires_at IS NULL OR expires_at > $3)`,
      [step.shard, keyspaceId, step.now],
    ),
  )
  return row?.count ?? 0
}
