// What the access log knows of people who were erased: from where, by what and for what the keys were used that were theirs. That
// they were used, when and with which verdict stays, as it tells of the keys alone.
import { type Database, send, statement } from '#database/connect.ts'
import { knownShardOf } from '#domain/ids.ts'
import type { Instant } from '#domain/instant.ts'

const BATCH_ENTRIES = 1_000

/** Revoked with them, and so theirs for good. */
const KEYS = `SELECT key_id FROM state.key WHERE shard = $1 AND owner_id = $2
   UNION SELECT key_id FROM state.key WHERE shard = $1 AND acts_as_id = $2`

/**
 * Of their own account's entries only: what other accounts saw of a key that they have linked is those accounts' affair. In small
 * transactions, until nothing is left; done by whoever sends the mutation again where it ends before.
 */
export async function forgetAccesses(database: Database, userId: string): Promise<void> {
  const shard = knownShardOf(userId)
  const keys = await send(database.pool, statement<{ key_id: string }>(KEYS, [shard, userId]))
  const keyIds = keys.map(({ key_id }) => key_id)
  if (keyIds.length === 0) return
  const forget = statement<{ forgotten: number }>('SELECT forgotten FROM usage.forget_accesses($1, $2, $3)', [
    shard,
    keyIds,
    BATCH_ENTRIES,
  ])
  for (;;) {
    const [{ forgotten } = { forgotten: 0 }] = await send(database.pool, forget)
    if (forgotten < BATCH_ENTRIES) return
  }
}

/** The same of all who were erased since: services may tell of uses days later, and a process may have ended before it was done. */
export async function forgetErased(database: Database, since: Instant, isStopped: () => boolean): Promise<void> {
  const users = await send(
    database.pool,
    statement<{ user_id: string }>('SELECT user_id FROM state.user WHERE erased_at >= $1 ORDER BY erased_at', [since]),
  )
  for (const { user_id: userId } of users) {
    if (isStopped()) return
    await forgetAccesses(database, userId)
  }
}
