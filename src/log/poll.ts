// One look at everything new: a statement over all feed shards, and what its answer means. Positions are dense and become
// visible in the order of commits (see migrations/0001-log.ts), so a reader who holds a cursor misses nothing; and whoever
// has restored, failed over or edited history is noticed.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'
import { invariant } from '#domain/invariant.ts'

/** Where a reader stands in one shard: the position and id of the last event read; 0 and '' before the first. */
export type Cursor = { readonly position: bigint; readonly eventId: string }

/** By shard. */
export type Cursors = ReadonlyMap<number, Cursor>

export type FeedEvent = {
  readonly shard: number
  readonly shardPosition: bigint
  readonly accountId: string
  readonly position: bigint
  readonly eventId: string
  readonly streamId: string
  readonly streamKind: string
  readonly type: string
  readonly schemaVersion: number
  readonly data: unknown
}

/** Of the whole database, read in the poll's snapshot: what verdicts depend on that is no event. */
export type Surroundings = {
  /** Changes when state was rebuilt. */
  readonly generation: bigint
  /** The root key's, under every secret it was stored under. */
  readonly rootKeyDigests: readonly Buffer[]
  readonly databaseNow: Instant
  /** A standby may lag behind what has been acknowledged: nothing can be promised from it. */
  readonly isStandby: boolean
}

/** The most events of one shard that one poll reads. */
export const PAGE_SIZE = 500

// The shard's counter row tells by itself whether there is anything new: only where its head or the id of its last event differ
// is log.event read, from the event at the cursor on, which is the anchor.
const POLL = `
  WITH moved AS MATERIALIZED (
    SELECT f.shard, f.head, f.last_event_id, c.position AS after
      FROM log.feed_shard f
      LEFT JOIN unnest($1::smallint[], $2::bigint[], $3::text[]) AS c (shard, position, event_id) ON c.shard = f.shard
     WHERE f.head IS DISTINCT FROM c.position OR f.last_event_id IS DISTINCT FROM c.event_id)
  SELECT g.generation, (SELECT array_agg(r.digest) FROM vault.root_key r) AS root_key_digests,
         clock_timestamp() AS database_now, pg_is_in_recovery() AS is_standby,
         m.shard, m.head, m.last_event_id, e.shard_position, e.account_id, e.position, e.event_id, e.stream_id, e.stream_kind, e.type,
         e.schema_version, e.data
    FROM state.generation g
    LEFT JOIN moved m ON true
    LEFT JOIN LATERAL (
      SELECT * FROM log.event e WHERE e.shard = m.shard AND e.shard_position >= m.after
       ORDER BY e.shard_position LIMIT $4) e ON true
   ORDER BY m.shard, e.shard_position`

type EventColumns = {
  readonly shard_position: bigint
  readonly account_id: string
  readonly position: bigint
  readonly event_id: string
  readonly stream_id: string
  readonly stream_kind: string
  readonly type: string
  readonly schema_version: number
  readonly data: unknown
}
type NoEvent = { readonly [Column in keyof EventColumns]: null }
type MovedShard = { readonly shard: number; readonly head: bigint; readonly last_event_id: string }
type NoShard = { readonly [Column in keyof MovedShard]: null }

export type PollRow = {
  readonly generation: bigint
  readonly root_key_digests: readonly Buffer[] | null
  readonly database_now: Instant
  readonly is_standby: boolean
} & ((MovedShard & (EventColumns | NoEvent)) | (NoShard & NoEvent))

/** A thousand polls a second may ask from where the one before did: to write the cursors down is most of what such a one costs. */
const asked = new WeakMap<Cursors, CompiledQuery<PollRow>>()

export function poll(cursors: Cursors): CompiledQuery<PollRow> {
  const known = asked.get(cursors)
  if (known !== undefined) return known
  const at = [...cursors.values()]
  const lists = [
    [...cursors.keys()],
    at.map(({ position }) => position),
    at.map(({ eventId }) => JSON.stringify(eventId)),
  ]
  // One more than a page: the anchor.
  const query = statement<PollRow>(POLL, [...lists.map((list) => `{${list.join(',')}}`), PAGE_SIZE + 1])
  asked.set(cursors, query)
  return query
}

