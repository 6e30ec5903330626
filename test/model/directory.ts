// The rules of policies, users and links.
import { type Caller, holdsAll, sees } from './callers.ts'
import {
  change,
  type Decision,
  differences,
  type Input,
  isStale,
  type Mutation,
  nothing,
  refuse,
  said,
} from './decision.ts'
import { dueWith } from './defaults.ts'
import { effective, grantsOfPolicies, limitOf, OF_ROLE } from './grants.ts'
import { endKey } from './standing.ts'
import { type Key, keyspaceOf, type Link, type Policy, type User, type World } from './world.ts'

/** Whether all of them are the account's, and there. */
export function arePolicies({ policies }: World, accountId: string, ids: readonly string[]): boolean {
  return ids.every((id) => policies.get(id)?.accountId === accountId && !policies.get(id)?.gone)
}

/** Names are unique among what is there. */
function isTaken(world: World, { accountId, name }: Input, butBy?: Policy): boolean {
  const others = [...world.policies.values()].filter((policy) => policy !== butBy && !policy.gone)
  return others.some((policy) => policy.accountId === accountId && policy.name === name)
}

export function createPolicy(world: World, caller: Caller, input: Input): Decision {
  const { accountId = '', name, description, permissions, endpoints } = input
  if (!world.accounts.has(accountId) || !sees(caller, accountId)) return refuse('NOT_FOUND')
  if (isTaken(world, input)) return refuse('NAME_IN_USE')
  const details = {
    name: name ?? '',
    description: description ?? '',
    permissions: permissions ?? [],
    endpoints: endpoints ?? [],
  }
  return {
    reasons: [],
    events: ['policy.created'],
    apply: ({ id }) => world.policies.set(id, { id, accountId, ...details, gone: false, version: 1 }),
  }
}

export function decidePolicy(world: World, caller: Caller, mutation: Mutation, input: Input): Decision {
  const policy = world.policies.get(input.policyId ?? '')
  if (policy === undefined || !sees(caller, policy.accountId)) return refuse('NOT_FOUND')
  if (isStale(input, policy)) return refuse('CONFLICT')
  const holders = [...world.keys.values()].filter(({ end, policyIds }) => end === null && policyIds.includes(policy.id))
  if (mutation === 'deletePolicy') {
    if (policy.gone) return nothing
    const linked = [...world.links.values()].some(({ gone, policyIds }) => !gone && policyIds.includes(policy.id))
    const isHeld = linked || holders.some(({ frozen }) => frozen === null)
    return change(policy, 'policy.deleted', { gone: true }, isHeld ? ['POLICY_IN_USE'] : [])
  }
  if (policy.gone) return refuse('NOT_FOUND')
  const { name, description, permissions, endpoints } = input
  const wanted = said({
    ...{ name: name ?? undefined, description: description ?? undefined },
    permissions: permissions === null ? [] : permissions,
    endpoints: endpoints === null ? [] : endpoints,
  })
  const changes = differences<Policy>(policy, wanted)
  if (Object.keys(changes).length === 0) return nothing
  // All that a credential of this API will grant by it, wherever its rules let it.
  const exceeds = (key: Key) => {
    const others = grantsOfPolicies(
      world,
      key.policyIds.filter((id) => id !== policy.id),
    )
    const all = [{ ...policy, ...changes }, { permissions: key.permissions, endpoints: [] }, ...others]
    return keyspaceOf(world, key).management && !holdsAll(caller, effective(all, limitOf(world, key)))
  }
  const grantsMore = ('permissions' in changes || 'endpoints' in changes) && holders.some(exceeds)
  return change(policy, 'policy.updated', changes, [
    ...('name' in changes && isTaken(world, { ...input, accountId: policy.accountId }, policy) ? ['NAME_IN_USE'] : []),
    ...(grantsMore ? ['GRANT_EXCEEDS_CALLER'] : []),
  ])
}

export function userNamed({ users }: World, accountId: string, externalId: string): User | undefined {
  return [...users.values()].find(
    (user) => !user.gone && user.accountId === accountId && user.externalId === externalId,
  )
}

export function addUser(world: World, caller: Caller, input: Input): Decision {
  const { accountId = '', externalId = '', displayName = null, role = 'MEMBER', permissions } = input
  if (!world.accounts.has(accountId) || !sees(caller, accountId)) return refuse('NOT_FOUND')
  const given = permissions ?? (role === 'ADMINISTRATOR' ? ['*'] : [])
  return {
    reasons: [
      ...(holdsAll(caller, OF_ROLE[role]) ? [] : ['GRANT_EXCEEDS_CALLER']),
      ...(userNamed(world, accountId, externalId) === undefined ? [] : ['NAME_IN_USE']),
    ],
    events: ['user.added'],
    defaults: dueWith(world, accountId, ''),
    apply({ id }) {
      const user = { id, accountId, externalId, displayName, role, permissions: given, gone: false, version: 1 }
      world.users.set(id, user)
    },
  }
}

