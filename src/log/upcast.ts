// Stored events never change. What older versions of the software wrote is brought to today's shape when it is read, one
// version at a time.
import { invariant } from '#domain/invariant.ts'
import type { AnyFact } from '#domain/streams.ts'

type Upcast = (data: unknown) => unknown

type EventSchema = {
  /** The version that is written today. */
  readonly version: number
  /** `upcasts[n]` turns data of version n + 1 into version n + 2. */
  readonly upcasts: readonly Upcast[]
}

const first: EventSchema = { version: 1, upcasts: [] }

/** Every type of event there is; a golden sample of each version lies in schema/events. */
export const eventSchemas: { readonly [Type in AnyFact['type']]: EventSchema } = {
  'account.created': first,
  'account.updated': first,
  'keyspace.created': first,
  'keyspace.updated': first,
  'keyspace.deleted': first,
  'policy.created': first,
  'policy.updated': first,
  'policy.deleted': first,
  'key.created': first,
  'key.updated': first,
  'key.frozen': first,
  'key.enabled': first,
  'key.disabled': first,
  'key.revoked': first,
  'key.deleted': first,
  'key.rotated': first,
  'code.issued': first,
  'code.updated': first,
  'code.enabled': first,
  'code.disabled': first,
  'code.deleted': first,
  'code.revealed': first,
  'key.linked': first,
  'link.updated': first,
  'key.unlinked': first,
  'user.added': first,
  'user.updated': first,
  'user.removed': first,
  'user.erased': first,
}

/** Throws for a type or version that this software does not know: written by a newer one, or not by us. */
export function upcast(type: string, schemaVersion: number, data: unknown): AnyFact {
  invariant(Object.hasOwn(eventSchemas, type), `the event type ${type} is known`)
  const schema = eventSchemas[type as AnyFact['type']]
  invariant(schemaVersion >= 1 && schemaVersion <= schema.version, `${type} has no version ${schemaVersion}`)
  return { type, data: schema.upcasts.slice(schemaVersion - 1).reduce((older, step) => step(older), data) } as AnyFact
}
