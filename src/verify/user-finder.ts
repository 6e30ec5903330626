// Whom the tokens of an identity provider name: kept current by the feed, so that who is removed, or gets another role, is so with their
// next request, however long their token lasts, and however often they ask.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import type { WatchedConnection } from '#database/watched-connection.ts'
import type { ActingUser } from '#domain/caller.ts'
import { knownShardOf } from '#domain/ids.ts'
import type { Feed } from '#log/feed.ts'
import { identitiesOf } from '#secret/identity.ts'
import type { Keyring } from '#secret/keyring.ts'
import type { Deadline } from './deadline.ts'
import { createLoader } from './loader.ts'
import { LOAD_MAX_MS, SNAPSHOT, type SnapshotColumns, snapshotOf } from './snapshot.ts'
import { createSourcedCache } from './sourced-cache.ts'
import { weightOfUser } from './weight.ts'

export type UserFinder = {
  /**
   * The user of that name, to the letter; of a well-formed account id. What is known is given at once, in the turn that asks, and is as
   * current as the feed is then. Undefined for nobody, who is asked for again each time. Rejects with UnavailableError.
   */
  find(accountId: string, externalId: string, deadline: Deadline): ActingUser | Promise<ActingUser | undefined>
  stop(): void
}

export type UserFinderParts = {
  readonly loading: Pick<WatchedConnection, 'ask'>
  readonly keyring: Keyring
  readonly feed: Feed
}

/** Of some hundred bytes each; who has many permissions counts as several. */
const USERS_MAX = 50_000

// Each by itself, which the limit makes sure of: to join them all, a planner may read the table whole.
const USERS = `
  WITH ${SNAPSHOT}
  SELECT snapshot.*, named.*
    FROM snapshot LEFT JOIN (
      SELECT asked.question, found.*
        FROM unnest($1::smallint[], $2::text[], $3::bytea[], $4::integer[]) AS asked (shard, account_id, digest, question)
        CROSS JOIN LATERAL (
          SELECT u.user_id AS "userId", u.account_id AS "accountId", u.role, u.permissions, u.removed_at IS NOT NULL AS removed
            FROM vault.identity i
            JOIN state.user u ON u.shard = i.shard AND u.user_id = i.user_id
           WHERE i.shard = asked.shard AND i.account_id = asked.account_id AND i.digest = asked.digest
           LIMIT 1) AS found) AS named ON true`

type Nobody = SnapshotColumns & { readonly userId: null }
type Row = SnapshotColumns & ActingUser & { readonly question: number }

/** An account, and a name in it by its digests under every secret of the keyring. */
type Wanted = { readonly key: string; readonly accountId: string; readonly digests: readonly Buffer[] }

export function createUserFinder({ loading, keyring, feed }: UserFinderParts): UserFinder {
  const cache = createSourcedCache<ActingUser>({ feed, entriesMax: USERS_MAX })
  const loader = createLoader(load)

  async function load(wanted: readonly Wanted[]): Promise<readonly (ActingUser | undefined)[]> {
    const epoch = cache.epoch()
    const since = feed.cursors()
    const rows = await loading.ask(namedBy(wanted), LOAD_MAX_MS)
    const snapshot = snapshotOf(rows, since)
    const byQuestion = new Map(rows.filter(isSomebody).map((row) => [row.question, row]))
    return wanted.map(({ key }, question) => {
      const row = byQuestion.get(question)
      if (row === undefined) return undefined
      const { userId, accountId, role, permissions, removed } = row
      const found = { userId, accountId, role, permissions, removed }
      // The name of who is removed may come to be another's, of whom no event is about this one.
      if (!removed) cache.put(key, { found, sources: [userId], weight: weightOfUser(found) }, snapshot, epoch)
      return found
    })
  }

  return {
    find(accountId, externalId, deadline) {
      const digests = identitiesOf(keyring, accountId, externalId).map(({ digest }) => digest)
      const key = `${accountId} ${digests[0]?.toString('base64')}`
      return cache.get(key) ?? loader.load({ key, accountId, digests }, deadline)
    },
    stop: cache.stop,
  }
}

function namedBy(wanted: readonly Wanted[]): CompiledQuery<Row | Nobody> {
  const asked = wanted.flatMap(({ accountId, digests }, question) =>
    digests.map((digest) => ({ accountId, digest, question })),
  )
  return statement(USERS, [
    asked.map(({ accountId }) => knownShardOf(accountId)),
    asked.map(({ accountId }) => accountId),
    asked.map(({ digest }) => digest),
    asked.map(({ question }) => question),
  ])
}

const isSomebody = (row: Row | Nobody): row is Row => row.userId !== null
