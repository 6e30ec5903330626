// Readers that follow the log while others write, as the feed of every instance does: each remembers how far it has read and
// asks for what lies beyond. A position that became visible after a later one would be a hole here, and an event missed.
import { type Database, statement } from '#database/connect.ts'

export type Tail = {
  /** Reads on to the end of the log. Throws where a reader met a hole, missed an event or saw time stand still. */
  stop(): Promise<Followed>
}

export type Followed = {
  /** How many events each reader saw, which is all that there are. */
  readonly events: number
  /** How often something new was there: many, or the reader only looked when all was over. */
  readonly rounds: number
}

type Line = { readonly line: string; readonly place: bigint; readonly event_id: string; readonly at: bigint }

const COLUMNS = `e.event_id, (extract(epoch FROM e.occurred_at) * 1000000)::bigint AS at`

/** The feed shards, each by its own positions. */
const SHARDS = `
  SELECT e.shard::text AS line, e.shard_position AS place, ${COLUMNS}
    FROM log.feed_shard f LEFT JOIN unnest($1::text[], $2::bigint[]) AS seen (line, place) ON seen.line = f.shard::text
    JOIN log.event e ON e.shard = f.shard AND e.shard_position > coalesce(seen.place, 0)
   ORDER BY e.shard, e.shard_position`

/** The accounts, each by its own positions. */
const ACCOUNTS = `
  SELECT e.account_id AS line, e.position AS place, ${COLUMNS}
    FROM log.account a LEFT JOIN unnest($1::text[], $2::bigint[]) AS seen (line, place) ON seen.line = a.account_id
    JOIN log.event e ON e.shard = a.shard AND e.account_id = a.account_id AND e.position > coalesce(seen.place, 0)
   ORDER BY e.account_id, e.position`

/** Follows every shard and every account from the beginning, each reader as fast as it can. */
export function followLog(database: Database): Tail {
  let stopping = false
  const readers = [SHARDS, ACCOUNTS].map((query) => follow(database, query, () => stopping))
  // What a reader throws is told by stop().
  for (const reader of readers) reader.catch(() => undefined)
  return {
    async stop() {
      stopping = true
      const [shards, accounts] = await Promise.all(readers)
      const { rows } = await database.pool.query<{ event_id: string }>('SELECT event_id FROM log.event')
      for (const reader of [shards, accounts]) {
        const missed = rows.filter(({ event_id }) => !reader?.seen.has(event_id))
        if (missed.length > 0) throw new Error(`${missed.length} of ${rows.length} events were missed`)
      }
      return { events: rows.length, rounds: Math.min(shards?.rounds ?? 0, accounts?.rounds ?? 0) }
    },
  }
}

async function follow(database: Database, query: string, isStopping: () => boolean) {
  const cursors = new Map<string, { readonly place: bigint; readonly at: bigint }>()
  const seen = new Set<string>()
  let rounds = 0
  for (;;) {
    // Asked before reading: everything had been committed by then.
    const last = isStopping()
    const { rows } = await database.kysely.executeQuery(
      statement<Line>(query, [[...cursors.keys()], [...cursors.values()].map(({ place }) => place)]),
    )
    for (const { line, place, event_id, at } of rows) {
      const before = cursors.get(line) ?? { place: 0n, at: 0n }
      if (place !== before.place + 1n) throw new Error(`${line}: a hole between ${before.place} and ${place}`)
      if (at <= before.at) throw new Error(`${line}: time stands still at ${place}`)
      cursors.set(line, { place, at })
      seen.add(event_id)
    }
    if (rows.length > 0) rounds += 1
    if (last) return { seen, rounds }
  }
}