export function decideUser(world: World, caller: Caller, mutation: Mutation, input: Input): Decision {
  const user = world.users.get(input.userId ?? '')
  if (user === undefined || !sees(caller, user.accountId)) return refuse('NOT_FOUND')
  if (isStale(input, user)) return refuse('CONFLICT')
  if (mutation === 'removeUser') return user.gone ? nothing : endUser(world, user, ['user.removed'], {})
  if (mutation === 'eraseUser') {
    if (user.erased) return nothing
    if (user.gone) return change(user, 'user.erased', { erased: true })
    return endUser(world, user, ['user.removed', 'user.erased'], { erased: true })
  }
  if (user.gone) return refuse('NOT_FOUND')
  const { displayName, role, permissions } = input
  const wanted = said({ displayName, role, permissions: permissions === null ? [] : permissions })
  const changes = differences<User>(user, wanted)
  if (Object.keys(changes).length === 0) return nothing
  const raises = changes.role !== undefined && !holdsAll(caller, OF_ROLE[changes.role])
  return change(user, 'user.updated', changes, raises ? ['GRANT_EXCEEDS_CALLER'] : [])
}

/** With them goes what was theirs, in the order of ids. */
function endUser(world: World, user: User, events: readonly string[], changes: Partial<User>): Decision {
  const theirs = [...world.keys.values()]
    .filter(({ end, ownerId, actsAsId }) => end === null && (ownerId === user.id || actsAsId === user.id))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  const { apply, ...removal } = change(user, 'user.removed', { ...changes, gone: true })
  return {
    ...removal,
    events: [...events, ...theirs.map(({ id }) => ({ type: 'key.revoked', subjectId: id }))],
    apply(made) {
      apply?.(made)
      user.version += events.length - 1
      for (const key of theirs) {
        endKey(key, 'REVOKED')
        key.version += 1
      }
    },
  }
}

export function linkKey(world: World, caller: Caller, input: Input): Decision {
  const { accountId = '', keyId = '', keyspaceId = null, policyIds } = input
  const ids = policyIds ?? []
  if (!world.accounts.has(accountId) || !sees(caller, accountId)) return refuse('NOT_FOUND')
  const keyspace = world.keyspaces.get(keyspaceId ?? '')
  const takesLinks = keyspace?.accountId === accountId && !keyspace.gone && !keyspace.management
  const key = world.keys.get(keyId)
  const isLinkable = key !== undefined && key.end === null && !keyspaceOf(world, key).management
  if ((keyspaceId !== null && !takesLinks) || !arePolicies(world, accountId, ids) || !isLinkable)
    return refuse('NOT_FOUND')
  return {
    reasons: [
      ...(ids.length === 0 ? ['POLICY_REQUIRED'] : []),
      ...(key.accountId === accountId ? ['LINK_TO_OWN_KEY'] : []),
      ...(linkOf(world, accountId, keyId) === undefined ? [] : ['ALREADY_LINKED']),
    ],
    events: ['key.linked'],
    apply: ({ id }) =>
      world.links.set(id, { id, accountId, keyId, keyspaceId, policyIds: ids, gone: false, version: 1 }),
  }
}

/** The account's link of the key. */
export function linkOf({ links }: World, accountId: string, keyId: string): Link | undefined {
  return [...links.values()].find((link) => !link.gone && link.accountId === accountId && link.keyId === keyId)
}

export function decideLink(world: World, caller: Caller, mutation: Mutation, input: Input): Decision {
  const link = world.links.get(input.linkId ?? '')
  if (link === undefined || !sees(caller, link.accountId)) return refuse('NOT_FOUND')
  if (isStale(input, link)) return refuse('CONFLICT')
  if (mutation === 'unlinkKey') return link.gone ? nothing : change(link, 'key.unlinked', { gone: true })
  const policyIds = input.policyIds ?? []
  if (link.gone || !arePolicies(world, link.accountId, policyIds)) return refuse('NOT_FOUND')
  if (policyIds.length === 0) return refuse('POLICY_REQUIRED')
  const changes = differences<Link>(link, { policyIds })
  return Object.keys(changes).length === 0 ? nothing : change(link, 'link.updated', changes)
}
