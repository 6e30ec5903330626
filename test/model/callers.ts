// Who calls, what they may do, what is there for them, and what they may give.
import { common, covers, effective, grantsOf, grantsOfPolicies, limitOf, OF_ROLE, verdictOn } from './grants.ts'
import {
  codesOf,
  type Details,
  type Grant,
  type Key,
  type Keyspace,
  keyspaceOf,
  type User,
  type World,
} from './world.ts'

export type Caller = {
  /** ROOT, or a key's or user's. */
  readonly id: string
  /** All they can see; null: everything. */
  readonly accountId: string | null
  readonly permissions: readonly string[]
  readonly user: User | null
}

const ROOT: Caller = { id: 'ROOT', accountId: null, permissions: ['*'], user: null }

/** Whoever a Bearer credential proves: undefined where nobody. */
export function callerBy(world: World, credential: string | null, rootKey: string): Caller | undefined {
  if (credential === null) return undefined
  if (credential === rootKey) return ROOT
  const found = codesOf(world, credential).find(({ key }) => keyspaceOf(world, key).management)
  if (found === undefined) return undefined
  const { key, code } = found
  if (verdictOn(world, code, key, { wish: null, endpoint: null }, null) !== 'VALID') return undefined
  const granted = effective(grantsOf(world, key), null)
  const user = world.users.get(key.actsAsId ?? '')
  if (user === undefined) return { id: key.id, accountId: key.accountId, permissions: granted, user: null }
  // What both may.
  return { id: user.id, accountId: key.accountId, permissions: common(OF_ROLE[user.role], granted), user }
}

export function may(caller: Caller, permission: string): boolean {
  return covers(caller.permissions, permission)
}

export function holdsAll(caller: Caller, permissions: readonly string[]): boolean {
  return permissions.every((permission) => may(caller, permission))
}

export function sees(caller: Caller, accountId: string): boolean {
  return caller.accountId === null || caller.accountId === accountId
}

/** To a MEMBER only their own are there. */
export function memberIn({ user }: Caller): User | null {
  return user?.role === 'MEMBER' ? user : null
}

export function seesKey(world: World, caller: Caller, key: Key): boolean {
  const member = memberIn(caller)
  const isTheirs = member === null || (key.ownerId === member.id && keyspaceOf(world, key).rules.managedBy === 'OWNERS')
  return sees(caller, key.accountId) && isTheirs
}

/** Whether a MEMBER may do themselves what these open; rules that open by themselves are nobody's but who may do all. */
function mayGive(member: User, grants: readonly Grant[]): boolean {
  const byRules = grants.some(({ permissions, endpoints }) => permissions.length === 0 && endpoints.length > 0)
  const all = effective(grants, null).every((permission) => covers(member.permissions, permission))
  return all && (!byRules || covers(member.permissions, '*'))
}

/** Nobody mints more than they hold: whether `after` is more than the caller may give a key, whose details are `before`. */
export function exceeds(
  world: World,
  caller: Caller,
  { management }: Keyspace,
  after: Key,
  before: Pick<Details, 'permissions' | 'policyIds'> | null,
): boolean {
  const all = grantsOf(world, after)
  if (management) return !holdsAll(caller, effective(all, limitOf(world, after)))
  const member = memberIn(caller)
  if (member === null) return false
  const permissions = after.permissions.filter((one) => !covers(before?.permissions ?? [], one))
  const policyIds = after.policyIds.filter((id) => !before?.policyIds.includes(id))
  const added = [{ permissions, endpoints: [] }, ...grantsOfPolicies(world, policyIds)]
  const mayHold = after.actsAsId === member.id || (after.actsAsId === null && mayGive(member, all))
  return !mayGive(member, added) || (before !== null && !mayHold)
}
