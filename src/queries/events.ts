// What an event is to those who read history, and by what it can be looked for.
import type { EventTable } from '#database/tables.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Instant } from '#domain/instant.ts'
import { instantIssues, textIssues, textsIssues } from './filter-check.ts'

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

/** Throws BadQueryArgumentError. */
export function checkFilter(filter: EventFilter): void {
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
