// What an export tells of events: all that `Event` shows, a page at a time.
import type { Stream } from '#domain/streams.ts'
import { labelOf } from '#graphql/actor.ts'
import type { Context } from '#graphql/context.ts'
import { publicData } from '#graphql/event-data.ts'
import { actorOf, credentialOf, occurredAtOf, summarize } from '#graphql/told-event.ts'
import { type FoldedStreams, readChanges } from '#queries/changes.ts'
import type { EventRow } from '#queries/events.ts'
import { runNamed } from '#queries/reader.ts'
import type { ToldEvent } from './export-format.ts'

/** Pages come in the order of positions. */
export type Teller = (page: readonly EventRow[], context: Context) => Promise<readonly ToldEvent[]>

/** Some 20 MB of streams, to go on from where they were: thousands of keys, or a few with thousands of codes. */
const REMEMBERED_MAX = 40_000

export function createTeller(withChanges: boolean): Teller {
  const folded: FoldedStreams = new Map()
  return async (page, context) => {
    const changes = withChanges
      ? await readChanges((query) => runNamed(context.reader, query), page, folded)
      : new Map<string, never>()
    forget(folded)
    return Promise.all(
      page.map(async (event) => {
        const told = await toldEvent(event, context)
        return withChanges ? { ...told, changes: changes.get(event.event_id) ?? [] } : told
      }),
    )
  }
}

async function toldEvent(event: EventRow, context: Context): Promise<ToldEvent> {
  const actor = actorOf(event)
  const [summary, label] = await Promise.all([summarize(event, context), labelOf(actor, context)])
  return {
    position: event.position.toString(),
    id: event.event_id,
    occurredAt: occurredAtOf(event),
    type: event.type,
    summary,
    actor: { kind: actor.kind, actorId: actor.id, label },
    credential: credentialOf(event),
    subjectId: event.stream_id,
    subjectVersion: event.version,
    correlationId: event.correlation_id,
    accountId: event.account_id,
    schemaVersion: event.schema_version,
    data: publicData(event.data),
  }
}

/** The least recently told first. */
function forget(folded: FoldedStreams): void {
  let weight = 0
  for (const stream of folded.values()) weight += weightOf(stream)
  for (const [id, stream] of folded) {
    if (weight <= REMEMBERED_MAX) return
    folded.delete(id)
    weight -= weightOf(stream)
  }
}

/** In units of some 500 bytes: a key is as large as it has codes. */
function weightOf({ state }: Stream): number {
  return 4 + ('codes' in state ? state.codes.length : 0)
}
