// From the log to what it implies: locks the streams a command depends on, then folds them.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import type { ActorKind } from '#domain/actor.ts'
import type { Recorded } from '#domain/event.ts'
import type { Instant } from '#domain/instant.ts'
import { invariant } from '#domain/invariant.ts'
import { evolveStream, type Facts, newStream, type Stream, type StreamKind } from '#domain/streams.ts'
import { upcast } from './upcast.ts'

/** Exclusive for streams that are written or counted in; shared for those that must only not change meanwhile. */
export type StreamLock = { readonly id: string; readonly exclusive: boolean }

export type StoredEvent = {
  readonly stream_id: string
  readonly stream_kind: string
  readonly account_id: string
  readonly version: number
  readonly type: string
  readonly schema_version: number
  readonly actor_kind: ActorKind
  readonly actor_id: string | null
  readonly decided_at: Instant
  readonly data: unknown
}

/** Locks in the order of ids, then reads the streams' events; ids that are no stream are left out. Each row has the clock. */
export function lockStreams(
  shard: number,
  locks: readonly StreamLock[],
): CompiledQuery<StoredEvent & { readonly now: Instant }> {
  const exclusive = new Map<string, boolean>()
  for (const lock of locks) exclusive.set(lock.id, lock.exclusive || exclusive.get(lock.id) === true)
  const ids = [...exclusive.keys()].sort()
  // The clock is read when all locks are held: the function has returned by then.
  return statement('SELECT *, clock_timestamp() AS now FROM log.lock_streams($1, $2, $3)', [
    shard,
    ids,
    ids.map((id) => exclusive.get(id)),
  ])
}

/** The same events without a lock, for those who change nothing: as the snapshot has them that this is read in. */
export function readStreams(
  shard: number,
  ids: readonly string[],
): CompiledQuery<StoredEvent & { readonly now: Instant }> {
  return statement(
    `SELECT e.stream_id, e.stream_kind, e.account_id, e.version, e.type, e.schema_version, e.actor_kind, e.actor_id,
            e.decided_at, e.data, clock_timestamp() AS now
       FROM unnest($2::text[]) AS wanted (stream_id)
       JOIN log.event e ON e.shard = $1 AND e.stream_id = wanted.stream_id
      ORDER BY e.stream_id, e.version`,
    [shard, [...new Set(ids)]],
  )
}

/** Folds events that come ordered by version within each stream. */
export function foldStreams(events: Iterable<StoredEvent>): Map<string, Stream> {
  const streams = new Map<string, Stream>()
  for (const stored of events) {
    const before =
      streams.get(stored.stream_id) ?? newStream(stored.stream_kind as StreamKind, stored.stream_id, stored.account_id)
    invariant(stored.version === before.version + 1, `stream ${stored.stream_id} is dense`)
    streams.set(stored.stream_id, evolveStream(before, recordedOf(stored)))
  }
  return streams
}

/** As a fold takes it, brought to today's shape. */
export function recordedOf(stored: StoredEvent): Recorded<Facts[StreamKind]> {
  return {
    ...upcast(stored.type, stored.schema_version, stored.data),
    at: stored.decided_at,
    actor: { kind: stored.actor_kind, id: stored.actor_id },
    version: stored.version,
  }
}
