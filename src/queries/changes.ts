// What events changed, by folding the streams they are of: each stream once for all events of it that are asked about, however
// many, and a bounded number of events at a time.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { type Change, changesOf } from '#domain/changes.ts'
import { invariant } from '#domain/invariant.ts'
import { evolveStream, newStream, type Stream, type StreamKind } from '#domain/streams.ts'
import { recordedOf, type StoredEvent } from '#log/load.ts'
import type { EventRow } from './events.ts'
import { readPersonalNames } from './personal-names.ts'

/** By stream id, as after the last event that was asked about: what comes later is folded on from there. */
export type FoldedStreams = Map<string, Stream>

type Ask = <Row>(query: CompiledQuery<Row>) => Promise<readonly Row[]>

/** Events read by one statement, some 10 MB of them. */
const READ_MAX = 5_000

/** A subquery that is ordered stays one, whose stretch of its stream is read from the index of streams and nowhere else. */
const HISTORIES = `
  SELECT event.*
    FROM unnest($1::smallint[], $2::text[], $3::integer[], $4::integer[]) AS wanted (shard, id, after, up_to)
   CROSS JOIN LATERAL (
     SELECT stream_id, stream_kind, account_id, version, type, schema_version, actor_kind, actor_id, decided_at, data
       FROM log.event
      WHERE shard = wanted.shard AND stream_id = wanted.id AND version > wanted.after AND version <= wanted.up_to
      ORDER BY version) AS event`

/** By event id. The events may be of any streams and in any order; those who ask may read them. */
export async function readChanges(
  ask: Ask,
  events: readonly EventRow[],
  folded: FoldedStreams = new Map(),
): Promise<ReadonlyMap<string, readonly Change[]>> {
  const changes = new Map<string, readonly Change[]>()
  const histories = [...Map.groupBy(events, (event) => event.stream_id).values()].map((some) => historyOf(some, folded))
  const fold = (history: History, stored: StoredEvent) => {
    const before = history.stream
    invariant(stored.version === before.version + 1, `stream ${before.id} is dense`)
    const after = evolveStream(before, recordedOf(stored))
    history.stream = after
    for (const event of history.wanted.get(after.version) ?? []) changes.set(event.event_id, changesOf(before, after))
    // What was asked about last is last: what a caller forgets first is what it needs least.
    folded.delete(after.id)
    folded.set(after.id, after)
  }
  const unread = new Map<string, History>()
  for (const history of histories)
    if (history.isWhole) for (const [event] of history.wanted.values()) fold(history, event as EventRow)
    else unread.set(history.stream.id, history)
  for (let spans = nextSpans(unread); spans.length > 0; spans = nextSpans(unread)) {
    for (const stored of await ask(historiesOf(spans))) {
      const history = unread.get(stored.stream_id)
      if (history !== undefined) fold(history, stored)
    }
    for (const { history, upTo } of spans) invariant(history.stream.version === upTo, 'a stream is dense')
  }
  for (const [id, names] of await readPersonalNames(ask, events))
    changes.set(id, [...names.map(personalChange), ...(changes.get(id) ?? [])])
  return changes
}

/** That there was one, and not what: of somebody who is erased as of anybody. */
function personalChange(field: string): Change {
  return { field, before: null, after: null }
}

type History = {
  readonly shard: number
  /** As far as it is folded. */
  stream: Stream
  /** By version, in order. */
  readonly wanted: ReadonlyMap<number, readonly EventRow[]>
  readonly last: number
  /** What is asked about is all that there is to fold. */
  readonly isWhole: boolean
}

function historyOf(events: readonly EventRow[], folded: FoldedStreams): History {
  const [event] = events
  invariant(event !== undefined, 'a group has members')
  const wanted = Map.groupBy(
    events.toSorted((a, b) => a.version - b.version),
    ({ version }) => version,
  )
  const versions = [...wanted.keys()]
  const [first = 0, last = first] = [versions[0], versions.at(-1)]
  const known = folded.get(event.stream_id)
  const stream =
    known !== undefined && known.version < first
      ? known
      : newStream(event.stream_kind as StreamKind, event.stream_id, event.account_id)
  return { shard: event.shard, stream, wanted, last, isWhole: last - stream.version === versions.length }
}

type Span = { readonly history: History; readonly upTo: number }

/** What to read next of histories that are not folded yet; they leave as they are done. */
function nextSpans(unread: Map<string, History>): readonly Span[] {
  const spans: Span[] = []
  let room = READ_MAX
  for (const [id, history] of unread) {
    const { stream, last } = history
    if (stream.version >= last) {
      unread.delete(id)
      continue
    }
    if (room === 0) break
    const upTo = Math.min(last, stream.version + room)
    room -= upTo - stream.version
    spans.push({ history, upTo })
  }
  return spans
}

function historiesOf(spans: readonly Span[]): CompiledQuery<StoredEvent> {
  return statement(HISTORIES, [
    spans.map(({ history }) => history.shard),
    spans.map(({ history }) => history.stream.id),
    spans.map(({ history }) => history.stream.version),
    spans.map(({ upTo }) => upTo),
  ])
}
