// Facts of a link's stream. The type strings are permanent; changed data means a new schema version and an upcast.
import type { Fact } from '../event.ts'

/** What lets a key in. The key is another account's: nothing of it is kept here but its id. */
export type LinkDetails = {
  readonly keyId: string
  /** The one keyspace that it is let into; null for all of the account. */
  readonly keyspaceId: string | null
  readonly policyIds: readonly string[]
}

export type KeyLinked = Fact<'key.linked', LinkDetails>
export type LinkUpdated = Fact<'link.updated', { readonly policyIds: readonly string[] }>
export type KeyUnlinked = Fact<'key.unlinked', Record<string, never>>

export type LinkFact = KeyLinked | LinkUpdated | KeyUnlinked
