// The rules of accounts and keyspaces.
import { type Caller, may, sees } from './callers.ts'
import { change, type Decision, type Input, isStale, type Mutation, nothing, refuse } from './decision.ts'
import { dueIn } from './defaults.ts'
import { rulesStand, UNLIMITABLE, withoutNulls } from './inputs.ts'
import { DEFAULT_RULES, type Key, type Keyspace, type Rules, type World } from './world.ts'

export function createAccount(world: World, { name }: Input): Decision {
  return {
    reasons: [],
    events: ['account.created', 'keyspace.created'],
    apply({ id, managementKeyspaceId: keyspace }) {
      const history = [`account.created ${id}`, `keyspace.created ${keyspace}`]
      world.accounts.set(id, { id, name: name ?? '', managementKeyspaceId: keyspace, history })
      const rules = { ...DEFAULT_RULES, prefix: 'keyledger' }
      const management = { id: keyspace, accountId: id, name: 'management', management: true, rules }
      world.keyspaces.set(keyspace, { ...management, gone: false, version: 1 })
    },
  }
}

export function updateAccount(world: World, caller: Caller, { accountId = '', name }: Input): Decision {
  const account = world.accounts.get(accountId)
  if (account === undefined || !sees(caller, accountId)) return refuse('NOT_FOUND')
  if (name === undefined || name === null || name === account.name) return nothing
  return {
    reasons: [],
    events: ['account.updated'],
    subjectId: accountId,
    apply: () => Object.assign(account, { name }),
  }
}

function isNameTaken(world: World, accountId: string, name: string, butBy?: Keyspace): boolean {
  const others = [...world.keyspaces.values()].filter((keyspace) => keyspace !== butBy)
  return others.some((other) => other.accountId === accountId && other.name === name && !other.gone)
}

export function createKeyspace(world: World, caller: Caller, { accountId = '', name, rules }: Input): Decision {
  if (!world.accounts.has(accountId) || !sees(caller, accountId)) return refuse('NOT_FOUND')
  if (isNameTaken(world, accountId, name ?? '')) return refuse('NAME_IN_USE')
  return {
    reasons: [],
    events: ['keyspace.created'],
    fills: () => dueIn(world, [...world.keyspaces.values()].at(-1) as Keyspace),
    apply({ id }) {
      const all = { ...DEFAULT_RULES, ...withoutNulls(rules ?? {}) }
      const keyspace = { id, accountId, name: name ?? '', management: false, rules: all, gone: false, version: 1 }
      world.keyspaces.set(id, keyspace)
    },
  }
}

export function decideKeyspace(world: World, caller: Caller, mutation: Mutation, input: Input): Decision {
  const keyspace = world.keyspaces.get(input.keyspaceId ?? '')
  if (keyspace === undefined || !sees(caller, keyspace.accountId)) return refuse('NOT_FOUND')
  if (isStale(input, keyspace)) return refuse('CONFLICT')
  if (mutation === 'deleteKeyspace') return deleteKeyspace(world, keyspace)
  return updateKeyspace(world, caller, keyspace, input)
}

function updateKeyspace(world: World, caller: Caller, keyspace: Keyspace, input: Input): Decision {
  if (keyspace.gone) return refuse('NOT_FOUND')
  const name = input.name ?? keyspace.name
  const rules: Rules = { ...keyspace.rules, ...(input.rules as Partial<Rules>) }
  const changed = (Object.keys(rules) as (keyof Rules)[]).filter((rule) => rules[rule] !== keyspace.rules[rule])
  if (name === keyspace.name && changed.length === 0) return nothing
  const fixed = keyspace.management && !changed.every((rule) => UNLIMITABLE.includes(rule))
  const reasons = [
    ...(fixed ? ['MANAGEMENT_KEYSPACE'] : []),
    ...(keyspace.management && !may(caller, '*') ? ['GRANT_EXCEEDS_CALLER'] : []),
    ...(isNameTaken(world, keyspace.accountId, name, keyspace) ? ['NAME_IN_USE'] : []),
    ...(rulesStand(rules) ? [] : ['INVALID_INPUT']),
  ]
  const { apply, ...update } = change(keyspace, 'keyspace.updated', { name, rules }, reasons)
  return {
    ...update,
    freezes: () => notFrozenIn(world, keyspace),
    fills: () => (changed.includes('defaultKeys') ? dueIn(world, keyspace) : []),
    apply(made) {
      apply?.(made)
      const keys = [...world.keys.values()].filter(({ keyspaceId }) => keyspaceId === keyspace.id)
      if (rules.secretDisplay === 'ONCE') for (const code of keys.flatMap(({ codes }) => codes)) code.kept = false
    },
  }
}

/** What is revoked grants nothing any more. */
function notFrozenIn(world: World, { id, rules }: Keyspace): readonly Key[] {
  if (rules.authorizations !== 'FROZEN') return []
  return [...world.keys.values()].filter(({ keyspaceId, end, frozen }) => keyspaceId === id && !end && frozen === null)
}

function deleteKeyspace(world: World, keyspace: Keyspace): Decision {
  if (keyspace.gone) return nothing
  const inhabited = [...world.keys.values()].some(
    ({ keyspaceId, end }) => keyspaceId === keyspace.id && end !== 'DELETED',
  )
  const linked = [...world.links.values()].some(({ keyspaceId, gone }) => keyspaceId === keyspace.id && !gone)
  const reasons = [
    ...(keyspace.management ? ['MANAGEMENT_KEYSPACE'] : []),
    ...(inhabited || linked ? ['KEYSPACE_NOT_EMPTY'] : []),
  ]
  return change(keyspace, 'keyspace.deleted', { gone: true }, reasons)
}
