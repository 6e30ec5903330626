// Finds the events of a filter, each kind of filter in the index that has them in the order of the list, and pages through them:
// oldest first with `first`, newest first with `last`. Events never change and come in dense positions, so that pages stay as
// they were while more are appended. What a page costs is bounded by its own length, times the types and the kinds of actors where
// several are asked for, however many events there are and however few are let through. Three bounds are wider: what else is asked of
// the events of a subject or of a request, or beside types of those of a credential, walks through all of that.
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { ACTOR_KINDS, type ActorKind } from '#domain/actor.ts'
import type { Instant } from '#domain/instant.ts'
import { checkFilter, EVENT_COLUMNS, type EventFilter, type EventRow, type EventScope } from './events.ts'
import { along, beyond, goesUp, type Keyset } from './keyset.ts'
import { COUNT_MAX, type Page, type PageRequest, pageOf, type Walk } from './page.ts'
import { countOf, type Reader, runNamed, runPlanned } from './reader.ts'
import { locate, locateAny, type Place } from './shard.ts'

export type EventSearch = {
  /** What the number in a cursor is. */
  readonly place: 'position' | 'version'
  read(walk: Walk): Promise<readonly EventRow[]>
  /** All, or any number above COUNT_MAX. */
  count(): Promise<number>
}

/** A subject outside the scope has no events. Throws BadQueryArgumentError. */
export async function listEvents(
  reader: Reader,
  scope: EventScope,
  filter: EventFilter | null | undefined,
  page: PageRequest,
): Promise<Page<EventRow>> {
  const { place, read, count } = searchEvents(reader, scope, filter)
  return pageOf<EventRow>(
    {
      identity: ['events', 'subjectId' in scope ? scope.subjectId : scope.accountId, place],
      fields: ['number'],
      cursorOf: (row) => [String(row[place])],
      lastComesFirst: true,
      read,
      count,
    },
    page,
  )
}

/** Throws BadQueryArgumentError. */
export function searchEvents(reader: Reader, scope: EventScope, filter: EventFilter | null | undefined): EventSearch {
  const wanted = filter ?? {}
  checkFilter(wanted)
  const run = Object.values(wanted).some((value) => value != null) ? runPlanned : runNamed
  const isOfAccount = 'accountId' in scope
  const ofManySubjects = isOfAccount && wanted.subjectId == null
  const ofActors = wanted.actorKinds?.length || wanted.actorId != null || wanted.credentialId != null
  if (ofManySubjects && wanted.correlationId == null && (wanted.types?.length || ofActors))
    return searchByType(reader, locate('acct', scope.accountId), wanted)
  const conditions = ofManySubjects ? inAccount(locate('acct', scope.accountId), wanted) : inSubject(scope, wanted)
  const events = [...conditions, ...rest(wanted)].reduce(
    (query, condition) => query.where(condition),
    reader.database.kysely.selectFrom('log.event as event'),
  )
  const place = isOfAccount ? 'position' : 'version'
  // Within a stream, versions rise as positions do, and there is an index that begins with the stream.
  const order = ofManySubjects ? 'position' : 'version'
  return {
    place,
    read(walk) {
      const placed = walk.from === null ? events : events.where(beyond(oldestFirst(place), walk, walk.from))
      const rows = placed.select(EVENT_COLUMNS.map((column) => `event.${column}` as const))
      return run(reader, along(rows, oldestFirst(order), { ...walk, from: null }))
    },
    count: () => countOf(reader, run, [events]),
  }
}

function oldestFirst(column: 'position' | 'version'): Keyset {
  return { columns: [{ name: `event.${column}`, type: 'bigint' }], descending: false }
}

type Condition = Expression<SqlBool>

function rest({ types, correlationId, ...filter }: EventFilter): readonly Condition[] {
  return [
    ...(types?.length ? [sql<SqlBool>`event.type = ANY (${types}::text[])`] : []),
    ...byWhom(filter),
    ...(correlationId == null ? [] : [sql<SqlBool>`event.correlation_id = ${correlationId}`]),
  ]
}

