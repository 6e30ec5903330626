// Default keys: which one a user has.
import { statement } from '#database/connect.ts'
import { type Reader, runNamed } from './reader.ts'
import { locate } from './shard.ts'
import type { UserRow } from './users.ts'

/**
 * Its id: of this user in this keyspace, as long as it has the rule; null where there is none. Another account's keyspace has none of
 * them. Whether the caller may see it is asked by whoever loads it.
 */
export async function findDefaultKey(reader: Reader, user: UserRow, keyspaceId: string): Promise<string | null> {
  const { shard, id } = locate('ks', keyspaceId)
  if (shard !== user.shard) return null
  const [key] = await runNamed(
    reader,
    statement<{ key_id: string }>(
      `SELECT key.key_id FROM state.keyspace s JOIN state.key ON key.shard = s.shard AND key.keyspace_id = s.keyspace_id
        WHERE s.shard = $1 AND s.keyspace_id = $2 AND s.rules ->> 'defaultKeys' = 'true'
          AND key.owner_id = $3 AND key.is_default`,
      [shard, id, user.user_id],
    ),
  )
  return key?.key_id ?? null
}
