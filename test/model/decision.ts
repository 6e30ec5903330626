// What can be commanded in the model, and how a decision about it is written down.
import type { EndpointRule, Key, Keyspace, Made, Role, Rules, Slot } from './world.ts'

export type NewCode = {
  slot?: Slot | null
  expiresAt?: string | null
  secret?: string | null
  description?: string | null
}
export type Input = NewCode & {
  accountId?: string
  keyspaceId?: string | null
  keyId?: string
  codeId?: string
  policyId?: string
  userId?: string
  linkId?: string
  name?: string | null
  tags?: readonly string[] | null
  metadata?: unknown
  permissions?: readonly string[] | null
  policyIds?: readonly string[] | null
  endpoints?: readonly EndpointRule[] | null
  ownerId?: string | null
  /** An external id. */
  actsAs?: string | null
  externalId?: string
  displayName?: string | null
  role?: Role
  enabled?: boolean
  codes?: readonly NewCode[] | null
  rules?: { [Rule in keyof Rules]?: Rules[Rule] | null } | null
  overlapSeconds?: number
  note?: string | null
  expectedVersion?: number
  idempotencyKey?: string
}

/** A code that is to be made. */
export type Planned = { readonly slot: Slot; readonly expiresAt: number | null; readonly kept: boolean }

/** A default key that is to be made. */
export type Due = { readonly keyspace: Keyspace; readonly userId: string }

/** Of the decision's subject, or of another thing. */
export type Happening = string | { readonly type: string; readonly subjectId: string }

export type Decision = {
  /** Codes of refusals that all apply; none: it is done. */
  readonly reasons: readonly string[]
  readonly events?: readonly Happening[]
  /** Where it happens; undefined for what is new. */
  readonly subjectId?: string
  readonly codes?: readonly Planned[]
  /** A secret that is shown again. */
  readonly reveals?: string
  /** Default keys that are made with it, after all else. */
  readonly defaults?: readonly Due[]
  /** Keys that are frozen once it is done, as they are then. */
  freezes?(): readonly Key[]
  /** And default keys that are made then, nobody says in which order. */
  fills?(): readonly Due[]
  apply?(made: Made): void
}
/** Every mutation, with what its caller must hold. */
export const PERMISSIONS = {
  createAccount: 'root',
  updateAccount: 'accounts.write',
  createKeyspace: 'keyspaces.write',
  updateKeyspace: 'keyspaces.write',
  deleteKeyspace: 'keyspaces.write',
  createPolicy: 'policies.write',
  updatePolicy: 'policies.write',
  deletePolicy: 'policies.write',
  addUser: 'users.write',
  updateUser: 'users.write',
  removeUser: 'users.write',
  eraseUser: 'users.write',
  linkKey: 'links.write',
  updateLink: 'links.write',
  unlinkKey: 'links.write',
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
  revealCode: 'secrets.reveal',
} as const
export type Mutation = keyof typeof PERMISSIONS
export const MUTATIONS = Object.keys(PERMISSIONS) as Mutation[]

export const refuse = (...reasons: readonly string[]): Decision => ({ reasons })
export const nothing: Decision = { reasons: [], events: [] }

export function isStale({ expectedVersion }: Input, { version }: { version: number }): boolean {
  return expectedVersion !== undefined && expectedVersion !== version
}

/** Changes a thing by one event, which raises its version. */
export function change<Thing extends { id: string; version: number }>(
  thing: Thing,
  event: string,
  changes: Partial<Thing>,
  reasons: readonly string[] = [],
): Decision {
  const apply = () => Object.assign(thing, changes, { version: thing.version + 1 })
  return { reasons, events: [event], subjectId: thing.id, apply }
}

/** Of what is asked for, what is not so already; lists alike in another order differ. */
export function differences<Thing extends object>(thing: Thing, wanted: Partial<Thing>): Partial<Thing> {
  const names = Object.keys(wanted) as (keyof Thing)[]
  const changed = names.filter((name) => JSON.stringify(wanted[name]) !== JSON.stringify(thing[name]))
  return Object.fromEntries(changed.map((name) => [name, wanted[name]])) as Partial<Thing>
}

/** Of an input: what it says at all. */
export function said<Value extends object>(value: Value): { [Name in keyof Value]?: Exclude<Value[Name], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as never
}
