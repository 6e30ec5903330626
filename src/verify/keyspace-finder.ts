// Where keys of a keyspace are looked for in requests that a proxy shows: kept current by the feed, so that a changed rule acts at once.
import { statement } from '#database/connect.ts'
import type { WatchedConnection } from '#database/watched-connection.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import type { Presentation } from '#domain/keyspace/presentation.ts'
import type { Feed } from '#log/feed.ts'
import { LOAD_MAX_MS, SNAPSHOT, type SnapshotColumns, snapshotOf } from './snapshot.ts'
import { createSourcedCache } from './sourced-cache.ts'

export type GuardedKeyspace = { readonly accountId: string; readonly presentations: readonly Presentation[] }

export type KeyspaceFinder = {
  /**
   * As current as the feed is when it is asked. Undefined for what is no keyspace. Anyone's: whether the caller may know is to be
   * asked then. Rejects with UnavailableError.
   */
  find(keyspaceId: string): Promise<GuardedKeyspace | undefined>
  stop(): void
}

const KEYSPACES_MAX = 10_000

const KEYSPACE = `
  WITH ${SNAPSHOT}
  SELECT snapshot.*, k.account_id, k.rules -> 'presentations' AS presentations
    FROM snapshot LEFT JOIN state.keyspace k ON k.shard = $1 AND k.keyspace_id = $2`

type Row = SnapshotColumns & { readonly account_id: string | null; readonly presentations: readonly Presentation[] }

export type KeyspaceFinderParts = { readonly loading: Pick<WatchedConnection, 'ask'>; readonly feed: Feed }

export function createKeyspaceFinder({ loading, feed }: KeyspaceFinderParts): KeyspaceFinder {
  const cache = createSourcedCache<GuardedKeyspace>({ feed, entriesMax: KEYSPACES_MAX })

  async function load(keyspaceId: string): Promise<GuardedKeyspace | undefined> {
    const epoch = cache.epoch()
    const since = feed.cursors()
    const query = statement<Row>(KEYSPACE, [shardOf(keyspaceId), keyspaceId])
    const rows = await loading.ask(query, LOAD_MAX_MS)
    const snapshot = snapshotOf(rows, since)
    const [row] = rows
    if (row === undefined || row.account_id === null) return undefined
    const found = { accountId: row.account_id, presentations: row.presentations }
    cache.put(keyspaceId, { found, sources: [keyspaceId] }, snapshot, epoch)
    return found
  }

  return {
    async find(keyspaceId) {
      if (kindOf(keyspaceId) !== 'ks') return undefined
      return cache.get(keyspaceId) ?? load(keyspaceId)
    },
    stop: cache.stop,
  }
}
