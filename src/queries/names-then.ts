// What things were called when something happened to them, and before that: by the few events that named them, which have an index
// of their own, however long a life is. Who users are is in no event.
import { statement } from '#database/connect.ts'
import type { EventRow } from './events.ts'
import { type Reader, runNamed } from './reader.ts'

/** Null for what has no name, or had none before. */
export type NamesThen = {
  readonly before: string | null
  /** From the event on. */
  readonly after: string | null
}

export const NAMELESS: NamesThen = { before: null, after: null }

/** Two are enough: the name as of the event, and the one that it took the place of. */
const NAMES_THEN = `
  SELECT wanted.event_id, wanted.version, named.version AS named_at, named.name
    FROM unnest($1::smallint[], $2::text[], $3::text[], $4::integer[]) AS wanted (shard, event_id, stream_id, version)
   CROSS JOIN LATERAL (
     SELECT e.version, e.data ->> 'name' AS name FROM log.event e
      WHERE e.shard = wanted.shard AND e.stream_id = wanted.stream_id AND e.version <= wanted.version
        AND e.data ? 'name'
      ORDER BY e.version DESC LIMIT 2) AS named
   ORDER BY wanted.event_id, named.version DESC`

type NameRow = {
  readonly event_id: string
  readonly version: number
  readonly named_at: number
  readonly name: string
}

/** By event id, of the event's subject; nothing for what has no name. Those who ask may read the events. */
export async function readNamesThen(
  reader: Reader,
  events: readonly EventRow[],
): Promise<ReadonlyMap<string, NamesThen>> {
  const parameters = [
    events.map(({ shard }) => shard),
    events.map(({ event_id: id }) => id),
    events.map(({ stream_id: id }) => id),
    events.map(({ version }) => version),
  ]
  const rows = await runNamed(reader, statement<NameRow>(NAMES_THEN, parameters))
  return new Map([...Map.groupBy(rows, ({ event_id }) => event_id)].map(([id, names]) => [id, namesIn(names)]))
}

/** The newest first. */
function namesIn([newest, older]: readonly NameRow[]): NamesThen {
  if (newest === undefined) return NAMELESS
  const after = newest.name
  return newest.named_at === newest.version ? { before: older?.name ?? null, after } : { before: after, after }
}
