// Where keys of a keyspace are looked for in requests that a proxy shows: kept current by the feed, so that a changed rule acts at once.
import { statement } from '#database/connect.ts'
import type { WatchedConnection } from '#database/watched-connection.ts'
import { kindOf, knownShardOf } from '#domain/ids.ts'
import type { Presentation } from '#domain/keyspace/presentation.ts'
import type { Feed } from '#log/feed.ts'
import type { Deadline } from './deadline.ts'
import { createLoader } from './loader.ts'
import { LOAD_MAX_MS, SNAPSHOT, type SnapshotColumns, snapshotOf } from './snapshot.ts'
import { createSourcedCache } from './sourced-cache.ts'
import { weightOfKeyspace } from './weight.ts'

export type GuardedKeyspace = { readonly accountId: string; readonly presentations: readonly Presentation[] }

export type KeyspaceFinder = {
  /**
   * As current as the feed is when it is asked. Undefined for what is no keyspace. Anyone's: whether the caller may know is to be
   * asked then. Rejects with UnavailableError.
   */
  find(keyspaceId: string, deadline: Deadline): Promise<GuardedKeyspace | undefined>
  stop(): void
}

const KEYSPACES_MAX = 10_000

// Each by itself, which the limit makes sure of: to join them all, a planner may read the table whole.
const KEYSPACES = `
  WITH ${SNAPSHOT}
  SELECT snapshot.*, found.*
    FROM snapshot LEFT JOIN (
      SELECT one.*
        FROM unnest($1::smallint[], $2::text[]) AS asked (shard, keyspace_id)
        CROSS JOIN LATERAL (
          SELECT k.keyspace_id, k.account_id, k.rules -> 'presentations' AS presentations
            FROM state.keyspace k
           WHERE k.shard = asked.shard AND k.keyspace_id = asked.keyspace_id
           LIMIT 1) AS one) AS found ON true`

type Nothing = SnapshotColumns & { readonly keyspace_id: null }
type Row = SnapshotColumns & {
  readonly keyspace_id: string
  readonly account_id: string
  readonly presentations: readonly Presentation[]
}

export type KeyspaceFinderParts = { readonly loading: Pick<WatchedConnection, 'ask'>; readonly feed: Feed }

export function createKeyspaceFinder({ loading, feed }: KeyspaceFinderParts): KeyspaceFinder {
  const cache = createSourcedCache<GuardedKeyspace>({ feed, entriesMax: KEYSPACES_MAX })
  const loader = createLoader(load)

  async function load(wanted: readonly { readonly key: string }[]): Promise<readonly (GuardedKeyspace | undefined)[]> {
    const ids = wanted.map(({ key }) => key)
    const epoch = cache.epoch()
    const since = feed.cursors()
    const rows = await loading.ask(statement<Row | Nothing>(KEYSPACES, [ids.map(knownShardOf), ids]), LOAD_MAX_MS)
    const snapshot = snapshotOf(rows, since)
    const byId = new Map(rows.filter(isFound).map((row) => [row.keyspace_id, row]))
    return ids.map((id) => {
      const row = byId.get(id)
      if (row === undefined) {
        // A proxy that is set up wrongly asks for the same again and again. The event that creates it ends this, as any other of it.
        cache.putUnknown(id, snapshot, epoch)
        return undefined
      }
      const found = { accountId: row.account_id, presentations: row.presentations }
      cache.put(id, { found, sources: [id], weight: weightOfKeyspace(found) }, snapshot, epoch)
      return found
    })
  }

  return {
    async find(keyspaceId, deadline) {
      if (kindOf(keyspaceId) !== 'ks' || cache.isUnknown(keyspaceId)) return undefined
      return cache.get(keyspaceId) ?? loader.load({ key: keyspaceId }, deadline)
    },
    stop: cache.stop,
  }
}

const isFound = (row: Row | Nothing): row is Row => row.keyspace_id !== null
