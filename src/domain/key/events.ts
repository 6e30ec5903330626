// Facts of a key's stream, its codes' included: what was asked for and what was decided, enough to rebuild without
// reading anything else. Digests and the id of the secret they were made under, never a plaintext. The type strings are
// permanent; changed data means a new schema version and an upcast.
import type { Fact } from '../event.ts'
import type { PolicyGrant } from '../grant.ts'
import type { Instant } from '../instant.ts'

export type CodeSlot = 'PRIMARY' | 'SECONDARY'
export type RevocationReason =
  | 'UNSPECIFIED'
  | 'KEY_COMPROMISE'
  | 'SUPERSEDED'
  | 'AFFILIATION_CHANGED'
  | 'PRIVILEGE_WITHDRAWN'
  | 'CESSATION_OF_OPERATION'

/** A JSON value, as metadata holds it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** Whether the access log keeps the bodies of requests and of responses. */
export type AccessLogging = { readonly request: boolean; readonly response: boolean }

export const NOT_LOGGED: AccessLogging = { request: false, response: false }

export type KeyDetails = {
  readonly name: string
  readonly description: string | null
  readonly tags: readonly string[]
  readonly metadata: Json
  /** In the order in which they were given; each once. */
  readonly policyIds: readonly string[]
  /** Granted directly. */
  readonly permissions: readonly string[]
  /** The user whose key it is. */
  readonly ownerId: string | null
  /** The user in whose name it opens things, and no more than they may. */
  readonly actsAsId: string | null
  /** Bounds every code of the key. */
  readonly expiresAt: Instant | null
  readonly logging: AccessLogging
}

export type NewCode = {
  readonly codeId: string
  readonly slot: CodeSlot
  /** The readable head of the secret. */
  readonly hint: string
  readonly description: string | null
  readonly expiresAt: Instant | null
  /** Lower-case hex of the HMAC of the secret under the pepper of `secretId`. */
  readonly digest: string
  readonly secretId: string
}

export type KeyCreated = Fact<
  'key.created',
  KeyDetails & {
    readonly keyspaceId: string
    readonly enabled: boolean
    /** The one that its owner has without asking. */
    readonly isDefault: boolean
    /** What the policies were then, where it stays so for good; null: what they are at any time, until it is frozen. */
    readonly frozenPolicies: readonly PolicyGrant[] | null
  }
>
/** Only what changed. */
export type KeyUpdated = Fact<'key.updated', Partial<KeyDetails>>
/**
 * What its policies grant was made to stay for good, together with its permissions and whom it acts as. Where one event can't hold
 * it, more follow at once, each with the next of the policies.
 */
export type KeyFrozen = Fact<'key.frozen', { readonly frozenPolicies: readonly PolicyGrant[] }>
export type KeyEnabled = Fact<'key.enabled', Record<string, never>>
export type KeyDisabled = Fact<'key.disabled', Record<string, never>>
export type KeyRevoked = Fact<'key.revoked', { readonly reason: RevocationReason; readonly note: string | null }>
export type KeyDeleted = Fact<'key.deleted', Record<string, never>>
export type KeyRotated = Fact<
  'key.rotated',
  {
    readonly rotationId: string
    readonly retiredCodeId: string
    /** The retired code still verifies before this instant; null: it stopped at once. */
    readonly overlapEndsAt: Instant | null
    readonly replacement: NewCode
  }
>
export type CodeIssued = Fact<'code.issued', NewCode>
export type CodeUpdated = Fact<'code.updated', { readonly codeId: string; readonly description: string | null }>
export type CodeEnabled = Fact<'code.enabled', { readonly codeId: string }>
export type CodeDisabled = Fact<'code.disabled', { readonly codeId: string }>
export type CodeDeleted = Fact<'code.deleted', { readonly codeId: string }>
/** Its secret was shown again: nothing changed, but somebody knows it now. */
export type CodeRevealed = Fact<'code.revealed', { readonly codeId: string }>

export type KeyFact =
  | KeyCreated
  | KeyUpdated
  | KeyFrozen
  | KeyEnabled
  | KeyDisabled
  | KeyRevoked
  | KeyDeleted
  | KeyRotated
  | CodeIssued
  | CodeUpdated
  | CodeEnabled
  | CodeDisabled
  | CodeDeleted
  | CodeRevealed
