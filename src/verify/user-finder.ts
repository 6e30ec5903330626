// Whom the tokens of an identity provider name: kept current by the feed, so that who is removed, or gets another role, is so with their
// next request, however long their token lasts, and however often they ask.
import { statement } from '#database/connect.ts'
import type { WatchedConnection } from '#database/watched-connection.ts'
import type { ActingUser } from '#domain/caller.ts'
import { shardOf } from '#domain/ids.ts'
import type { Feed } from '#log/feed.ts'
import { identitiesOf } from '#secret/identity.ts'
import type { Keyring } from '#secret/keyring.ts'
import { LOAD_MAX_MS, SNAPSHOT, type SnapshotColumns, snapshotOf } from './snapshot.ts'
import { createSourcedCache } from './sourced-cache.ts'

export type UserFinder = {
  /**
   * The user of that name, to the letter; of a well-formed account id. What is known is given at once, in the turn that asks, and is as
   * current as the feed is then. Undefined for nobody, who is asked for again each time. Rejects with UnavailableError.
   */
  find(accountId: string, externalId: string): ActingUser | Promise<ActingUser | undefined>
  stop(): void
}

export type UserFinderParts = {
  readonly loading: Pick<WatchedConnection, 'ask'>
  readonly keyring: Keyring
  readonly feed: Feed
}

/** Of some hundred bytes each. */
const USERS_MAX = 50_000

const USER = `
  WITH ${SNAPSHOT}
  SELECT snapshot.*, named."userId", named."accountId", named.role, named.permissions, named.removed
    FROM snapshot LEFT JOIN (
      SELECT u.user_id AS "userId", u.account_id AS "accountId", u.role, u.permissions, u.removed_at IS NOT NULL AS removed
        FROM vault.identity i
        JOIN state.user u ON u.shard = i.shard AND u.user_id = i.user_id
       WHERE i.shard = $1 AND i.account_id = $2 AND i.digest = ANY ($3)) AS named ON true`

type Row = SnapshotColumns & (ActingUser | { readonly userId: null })

export function createUserFinder({ loading, keyring, feed }: UserFinderParts): UserFinder {
  const cache = createSourcedCache<ActingUser>({ feed, entriesMax: USERS_MAX })

  async function load(key: string, accountId: string, digests: readonly Buffer[]): Promise<ActingUser | undefined> {
    const epoch = cache.epoch()
    const since = feed.cursors()
    const rows = await loading.ask(statement<Row>(USER, [shardOf(accountId), accountId, digests]), LOAD_MAX_MS)
    const snapshot = snapshotOf(rows, since)
    const [row] = rows
    if (row === undefined || row.userId === null) return undefined
    const { userId, role, permissions, removed } = row
    const found = { userId, accountId, role, permissions, removed }
    // The name of who is removed may come to be another's, of whom no event is about this one.
    if (!removed) cache.put(key, { found, sources: [userId] }, snapshot, epoch)
    return found
  }

  return {
    find(accountId, externalId) {
      const digests = identitiesOf(keyring, accountId, externalId).map(({ digest }) => digest)
      const key = `${accountId} ${digests[0]?.toString('base64')}`
      return cache.get(key) ?? load(key, accountId, digests)
    },
    stop: cache.stop,
  }
}
