// Streams as they were: the events up to a moment, folded like those that a command is decided by. State is not asked: rows of it
// are what things are now.
import { type Database, statement } from '#database/connect.ts'
import { type IdKind, kindOf, knownShardOf } from '#domain/ids.ts'
import type { Instant } from '#domain/instant.ts'
import type { Stream } from '#domain/streams.ts'
import { foldStreams, type StoredEvent } from '#log/load.ts'
import { endOf, type Moment } from './moment.ts'

export type PastEvent = StoredEvent & {
  readonly event_id: string
  readonly position: bigint
}

// By the index on streams, whatever else there is: a thing costs its own events, and nothing of anybody else's. The inner order keeps
// the planner from joining whole tables instead.
const EVENTS = `
  SELECT row.*
    FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
   CROSS JOIN LATERAL (
     SELECT stream_id, stream_kind, account_id, version, type, schema_version, actor_kind, actor_id, decided_at, data, event_id,
            position
       FROM log.event
      WHERE event.shard = wanted.shard AND event.stream_id = wanted.id
        AND CASE WHEN event.account_id = $5 THEN event.position <= $6 ELSE event.occurred_at < $4 END
      ORDER BY version) AS row
   WHERE $3::text IS NULL OR row.account_id = $3
   ORDER BY row.stream_id, row.version`

/**
 * What had happened to these things by that moment, ordered by version within each. `ids` are well-formed; `tenant` is the account
 * they must be of, null for any.
 */
export async function readPastEvents(
  { kysely }: Pick<Database, 'kysely'>,
  ids: readonly string[],
  { at, upTo }: Moment,
  tenant: string | null,
): Promise<readonly PastEvent[]> {
  if (ids.length === 0) return []
  const until: Instant = endOf(at)
  const parameters = [ids.map(knownShardOf), ids, tenant, until, upTo?.accountId ?? null, upTo?.position ?? null]
  const { rows } = await kysely.executeQuery(statement<PastEvent>(EVENTS, parameters))
  return rows
}

/** The things by id, as they were; those that were not there yet are absent. */
export async function readPastStreams(
  database: Pick<Database, 'kysely'>,
  ids: readonly string[],
  moment: Moment,
  tenant: string | null,
): Promise<ReadonlyMap<string, Stream>> {
  return foldStreams(await readPastEvents(database, ids.filter(isOfStream), moment, tenant))
}

const STREAM_KINDS: readonly (IdKind | undefined)[] = ['acct', 'ks', 'key', 'lnk', 'pol', 'usr']

function isOfStream(id: string): boolean {
  return STREAM_KINDS.includes(kindOf(id))
}
