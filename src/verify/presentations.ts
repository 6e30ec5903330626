// Where keys of a keyspace are looked for, read anew for each request: a changed rule acts at once.
import { type Database, send, statement } from '#database/connect.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import type { Presentation } from '#domain/keyspace/presentation.ts'

type Row = { readonly account_id: string; readonly presentations: readonly Presentation[] }

export type GuardedKeyspace = { readonly accountId: string; readonly presentations: readonly Presentation[] }

/** Undefined for what is no keyspace. Anyone's: whether the caller may know is to be asked then. */
export async function guardedKeyspace(database: Database, keyspaceId: string): Promise<GuardedKeyspace | undefined> {
  if (kindOf(keyspaceId) !== 'ks') return undefined
  const [row] = await send(
    database.pool,
    statement<Row>(
      `SELECT account_id, rules -> 'presentations' AS presentations FROM state.keyspace
        WHERE shard = $1 AND keyspace_id = $2`,
      [shardOf(keyspaceId), keyspaceId],
    ),
  )
  return row && { accountId: row.account_id, presentations: row.presentations }
}
