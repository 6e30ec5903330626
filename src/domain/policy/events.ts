// Facts of a policy's stream. The type strings are permanent; changed data means a new schema version and an upcast.
import type { Fact } from '../event.ts'
import type { Grant } from '../grant.ts'

export type PolicyDetails = Grant & { readonly name: string; readonly description: string }

export type PolicyCreated = Fact<'policy.created', PolicyDetails>
/** Only what changed. */
export type PolicyUpdated = Fact<'policy.updated', Partial<PolicyDetails>>
export type PolicyDeleted = Fact<'policy.deleted', Record<string, never>>

export type PolicyFact = PolicyCreated | PolicyUpdated | PolicyDeleted
