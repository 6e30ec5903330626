// The rule that every user has one default key in a keyspace.
import { codeOf, planAll } from './codes.ts'
import type { Due, Planned } from './decision.ts'
import { type Key, type Keyspace, keyspaceOf, type Made, type World } from './world.ts'

export function isDefaultKey(world: World, key: Key): boolean {
  return key.isDefault && keyspaceOf(world, key).rules.defaultKeys
}

/** In the place of one that is ended; none where it was none. */
export function replacementOf(world: World, key: Key): readonly Due[] {
  if (key.end !== null || key.ownerId === null || !isDefaultKey(world, key)) return []
  return [{ keyspace: keyspaceOf(world, key), userId: key.ownerId }]
}

/** With a user who is added, in the order of the keyspaces' ids. */
export function dueWith(world: World, accountId: string, userId: string): readonly Due[] {
  return [...world.keyspaces.values()]
    .filter((keyspace) => keyspace.accountId === accountId && !keyspace.gone && keyspace.rules.defaultKeys)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((keyspace) => ({ keyspace, userId }))
}

/** Where the rule is switched on: for all who have none. */
export function dueIn(world: World, keyspace: Keyspace): readonly Due[] {
  if (!keyspace.rules.defaultKeys) return []
  const served = [...world.keys.values()]
    .filter(({ keyspaceId, isDefault }) => keyspaceId === keyspace.id && isDefault)
    .map(({ ownerId }) => ownerId)
  return [...world.users.values()]
    .filter(({ id, accountId, gone }) => accountId === keyspace.accountId && !gone && !served.includes(id))
    .map(({ id }) => ({ keyspace, userId: id }))
}

/** As its user, and with everything: it opens what they may. */
function defaultKey({ keyspace, userId }: Due): Key {
  return {
    ...{ id: '', accountId: keyspace.accountId, keyspaceId: keyspace.id, name: 'Default key', description: null },
    ...{ tags: [], metadata: {}, permissions: ['*'], policyIds: [], ownerId: userId, actsAsId: userId },
    ...{ expiresAt: null, isDefault: true, enabled: true, end: null, codes: [], version: 0 },
    frozen: keyspace.rules.authorizations === 'FROZEN' ? [] : null,
  }
}

export function codesOfDefault(world: World, due: Due): readonly Planned[] {
  const wanted = Array.from({ length: due.keyspace.rules.codesAtCreation }, () => ({}))
  return planAll(world, due.keyspace, defaultKey(due), wanted).codes
}

/** Secrets that were told to nobody are unknown until they are revealed. */
export function addDefaultKey(world: World, due: Due, id: string, made: Made['codes']): void {
  const planned = codesOfDefault(world, due)
  const codes = planned.map((plan, index) => codeOf(plan, {}, made[index] ?? { id: '', secret: null }))
  world.keys.set(id, { ...defaultKey(due), id, codes, version: 1 + codes.length })
}
