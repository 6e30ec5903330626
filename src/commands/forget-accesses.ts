// What the access log knows of people who were erased: from where, by what and for what keys were used while they were theirs. That
// they were used, when and with which verdict stays, as it tells of the keys alone.
import { type Database, send, statement } from '#database/connect.ts'
import { knownShardOf } from '#domain/ids.ts'
import { type Instant, plusMs } from '#domain/instant.ts'

const BATCH_ENTRIES = 1_000
/** By so much the clocks of those who tell of uses may be off: a use beside the moment at which a key changed hands may be either's. */
const CLOCKS_DIFFER_MS = 300_000

/**
 * Who a key's owner is, and whom it acts as, as each of its events left it that said so. Of all keys that ever were this user's, in
 * the one sense or the other, found by the indexes of the log that are there for it.
 */
export const HOLDINGS = `
  WITH theirs AS (
    SELECT stream_id FROM log.event WHERE shard = $1 AND data ->> 'ownerId' = $2
     UNION
    SELECT stream_id FROM log.event WHERE shard = $1 AND data ->> 'actsAsId' = $2)
  SELECT told.*
    FROM theirs
   CROSS JOIN LATERAL (
     SELECT e.stream_id, e.version, e.decided_at, e.data ? 'ownerId' AS tells_owner, e.data ->> 'ownerId' AS owner_id,
            e.data ? 'actsAsId' AS tells_acts_as, e.data ->> 'actsAsId' AS acts_as_id
       FROM log.event e
      WHERE e.shard = $1 AND e.stream_id = theirs.stream_id
        AND e.type IN ('key.created', 'key.updated') AND (e.data ? 'ownerId' OR e.data ? 'actsAsId')
      ORDER BY e.version) AS told
   ORDER BY told.stream_id, told.version`

type HoldingRow = {
  readonly stream_id: string
  readonly decided_at: Instant
  readonly tells_owner: boolean
  readonly owner_id: string | null
  readonly tells_acts_as: boolean
  readonly acts_as_id: string | null
}

/** From `since` on, before `until`; null: for good, as of a key that was revoked with them. */
type Held = { readonly keyId: string; readonly since: Instant; readonly until: Instant | null }

/**
 * Of their own account's entries only: what other accounts saw of a key that they have linked is those accounts' affair. In small
 * transactions, until nothing is left; done by whoever sends the mutation again where it ends before.
 */
export async function forgetAccesses(database: Database, userId: string): Promise<void> {
  const shard = knownShardOf(userId)
  const rows = await send(database.pool, statement<HoldingRow>(HOLDINGS, [shard, userId]))
  const held = [...Map.groupBy(rows, ({ stream_id }) => stream_id).values()].flatMap((events) => heldBy(userId, events))
  if (held.length === 0) return
  const forget = statement<{ forgotten: number }>('SELECT forgotten FROM usage.forget_accesses($1, $2, $3, $4, $5)', [
    shard,
    held.map(({ keyId }) => keyId),
    held.map(({ since }) => plusMs(since, -CLOCKS_DIFFER_MS)),
    held.map(({ until }) => (until === null ? null : plusMs(until, CLOCKS_DIFFER_MS))),
    BATCH_ENTRIES,
  ])
  for (;;) {
    const [{ forgotten } = { forgotten: 0 }] = await send(database.pool, forget)
    if (forgotten < BATCH_ENTRIES) return
  }
}

/** When one key was theirs: its events in order. */
function heldBy(userId: string, events: readonly HoldingRow[]): readonly Held[] {
  const held: Held[] = []
  let [ownerId, actsAsId]: (string | null)[] = [null, null]
  let since: Instant | undefined
  for (const event of events) {
    if (event.tells_owner) ownerId = event.owner_id
    if (event.tells_acts_as) actsAsId = event.acts_as_id
    const isTheirs = ownerId === userId || actsAsId === userId
    if (isTheirs) since ??= event.decided_at
    else if (since !== undefined) {
      held.push({ keyId: event.stream_id, since, until: event.decided_at })
      since = undefined
    }
  }
  const [{ stream_id: keyId } = { stream_id: '' }] = events
  return since === undefined ? held : [...held, { keyId, since, until: null }]
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
