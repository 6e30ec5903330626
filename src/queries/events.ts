// What an event is to those who read history, and by what it can be looked for.
import type { EventTable } from '#database/tables.ts'
import type { ActorKind } from '#domain/actor.ts'
import { type ArgumentIssue, BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { type IdKind, kindOf } from '#domain/ids.ts'
import type { Instant } from '#domain/instant.ts'
import { eventSchemas } from '#log/upcast.ts'
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
  readonly actorKinds?: readonly ActorKind[] | null | undefined
  /** A code of a management key, by which it was done. */
  readonly credentialId?: string | null | undefined
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
  'credential_key_id',
  'credential_code_id',
  'correlation_id',
  'decided_at',
  'occurred_at',
  'data',
] as const satisfies readonly (keyof EventRow)[]

/** Throws BadQueryArgumentError. */
export function checkFilter(filter: EventFilter): void {
  const issues = [
    ...typesIssues(filter.types, ['filter']),
    ...subjectIssues(filter.subjectId),
    ...kindIssues('actorId', filter.actorId, ['key', 'usr'], 'a key or a user'),
    ...kindIssues('credentialId', filter.credentialId, ['code'], 'a code'),
    ...textIssues('correlationId', filter.correlationId),
    ...instantIssues('since', filter.since),
    ...instantIssues('until', filter.until),
    ...orderIssues(filter),
  ]
  if (issues.length > 0) throw new BadQueryArgumentError(issues)
}

/** Of an argument `types` that stands by itself. Throws BadQueryArgumentError. */
export function checkTypes(types: readonly string[] | null): void {
  const issues = typesIssues(types, [])
  if (issues.length > 0) throw new BadQueryArgumentError(issues)
}

/** A mistyped type would look like one of which nothing happened. */
function typesIssues(types: EventFilter['types'], within: readonly string[]): readonly ArgumentIssue[] {
  const issues = textsIssues('types', types, TYPES_MAX, within)
  if (issues.length > 0) return issues
  const fault = (index: number) => ({ path: [...within, 'types', String(index)], message: 'is no type of event' })
  return (types ?? []).flatMap((type, index) => (Object.hasOwn(eventSchemas, type) ? [] : [fault(index)]))
}

/** What happens to these happens to something else, under whose id it is to be looked for. */
const PARTS: Partial<Record<IdKind, string>> = {
  code: "a code's: what happens to a code happens to its key",
  rot: "a rotation's: rotations happen to keys",
  evt: "an event's",
}

function subjectIssues(subjectId: EventFilter['subjectId']): readonly ArgumentIssue[] {
  const kind = subjectId == null ? undefined : kindOf(subjectId)
  const part = kind === undefined ? undefined : PARTS[kind]
  if (part === undefined) return []
  const message = `must be the id of an account, keyspace, key, link, policy or user; this one is ${part}`
  return [{ path: ['filter', 'subjectId'], message }]
}

/** That of something else would find nothing, which would look as if nothing had been done. */
function kindIssues(
  name: string,
  id: string | null | undefined,
  kinds: readonly IdKind[],
  told: string,
): readonly ArgumentIssue[] {
  const issues = textIssues(name, id)
  const kind = id == null ? undefined : kindOf(id)
  if (issues.length > 0 || kind === undefined || kinds.includes(kind)) return issues
  return [{ path: ['filter', name], message: `must be the id of ${told}` }]
}

function orderIssues({ since, until }: EventFilter): readonly ArgumentIssue[] {
  const isLater = since != null && until != null && since > until
  return isLater ? [{ path: ['filter', 'since'], message: 'must not be after until' }] : []
}
