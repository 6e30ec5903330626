// What a restore, or a failover that lost commits, leaves behind.
import pg from 'pg'
import { knownShardOf } from '#domain/ids.ts'
import type { TestDatabase } from './database.ts'

/** Takes the last events of an account back, as if they had never been committed. */
export async function rewind(database: TestDatabase, accountId: string, count: number): Promise<void> {
  const shard = knownShardOf(accountId)
  const client = new pg.Client(database.connection)
  await client.connect()
  await client.query('ALTER TABLE log.event DISABLE TRIGGER ALL')
  await client.query(
    `DELETE FROM log.event WHERE shard = $1 AND shard_position > (SELECT head - $2 FROM log.feed_shard WHERE shard = $1)`,
    [shard, count],
  )
  await client.query('ALTER TABLE log.event ENABLE TRIGGER ALL')
  await client.query(
    `UPDATE log.feed_shard f SET head = head - $2,
            last_event_id = (SELECT e.event_id FROM log.event e WHERE e.shard = $1 AND e.shard_position = f.head - $2)
      WHERE shard = $1`,
    [shard, count],
  )
  await client.query('UPDATE log.account SET position = position - $3 WHERE shard = $1 AND account_id = $2', [
    shard,
    accountId,
    count,
  ])
  await client.query('UPDATE log.stream SET version = version - $3 WHERE shard = $1 AND stream_id = $2', [
    shard,
    accountId,
    count,
  ])
  await client.end()
}
