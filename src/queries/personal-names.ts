// Which personal values events told, by name: that a display name changed, say, and no more of it. The values are in the vault, until
// they are forgotten; the names stay, beside the hashes in the bodies of the events.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import type { EventRow } from './events.ts'

type NamesRow = { readonly event_id: string; readonly names: readonly string[] }
type Ask = (query: CompiledQuery<NamesRow>) => Promise<readonly NamesRow[]>

export const PERSONAL_NAMES = `
  SELECT e.event_id,
         ARRAY(SELECT name FROM jsonb_object_keys(convert_from(e.body, 'UTF8')::jsonb -> 'personal') AS name
                ORDER BY name DESC) AS names
    FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, event_id)
    JOIN log.event e ON e.shard = wanted.shard AND e.event_id = wanted.event_id`

/** By event id, `externalId` before `displayName`; those that told none may be left out. Those who ask may read the events. */
export async function readPersonalNames(
  ask: Ask,
  events: readonly EventRow[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  // Nothing else has a person for its subject.
  const ofUsers = events.filter(({ stream_kind: kind }) => kind === 'user')
  if (ofUsers.length === 0) return new Map()
  const parameters = [ofUsers.map(({ shard }) => shard), ofUsers.map(({ event_id: id }) => id)]
  const rows = await ask(statement<NamesRow>(PERSONAL_NAMES, parameters))
  return new Map(rows.map(({ event_id: id, names }) => [id, names]))
}
