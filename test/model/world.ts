// A small world of accounts and all that is in them, kept in memory. Written from the design and from nothing of the product, so that
// both can only be wrong alike by the same misunderstanding.

export type Slot = 'PRIMARY' | 'SECONDARY'
export type Rules = {
  prefix: string
  activeKeysMax: number | null
  liveCodesMax: number
  codesAtCreation: number
  codeLifetimeDays: number | null
  codeLifetimeDaysMax: number | null
  expiryRequired: boolean
  customSecrets: boolean
  codeDeletion: 'ALWAYS' | 'WHEN_DISABLED'
  secretDisplay: 'ONCE' | 'REVEALABLE'
  authorizations: 'EDITABLE' | 'FROZEN'
  policyRequired: boolean
  managedBy: 'ADMINISTRATORS' | 'OWNERS'
  defaultKeys: boolean
}
export const DEFAULT_RULES: Rules = {
  prefix: 'key',
  activeKeysMax: null,
  liveCodesMax: 2,
  codesAtCreation: 1,
  codeLifetimeDays: null,
  codeLifetimeDaysMax: null,
  expiryRequired: false,
  customSecrets: false,
  codeDeletion: 'ALWAYS',
  secretDisplay: 'ONCE',
  authorizations: 'EDITABLE',
  policyRequired: false,
  managedBy: 'ADMINISTRATORS',
  defaultKeys: false,
}

/** Instants are milliseconds; null is never. */
export type Code = {
  id: string
  slot: Slot
  /** Empty where nobody has been told. */
  secret: string
  /** To be shown again. */
  kept: boolean
  description: string | null
  enabled: boolean
  expiresAt: number | null
  replacedAt: number | null
  overlapEndsAt: number | null
  deletedAt: number | null
}
export type EndpointRule = { readonly methods: readonly string[]; readonly path: string }
export type Grant = { readonly permissions: readonly string[]; readonly endpoints: readonly EndpointRule[] }
export type Details = {
  name: string
  description: string | null
  tags: readonly string[]
  metadata: unknown
  permissions: readonly string[]
  policyIds: readonly string[]
  ownerId: string | null
  actsAsId: string | null
  expiresAt: number | null
}
export type Key = Details & {
  id: string
  accountId: string
  keyspaceId: string
  /** What its policies granted when it was created or its keyspace frozen, where that is for good. */
  frozen: readonly Grant[] | null
  /** Made as its owner's default key, and neither ended nor given away since. */
  isDefault: boolean
  enabled: boolean
  end: 'REVOKED' | 'DELETED' | null
  /** The oldest first, never removed. */
  codes: Code[]
  version: number
}
/** `gone`: deleted, removed or unlinked. */
type Thing = { id: string; accountId: string; gone: boolean; version: number }
export type Keyspace = Thing & { name: string; management: boolean; rules: Rules }
export type Policy = Thing & Grant & { name: string; description: string }
export type Role = 'ADMINISTRATOR' | 'AUDITOR' | 'VERIFIER' | 'MEMBER'
export type User = Thing & {
  /** Nothing tells any more who they were. */
  erased?: boolean
  externalId: string
  displayName: string | null
  role: Role
  /** In the application. */
  permissions: readonly string[]
}
export type Link = Thing & { keyId: string; keyspaceId: string | null; policyIds: readonly string[] }
/** `history`: what happened, as `<type> <id of what it happened to>`. */
export type Account = { id: string; name: string; managementKeyspaceId: string; history: string[] }

export type World = {
  /** Makes own secrets differ from those of other worlds in the same database. */
  readonly tag: string
  now: number
  readonly accounts: Map<string, Account>
  readonly keyspaces: Map<string, Keyspace>
  readonly keys: Map<string, Key>
  readonly policies: Map<string, Policy>
  readonly users: Map<string, User>
  readonly links: Map<string, Link>
  /** Outcomes by caller, mutation and idempotency key. */
  readonly remembered: Map<string, Remembered>
}
/** `input` as text, without the key. */
export type Remembered = { readonly input: string; readonly made: Made }

/** What the product made, whose ids and secrets nobody can predict. */
export type Made = {
  /** Of what the mutation is about; of a new account its management keyspace's too. */
  readonly id: string
  readonly managementKeyspaceId: string
  readonly codes: readonly { readonly id: string; readonly secret: string | null }[]
  readonly eventIds: readonly string[]
}

export function newWorld(now: number): World {
  const [accounts, keyspaces, keys, policies] = [new Map(), new Map(), new Map(), new Map()]
  const [users, links, remembered] = [new Map(), new Map(), new Map()]
  return { tag: crypto.randomUUID(), now, accounts, keyspaces, keys, policies, users, links, remembered }
}

/** The account that a thing belongs to, or that has this id itself. */
export function accountOf({ accounts, ...world }: World, id: string): Account | undefined {
  const things = [world.keyspaces, world.keys, world.policies, world.users, world.links]
  return accounts.get(things.map((map) => map.get(id)?.accountId).find((found) => found !== undefined) ?? id)
}

export function keyspaceOf({ keyspaces }: World, { keyspaceId }: Key): Keyspace {
  return keyspaces.get(keyspaceId) as Keyspace
}

/** Where a secret is one of several codes' (own ones may be, in different keyspaces), all of them. */
export function codesOf(world: World, secret: string): readonly { readonly key: Key; readonly code: Code }[] {
  return [...world.keys.values()].flatMap((key) =>
    key.codes.filter((code) => code.secret === secret).map((code) => ({ key, code })),
  )
}