function byWhom({ actorId, actorKinds, credentialId }: EventFilter): readonly Condition[] {
  return [
    ...(actorId == null ? [] : [sql<SqlBool>`event.actor_id = ${actorId}`]),
    ...(actorKinds?.length ? [sql<SqlBool>`event.actor_kind = ANY (${actorKinds}::text[])`] : []),
    ...(credentialId == null ? [] : [sql<SqlBool>`event.credential_code_id = ${credentialId}`]),
  ]
}

function inAccount({ shard, id }: Place, { since, until }: EventFilter): readonly Condition[] {
  const first = (instant: Instant) => firstAt('position', { shard, id }, instant)
  return [
    sql<SqlBool>`event.shard = ${shard} AND event.account_id = ${id}`,
    ...(since == null ? [] : [sql<SqlBool>`event.position >= ${first(since)}`]),
    ...(until == null ? [] : [sql<SqlBool>`event.position < ${first(until)}`]),
  ]
}

function inSubject(scope: EventScope, { subjectId, since, until }: EventFilter): readonly Condition[] {
  const own = 'subjectId' in scope ? locateAny(scope.subjectId) : undefined
  const asked = subjectId == null ? undefined : locateAny(subjectId)
  const subject = own ?? asked
  if (subject === undefined || (own !== undefined && asked !== undefined && asked.id !== own.id))
    return [sql<SqlBool>`false`]
  const first = (instant: Instant) => firstAt('version', subject, instant)
  return [
    sql<SqlBool>`event.shard = ${subject.shard} AND event.stream_id = ${subject.id}`,
    ...('accountId' in scope ? [sql<SqlBool>`event.account_id = ${locate('acct', scope.accountId).id}`] : []),
    ...(since == null ? [] : [sql<SqlBool>`event.version >= ${first(since)}`]),
    ...(until == null ? [] : [sql<SqlBool>`event.version < ${first(until)}`]),
  ]
}

/** Which stretches of an index there are to look in, and what all events of all of them must be. */
type Stretches = {
  /** A CTE `kinds`. */
  readonly kinds: RawBuilder<unknown>
  /** Whether an event is of one of them. */
  readonly isOne: RawBuilder<SqlBool>
  readonly all: readonly Condition[]
}

function stretchesOf(account: Place, filter: EventFilter): Stretches {
  const { types, actorId, actorKinds, credentialId } = filter
  const typed = types?.length ? sql`SELECT unnest(${[...new Set(types)]}::text[])` : undefined
  if (credentialId != null) {
    const isCredential = sql<SqlBool>`credential_code_id = ${credentialId}`
    const kinds = sql`kinds (type) AS (${typed ?? typesOf(account, isCredential, 'kinds')})`
    return { kinds, isOne: sql`event.type = kinds.type`, all: byWhom(filter) }
  }
  if (actorId != null) {
    const isActor = sql<SqlBool>`actor_id = ${actorId}`
    // Whose events are all of one kind: asked for another, they would all be walked through to find none.
    const contradicts = actorKinds?.length && !actorKinds.includes(kindOfActor(actorId))
    const all = [isActor, ...(contradicts ? [sql<SqlBool>`false`] : [])]
    const kinds = sql`kinds (type) AS (${typed ?? typesOf(account, isActor, 'kinds')})`
    return { kinds, isOne: sql`event.type = kinds.type`, all }
  }
  const asked = actorKinds?.length ? [...new Set(actorKinds)] : ACTOR_KINDS
  return {
    kinds: sql`types (type) AS (${typed ?? typesOf(account, sql<SqlBool>`true`, 'types')}),
      kinds (type, actor_kind) AS (SELECT * FROM types CROSS JOIN unnest(${asked}::text[]) AS asked)`,
    isOne: sql`event.type = kinds.type AND event.actor_kind = kinds.actor_kind`,
    all: [],
  }
}

function kindOfActor(actorId: string): ActorKind {
  return actorId.startsWith('usr_') ? 'USER' : 'KEY'
}

/**
 * Each type by itself, of each kind of actor, in the order of positions, and of these stretches the beginning: an index has one order
 * for one of them only. Positions alone first, for which the table need not be looked at.
 */
