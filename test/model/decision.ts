// What can be commanded in the model, and how a decision about it is written down.
import type { Made, Rules, Slot } from './world.ts'

export type NewCode = {
  slot?: Slot | null
  expiresAt?: string | null
  secret?: string | null
  description?: string | null
}
export type Input = NewCode & {
  accountId?: string
  keyspaceId?: string
  keyId?: string
  codeId?: string
  name?: string | null
  tags?: readonly string[] | null
  metadata?: unknown
  permissions?: readonly string[] | null
  enabled?: boolean
  codes?: readonly NewCode[] | null
  rules?: { [Rule in keyof Rules]?: Rules[Rule] | null } | null
  overlapSeconds?: number
  note?: string | null
  expectedVersion?: number
  idempotencyKey?: string
}

/** A code that is to be made. */
export type Planned = { readonly slot: Slot; readonly expiresAt: number | null }

export type Decision = {
  /** Codes of refusals that all apply; none: it is done. */
  readonly reasons: readonly string[]
  readonly events?: readonly string[]
  /** Where it happens; undefined for what is new. */
  readonly subjectId?: string
  readonly codes?: readonly Planned[]
  apply?(made: Made): void
}
/** Every mutation, with what its caller must hold. */
export const PERMISSIONS = {
  createAccount: 'root',
  updateAccount: 'accounts.write',
  createKeyspace: 'keyspaces.write',
  updateKeyspace: 'keyspaces.write',
  deleteKeyspace: 'keyspaces.write',
  createKey: 'keys.write',
  updateKey: 'keys.write',
  enableKey: 'keys.write',
  disableKey: 'keys.write',
  revokeKey: 'keys.write',
  deleteKey: 'keys.write',
  issueCode: 'keys.write',
  updateCode: 'keys.write',
  enableCode: 'keys.write',
  disableCode: 'keys.write',
  deleteCode: 'keys.write',
  rotateKey: 'keys.write',
} as const
export type Mutation = keyof typeof PERMISSIONS
export const MUTATIONS = Object.keys(PERMISSIONS) as Mutation[]

export const refuse = (...reasons: readonly string[]): Decision => ({ reasons })
export const nothing: Decision = { reasons: [], events: [] }

export function isStale({ expectedVersion }: Input, { version }: { version: number }): boolean {
  return expectedVersion !== undefined && expectedVersion !== version
}