export type Polled = {
  readonly surroundings: Surroundings
  /** Where every shard's head lay. */
  readonly heads: Cursors
} & (
  | { readonly kind: 'forward'; readonly events: readonly FeedEvent[]; readonly cursors: Cursors }
  /** What was read before is not what is there now: a restore, a failover that lost commits, an edit. */
  | { readonly kind: 'rewound'; readonly shard: number; readonly what: string }
)

/** What a poll from these cursors was answered; the very same ones where nothing is new. A shard that has no cursor yet begins at its head. */
export function readPoll(cursors: Cursors, rows: readonly PollRow[]): Polled {
  const [first] = rows
  invariant(first !== undefined, 'state.generation has a row')
  const surroundings: Surroundings = {
    generation: first.generation,
    rootKeyDigests: first.root_key_digests ?? [],
    databaseNow: first.database_now,
    isStandby: first.is_standby,
  }
  if (first.shard === null) return { kind: 'forward', surroundings, heads: cursors, events: [], cursors }
  const heads = new Map(cursors)
  const reached = new Map(cursors)
  const events: FeedEvent[] = []
  let rewound: { readonly shard: number; readonly what: string } | undefined
  for (const [shard, ofShard] of Map.groupBy(rows.filter(isOfShard), (row) => row.shard)) {
    const head = headOf(ofShard)
    heads.set(shard, head)
    const step = advance(cursors.get(shard), head, ofShard.filter(hasEvent))
    if ('what' in step) rewound ??= { shard, what: step.what }
    else {
      reached.set(shard, step.cursor)
      events.push(...step.fresh.map((row) => eventOf(shard, row)))
    }
  }
  if (rewound !== undefined) return { kind: 'rewound', surroundings, heads, ...rewound }
  return { kind: 'forward', surroundings, heads, events, cursors: reached }
}

type ShardRow = PollRow & MovedShard
type EventRow = ShardRow & EventColumns

const isOfShard = (row: PollRow): row is ShardRow => row.shard !== null
const hasEvent = (row: ShardRow): row is EventRow => row.shard_position !== null

function headOf([row]: readonly ShardRow[]): Cursor {
  invariant(row !== undefined, 'a group has a row')
  return { position: row.head, eventId: row.last_event_id }
}

function advance(
  from: Cursor | undefined,
  head: Cursor,
  rows: readonly EventRow[],
): { readonly cursor: Cursor; readonly fresh: readonly EventRow[] } | { readonly what: string } {
  if (from === undefined) return { cursor: head, fresh: [] }
  if (head.position < from.position) return { what: `ends at ${head.position}, and had reached ${from.position}` }
  // Position 0 is before the first event, and has none to be the anchor.
  const anchored = from.position === 0n
  const [anchor] = rows
  if (!anchored && (anchor?.shard_position !== from.position || anchor.event_id !== from.eventId))
    return { what: `has another event at ${from.position} than was read there` }
  const fresh = anchored ? rows : rows.slice(1)
  let { position, eventId } = from
  for (const row of fresh) {
    if (row.shard_position !== position + 1n) return { what: `has no event at ${position + 1n}` }
    position = row.shard_position
    eventId = row.event_id
  }
  // Less than a page is all there is: then the counter must agree.
  if (fresh.length < PAGE_SIZE && position !== head.position) return { what: `has no event at ${position + 1n}` }
  return { cursor: { position, eventId }, fresh }
}

function eventOf(shard: number, row: EventColumns): FeedEvent {
  return {
    shard,
    shardPosition: row.shard_position,
    accountId: row.account_id,
    position: row.position,
    eventId: row.event_id,
    streamId: row.stream_id,
    streamKind: row.stream_kind,
    type: row.type,
    schemaVersion: row.schema_version,
    data: row.data,
  }
}
