// The history of an account or of one thing in it: oldest first with `first`, newest first with `last`. Events never change
// and come in dense positions, so that pages stay as they were while more are appended.
import { type Expression, type SqlBool, sql } from 'kysely'
import type { EventTable } from '#database/tables.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Instant } from '#domain/instant.ts'
import { instantIssues, textIssues, textsIssues } from './filter-check.ts'
import { along, beyond, type Keyset } from './keyset.ts'
import { type Page, type PageRequest, pageOf } from './page.ts'
import { countOf, type Reader, runNamed, runPlanned } from './reader.ts'
import { locate, locateAny, type Place } from './shard.ts'

/** All of an event but its bytes and what proves them; `data` is as stored, digests included. */
export type EventRow = Omit<EventTable, 'body' | 'mac' | 'mac_secret_id'>

/** The subject is the stream: an account, a keyspace, a key, a link, a policy or a user. */
export type EventScope = { readonly accountId: string } | { readonly subjectId: string }

/** What is absent, null or an empty list filters nothing. */
export type EventFilter = {
  readonly types?: readonly string[] | null | undefined
  readonly subjectId?: string | null | undefined
  readonly actorId?: string | null | undefined
  /** Inclusive. */
  readonly since?: Instant | null | undefined
  /** Exclusive. */
  readonly until?: Instant | null | undefined
  readonly correlationId?: string | null | undefined
}

const TYPES_MAX = 100

export const EVENT_COLUMNS = [
  'shard',
  'shard_position',
  'account_id',
  'position',
  'event_id',
  'stream_id',
  'stream_kind',
  'version',
  'type',
  'schema_version',
  'actor_kind',
  'actor_id',
  'correlation_id',
  'decided_at',
  'occurred_at',
  'data',
] as const satisfies readonly (keyof EventRow)[]

/** A subject outside the scope has no events. Throws BadQueryArgumentError. */
export async function listEvents(
  reader: Reader,
  scope: EventScope,
  filter: EventFilter | null | undefined,
  page: PageRequest,
): Promise<Page<EventRow>> {
  const wanted = filter ?? {}
  checkFilter(wanted)
  const run = Object.values(wanted).some((value) => value != null) ? runPlanned : runNamed
  const conditions = conditionsOf(scope, wanted)
  const events = conditions.reduce(
    (query, condition) => query.where(condition),
    reader.database.kysely.selectFrom('log.event as event'),
  )
  const ofSubject = 'subjectId' in scope
  // Within a stream, versions rise as positions do, and there is an index that begins with the stream.
  const place = ofSubject ? 'version' : 'position'
  const order = ofSubject || wanted.subjectId != null ? 'version' : 'position'
  return pageOf<EventRow>(
    {
      identity: ['events', ofSubject ? scope.subjectId : scope.accountId, place],
      fields: ['number'],
      cursorOf: (row) => [String(row[place])],
      lastComesFirst: true,
      read: (walk) => {
        const placed = walk.from === null ? events : events.where(beyond(oldestFirst(place), walk, walk.from))
        const rows = placed.select(EVENT_COLUMNS.map((column) => `event.${column}` as const))
        return run(reader, along(rows, oldestFirst(order), { ...walk, from: null }))
      },
      count: () => countOf(reader, run, [events]),
    },
    page,
  )
}

function oldestFirst(column: 'position' | 'version'): Keyset {
  return { columns: [{ name: `event.${column}`, type: 'bigint' }], descending: false }
}

function checkFilter(filter: EventFilter): void {
  const issues = [
    ...textsIssues('types', filter.types, TYPES_MAX),
    ...textIssues('actorId', filter.actorId),
    ...textIssues('correlationId', filter.correlationId),
    ...instantIssues('since', filter.since),
    ...instantIssues('until', filter.until),
  ]
  if (issues.length > 0) throw new BadQueryArgumentError(issues)
}

/** Of an argument `types` that stands by itself. Throws BadQueryArgumentError. */
export function checkTypes(types: readonly string[] | null): void {
  const issues = textsIssues('types', types, TYPES_MAX, [])
  if (issues.length > 0) throw new BadQueryArgumentError(issues)
}

type Condition = Expression<SqlBool>

function conditionsOf(scope: EventScope, filter: EventFilter): readonly Condition[] {
  const { types, actorId, correlationId } = filter
  return [
    ...scopeConditions(scope, filter),
    ...(types?.length ? [sql<SqlBool>`event.type = ANY (${types}::text[])`] : []),
    ...(actorId == null ? [] : [sql<SqlBool>`event.actor_id = ${actorId}`]),
    ...(correlationId == null ? [] : [sql<SqlBool>`event.correlation_id = ${correlationId}`]),
  ]
}

function scopeConditions(scope: EventScope, { subjectId, since, until }: EventFilter): readonly Condition[] {
  const subject = subjectId == null ? undefined : locateAny(subjectId)
  if ('subjectId' in scope) {
    const own = locateAny(scope.subjectId)
    if (subject !== undefined && subject.id !== own.id) return [sql<SqlBool>`false`]
    return [inStream(own), ...between(since, until)]
  }
  const { shard, id } = locate('acct', scope.accountId)
  if (subject !== undefined)
    return [inStream(subject), sql<SqlBool>`event.account_id = ${id}`, ...between(since, until)]
  return [
    sql<SqlBool>`event.shard = ${shard} AND event.account_id = ${id}`,
    ...(since == null ? [] : [sql<SqlBool>`event.position >= ${firstPositionAt(shard, id, since)}`]),
    ...(until == null ? [] : [sql<SqlBool>`event.position < ${firstPositionAt(shard, id, until)}`]),
  ]
}

function inStream({ shard, id }: Place): Condition {
  return sql<SqlBool>`event.shard = ${shard} AND event.stream_id = ${id}`
}

function between(since: Instant | null | undefined, until: Instant | null | undefined): readonly Condition[] {
  return [
    ...(since == null ? [] : [sql<SqlBool>`event.occurred_at >= ${since}::timestamptz`]),
    ...(until == null ? [] : [sql<SqlBool>`event.occurred_at < ${until}::timestamptz`]),
  ]
}

/**
 * The position of an account's first event at or after an instant; one past its last event where there is none. Found by
 * halving, as positions are dense and `occurred_at` rises with them: twenty look-ups among a million events, no index on time.
 */
function firstPositionAt(shard: number, accountId: string, instant: Instant): Expression<bigint> {
  const before = sql<SqlBool>`probe.occurred_at < ${instant}::timestamptz`
  return sql<bigint>`(
    WITH RECURSIVE search (low, high) AS (
      SELECT 1::bigint, position + 1 FROM log.account WHERE shard = ${shard} AND account_id = ${accountId}
      UNION ALL
      SELECT CASE WHEN ${before} THEN middle + 1 ELSE low END, CASE WHEN ${before} THEN high ELSE middle END
        FROM search CROSS JOIN LATERAL (SELECT (low + high) / 2) AS half (middle)
        JOIN log.event AS probe
          ON probe.shard = ${shard} AND probe.account_id = ${accountId} AND probe.position = middle
       WHERE low < high)
    SELECT low FROM search WHERE low = high)`
}