function searchByType(reader: Reader, account: Place, filter: EventFilter): EventSearch {
  const { shard, id } = account
  const { kinds, isOne, all } = stretchesOf(account, filter)
  const wanted = sql.join([...inAccount(account, filter), ...all], sql` AND `)
  const stretches = (further: RawBuilder<unknown>) => sql`
    SELECT stretch.position FROM kinds CROSS JOIN LATERAL (
      SELECT event.position FROM log.event AS event WHERE ${wanted} AND ${isOne} ${further}) AS stretch`
  const send = <Row>(query: RawBuilder<Row>) => runPlanned(reader, query.compile(reader.database.kysely))
  return {
    place: 'position',
    read(walk) {
      const keyset = oldestFirst('position')
      const beyondCursor = walk.from === null ? sql`` : sql`AND ${beyond(keyset, walk, walk.from)}`
      const [direction, limit] = [goesUp(keyset, walk) ? sql`ASC` : sql`DESC`, sql.lit(walk.limit)]
      const columns = sql.join(EVENT_COLUMNS.map((column) => sql.ref(`event.${column}`)))
      return send(sql<EventRow>`
        WITH RECURSIVE ${kinds} SELECT ${columns} FROM (
          ${stretches(sql`${beyondCursor} ORDER BY event.position ${direction} LIMIT ${limit}`)}
           ORDER BY stretch.position ${direction} LIMIT ${limit}) AS found
          JOIN log.event AS event
            ON event.shard = ${shard} AND event.account_id = ${id} AND event.position = found.position
         ORDER BY found.position ${direction}`)
    },
    async count() {
      // Of each stretch, too: a planner that may join would rather read the whole account.
      const limit = sql`LIMIT ${sql.lit(COUNT_MAX + 1)}`
      const [counted] = await send(sql<{ count: number }>`
        WITH RECURSIVE ${kinds} SELECT count(*)::integer AS count
          FROM (${stretches(limit)} ${limit}) AS found`)
      return counted?.count ?? 0
    },
  }
}

/** Of which types those of an account's events are that are `some`: by hopping from one to the next in an index; the last is null. */
function typesOf({ shard, id }: Place, some: Condition, cte: string): RawBuilder<unknown> {
  const next = sql`SELECT type FROM log.event WHERE shard = ${shard} AND account_id = ${id} AND ${some}`
  const last = sql.ref(`${cte}.type`)
  return sql`
    (${next} ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (${next} AND type > ${last} ORDER BY type LIMIT 1) FROM ${sql.table(cte)} WHERE ${last} IS NOT NULL`
}

const NUMBERED = {
  position: { last: 'log.account', of: 'account_id' },
  version: { last: 'log.stream', of: 'stream_id' },
} as const

/**
 * The number of the first event at or after an instant, of an account by position, of a stream by version; one past the last where
 * there is none. Found by halving, as the numbers are dense and `occurred_at` rises with them: twenty look-ups among a million
 * events, no index on time.
 */
export function firstAt(number: keyof typeof NUMBERED, { shard, id }: Place, instant: Instant): RawBuilder<bigint> {
  const { last, of } = NUMBERED[number]
  const before = sql<SqlBool>`probe.occurred_at < ${instant}::timestamptz`
  return sql<bigint>`(
    WITH RECURSIVE search (low, high) AS (
      SELECT 1::bigint, ${sql.ref(number)}::bigint + 1 FROM ${sql.table(last)} WHERE shard = ${shard} AND ${sql.ref(of)} = ${id}
      UNION ALL
      SELECT CASE WHEN ${before} THEN middle + 1 ELSE low END, CASE WHEN ${before} THEN high ELSE middle END
        FROM search CROSS JOIN LATERAL (SELECT (low + high) / 2) AS half (middle)
        JOIN log.event AS probe
          ON probe.shard = ${shard} AND probe.${sql.ref(of)} = ${id} AND probe.${sql.ref(number)} = middle
       WHERE low < high)
    SELECT low FROM search WHERE low = high)`
}
