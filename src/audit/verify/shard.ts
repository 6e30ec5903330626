// What a shard's events leave behind for the checks that follow: folded streams, counters, what is in the vault.

import type { ActorKind } from '#domain/actor.ts'
import type { AnyFact, Stream, StreamKind } from '#domain/streams.ts'
import { evolveStream, folds, newStream } from '#domain/streams.ts'
import { eventSchemas, upcast } from '#log/upcast.ts'
import type { EventRow, SaidRow } from './event-row.ts'

export type ShardFold = {
  readonly shard: number
  readonly streams: Map<string, Stream>
  /** Streams of which something is missing or changed already: what follows from them is no finding of its own. */
  readonly broken: Set<string>
  /** By account, its last position. */
  readonly accounts: Map<string, number>
  /** Hashes in bodies, by `<user>/<version>/<name>`. */
  readonly personal: Map<string, string>
  /** By user, the event that says so. */
  readonly erased: Map<string, string>
  head: number
  lastEventId: string
  lastOccurredAt: string
  /** How many positions have no event. */
  missing: number
}

export function newShardFold(shard: number): ShardFold {
  return {
    shard,
    streams: new Map(),
    broken: new Set(),
    accounts: new Map(),
    personal: new Map(),
    erased: new Map(),
    head: 0,
    lastEventId: '',
    lastOccurredAt: '',
    missing: 0,
  }
}

/** `upcast`, where this software knows the type and version. */
export function factOf({ type, schema_version: version, data }: EventRow): AnyFact | undefined {
  if (!Object.hasOwn(eventSchemas, type)) return undefined
  const schema = eventSchemas[type as AnyFact['type']]
  return version >= 1 && version <= schema.version ? upcast(type, version, data) : undefined
}

/** Folds an event into its stream; false where it can't follow what was before. */
export function follow(fold: ShardFold, row: SaidRow, fact: AnyFact): boolean {
  const { stream_id: id, stream_kind: kind } = row
  if (!Object.hasOwn(folds, kind)) return false
  const before = fold.streams.get(id) ?? newStream(kind as StreamKind, id, row.account_id)
  if (row.version !== before.version + 1 || kind !== before.kind || row.account_id !== before.accountId) return false
  const actor = { kind: row.actor_kind as ActorKind, id: row.actor_id }
  try {
    fold.streams.set(id, evolveStream(before, { ...fact, at: row.at, actor, version: row.version }))
  } catch {
    return false
  }
  for (const [name, sha256] of Object.entries(row.personal)) fold.personal.set(`${id}/${row.version}/${name}`, sha256)
  if (row.type === 'user.erased') fold.erased.set(id, row.event_id)
  return true
}
