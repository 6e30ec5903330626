// What a MEMBER may do: see and manage the keys that they own where owners manage, give these no more than they may do themselves,
// and let them act as nobody else. To everybody else none of this applies.
import type { Caller } from './caller.ts'
import { effectivePermissions, type Grant } from './grant.ts'
import type { KeyspaceRules } from './keyspace/rules.ts'
import { covers, coversAll } from './permission.ts'

/** The user whose own keys are all that the caller sees and manages; null where the caller is no MEMBER. */
export function confinedTo(caller: Caller): string | null {
  return caller.kind === 'USER' && caller.role === 'MEMBER' ? caller.userId : null
}

/** Whether a key with this owner, in a keyspace with these rules, is there at all for the caller. */
export function sees(caller: Caller, ownerId: string | null, { managedBy }: Pick<KeyspaceRules, 'managedBy'>): boolean {
  const memberId = confinedTo(caller)
  return memberId === null || (managedBy === 'OWNERS' && ownerId === memberId)
}

/**
 * Whether the caller may give these to a key of an application. What only has endpoint rules opens endpoints by itself: nobody's
 * permissions tell whether that is theirs, unless they have all of them.
 */
export function mayGive(caller: Caller, grants: readonly Grant[]): boolean {
  if (caller.kind !== 'USER' || confinedTo(caller) === null) return true
  const { applicationPermissions: own } = caller
  const opensByRules = grants.some(({ permissions, endpoints }) => permissions.length === 0 && endpoints.length > 0)
  return coversAll(own, effectivePermissions(grants)) && (!opensByRules || covers(own, '*'))
}

/**
 * Whether the caller may take, renew or revive a credential of such a key: it acts as themselves, and so opens only what they may
 * anyway, or as nobody and grants no more than that.
 */
export function mayHold(caller: Caller, actsAsId: string | null, grants: readonly Grant[]): boolean {
  const memberId = confinedTo(caller)
  if (memberId === null || actsAsId === memberId) return true
  return actsAsId === null && mayGive(caller, grants)
}
