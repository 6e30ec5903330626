// Which code beside the retired one a rotation ended: one that the rotation before it had left in overlap, of which a slot has one.
import { statement } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'
import type { KeyRotated } from '#domain/key/events.ts'
import type { EventRow } from './events.ts'
import { type Reader, runNamed } from './reader.ts'

export type EndedOverlap = {
  readonly codeId: string
  /** Until when it was to work. */
  readonly until: Instant
}

/**
 * Walks a stream back from the rotation to the one before it in the slot; it had no effect left where its code was ended meanwhile.
 * Subqueries that are ordered stay such, and read their stretch of a stream from the index of streams and nowhere else.
 */
export const ENDED_OVERLAPS = `
  SELECT wanted.event_id, former.code_id AS "codeId", former.until
    FROM unnest($1::smallint[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[])
           AS wanted (shard, event_id, stream_id, version, slot, at)
   CROSS JOIN LATERAL (
     SELECT e.version, e.data ->> 'retiredCodeId' AS code_id, e.data ->> 'overlapEndsAt' AS until
       FROM log.event e
      WHERE e.shard = wanted.shard AND e.stream_id = wanted.stream_id AND e.version < wanted.version
        AND e.type = 'key.rotated' AND e.data -> 'replacement' ->> 'slot' = wanted.slot
      ORDER BY e.version DESC LIMIT 1) AS former
    LEFT JOIN LATERAL (
     SELECT e.version
       FROM log.event e
      WHERE e.shard = wanted.shard AND e.stream_id = wanted.stream_id
        AND e.version > former.version AND e.version < wanted.version
        AND e.type IN ('code.disabled', 'code.deleted') AND e.data ->> 'codeId' = former.code_id
      ORDER BY e.version LIMIT 1) AS ended ON true
   WHERE former.until::timestamptz > wanted.at AND ended.version IS NULL`

/** By event id; nothing for events that ended none. Those who ask may read the events. */
export async function readEndedOverlaps(
  reader: Reader,
  events: readonly EventRow[],
): Promise<ReadonlyMap<string, EndedOverlap>> {
  const rotations = events.filter(({ type }) => type === 'key.rotated')
  if (rotations.length === 0) return new Map()
  const parameters = [
    rotations.map(({ shard }) => shard),
    rotations.map(({ event_id: id }) => id),
    rotations.map(({ stream_id: id }) => id),
    rotations.map(({ version }) => version),
    rotations.map(({ data }) => (data as KeyRotated['data']).replacement.slot),
    rotations.map(({ decided_at: at }) => at),
  ]
  const rows = await runNamed(reader, statement<EndedOverlap & { event_id: string }>(ENDED_OVERLAPS, parameters))
  return new Map(rows.map(({ event_id: id, ...ended }) => [id, ended]))
}
