// A small world of accounts, keyspaces, keys and codes, kept in memory, and what each thing in it is at an instant. Written from
// the design and from nothing of the product, so that both can only be wrong alike by the same misunderstanding.

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
}

/** Instants are milliseconds; null is never. */
export type Code = {
  id: string
  slot: Slot
  secret: string
  description: string | null
  enabled: boolean
  expiresAt: number | null
  replacedAt: number | null
  overlapEndsAt: number | null
  deletedAt: number | null
}
export type Details = {
  name: string
  description: string | null
  tags: readonly string[]
  metadata: unknown
  permissions: readonly string[]
  expiresAt: number | null
}
export type Key = Details & {
  id: string
  accountId: string
  keyspaceId: string
  enabled: boolean
  end: 'REVOKED' | 'DELETED' | null
  /** The oldest first, never removed. */
  codes: Code[]
  version: number
}
export type Keyspace = {
  id: string
  accountId: string
  name: string
  management: boolean
  rules: Rules
  deleted: boolean
  version: number
}
/** `history`: what happened, as `<type> <id of what it happened to>`. */
export type Account = { id: string; name: string; managementKeyspaceId: string; history: string[] }

export type World = {
  /** Makes own secrets differ from those of other worlds in the same database. */
  readonly tag: string
  now: number
  readonly accounts: Map<string, Account>
  readonly keyspaces: Map<string, Keyspace>
  readonly keys: Map<string, Key>
  /** Outcomes by caller, mutation and idempotency key. */
  readonly remembered: Map<string, Remembered>
}
/** `input` as text, without the key. */
export type Remembered = { readonly input: string; readonly made: Made }

/** What the product made, whose ids and secrets nobody can predict. */
export type Made = {
  readonly ids: Readonly<Record<string, string>>
  readonly codes: readonly { readonly id: string; readonly secret: string | null }[]
  readonly eventIds: readonly string[]
}

export function newWorld(now: number): World {
  const tag = crypto.randomUUID()
  return { tag, now, accounts: new Map(), keyspaces: new Map(), keys: new Map(), remembered: new Map() }
}

export type Caller = 'ROOT' | Key

const reached = (end: number | null, now: number) => end !== null && now >= end

export function isLive(code: Code, now: number): boolean {
  return code.replacedAt === null && code.deletedAt === null && !reached(code.expiresAt, now)
}

export function overlaps(code: Code, now: number): boolean {
  return code.replacedAt !== null && code.deletedAt === null && code.overlapEndsAt !== null && now < code.overlapEndsAt
}

export function newestIn(key: Key, slot: Slot): Code | undefined {
  return key.codes.findLast((code) => code.slot === slot)
}

export function keyStatus({ end, enabled, expiresAt }: Key, now: number): string {
  if (end !== null) return end
  if (!enabled) return 'DISABLED'
  return reached(expiresAt, now) ? 'EXPIRED' : 'ACTIVE'
}

export function codeStatus(code: Code, key: Key, now: number): string {
  if (code.deletedAt !== null) return 'DELETED'
  if (key.end !== null) return 'REVOKED'
  if (code.replacedAt !== null) return 'REPLACED'
  if (!code.enabled) return 'DISABLED'
  return reached(code.expiresAt, now) ? 'EXPIRED' : 'VALID'
}

/** Each slot's newest code unless deleted, PRIMARY first, then those in overlap. */
export function shownCodes(key: Key, now: number): readonly Code[] {
  const newest = (['PRIMARY', 'SECONDARY'] as const).map((slot) => newestIn(key, slot))
  return [
    ...newest.filter((code) => code !== undefined && code.deletedAt === null),
    ...key.codes.filter((code) => overlaps(code, now)),
  ] as Code[]
}

export function activeKeys(world: World, keyspaceId: string): number {
  const isActive = ({ end, expiresAt }: Key) => end === null && !reached(expiresAt, world.now)
  return [...world.keys.values()].filter((key) => key.keyspaceId === keyspaceId && isActive(key)).length
}

/** `*` stands for everything, at the end of a name for one or more segments. */
export function grants(granted: readonly string[], asked: string): boolean {
  const covers = (grant: string) =>
    grant === '*' || grant === asked || (grant.endsWith('.*') && asked.startsWith(grant.replace(/\*$/, '')))
  return granted.some(covers)
}

export function may(caller: Caller, permission: string): boolean {
  return caller === 'ROOT' || grants(caller.permissions, permission)
}

/** Every permission asked for, joined by AND, one of several such by OR. */
export type Wish = readonly (readonly string[])[]

/** What a secret of this key opens. */
export function verdictOn(code: Code, key: Key, wish: Wish | null, now: number): string {
  if (key.end !== null || code.deletedAt !== null) return 'REVOKED'
  if (code.replacedAt !== null && !overlaps(code, now)) return 'REPLACED'
  if (!key.enabled || !code.enabled) return 'DISABLED'
  if (reached(key.expiresAt, now) || reached(code.expiresAt, now)) return 'EXPIRED'
  const granted = wish === null || wish.some((all) => all.every((permission) => grants(key.permissions, permission)))
  return granted ? 'VALID' : 'INSUFFICIENT_PERMISSIONS'
}

/** Where a secret is one of several codes' (own ones may be, in different keyspaces), all of them. */
export function codesOf(world: World, secret: string): readonly { readonly key: Key; readonly code: Code }[] {
  return [...world.keys.values()].flatMap((key) =>
    key.codes.filter((code) => code.secret === secret).map((code) => ({ key, code })),
  )
}

/** Whoever a Bearer credential proves: undefined where nobody. */
export function callerBy(world: World, credential: string | null, rootKey: string): Caller | undefined {
  if (credential === null) return undefined
  if (credential === rootKey) return 'ROOT'
  const found = codesOf(world, credential).find(({ key }) => world.keyspaces.get(key.keyspaceId)?.management)
  return found !== undefined && verdictOn(found.code, found.key, null, world.now) === 'VALID' ? found.key : undefined
}

export function sees(caller: Caller, accountId: string): boolean {
  return caller === 'ROOT' || caller.accountId === accountId
}
