// What must become of a mutation: who may ask, what is no input at all, what a retry is answered, and the rules of accounts and
// keyspaces. Where several rules say no at once any of their codes is right: the design gives them no order.
import { type Decision, type Input, isStale, type Mutation, nothing, PERMISSIONS, refuse } from './decision.ts'
import { decideKeyMutation } from './keys.ts'
import { type Caller, DEFAULT_RULES, type Keyspace, type Made, may, type Rules, sees, type World } from './world.ts'

/** `replayed`: it was done before, under the same idempotency key. */
export type Prediction = Decision & { readonly replayed?: Made }

export function predict(world: World, caller: Caller | undefined, mutation: Mutation, input: Input): Prediction {
  if (caller === undefined) return refuse('UNAUTHENTICATED')
  const permission = PERMISSIONS[mutation]
  if (permission === 'root' ? caller !== 'ROOT' : !may(caller, permission)) return refuse('FORBIDDEN')
  if (!isInput(mutation, input)) return refuse('INVALID_INPUT')
  const earlier = world.remembered.get(memoryOf(caller, mutation, input))
  if (earlier !== undefined && earlier.input !== textOf(input)) return refuse('IDEMPOTENCY_KEY_REUSED')
  if (earlier !== undefined) return { reasons: [], replayed: earlier.made }
  return decide(world, caller, mutation, input)
}

export function remember(world: World, caller: Caller, mutation: Mutation, input: Input, made: Made): void {
  if (input.idempotencyKey !== undefined)
    world.remembered.set(memoryOf(caller, mutation, input), { input: textOf(input), made })
}

function memoryOf(caller: Caller, mutation: Mutation, { idempotencyKey }: Input): string {
  return JSON.stringify([caller === 'ROOT' ? caller : caller.id, mutation, idempotencyKey ?? crypto.randomUUID()])
}

function textOf({ idempotencyKey: _, ...input }: Input): string {
  return JSON.stringify(input)
}

const isName = (name: string) => name.trim() !== '' && name.length <= 200
const isPermission = (text: string) => text === '*' || /^[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?$/.test(text)
const areDistinct = (values: readonly unknown[]) => new Set(values).size === values.length
const isOwnSecret = (text: string) => /^[!-~]{16,256}$/.test(text)
const UNLIMITABLE = ['activeKeysMax', 'codeLifetimeDays', 'codeLifetimeDaysMax']

function isInput(mutation: Mutation, input: Input): boolean {
  const { name, tags, permissions, codes, overlapSeconds = 0, secret, rules } = input
  if (name === null || (name !== undefined && !isName(name))) return false
  if (tags && !(areDistinct(tags) && tags.every((tag) => isName(tag) && tag.length <= 100))) return false
  if (permissions && !(areDistinct(permissions) && permissions.every(isPermission))) return false
  const slots = codes?.flatMap(({ slot }) => slot ?? []) ?? []
  if (codes && !(codes.length <= 2 && areDistinct(slots))) return false
  if (![secret, ...(codes ?? []).map((code) => code.secret)].every((text) => text == null || isOwnSecret(text)))
    return false
  if (overlapSeconds < 0 || overlapSeconds > 2_592_000) return false
  if (mutation === 'createKeyspace') return rulesStand({ ...DEFAULT_RULES, ...withoutNulls(rules ?? {}) })
  if (rules === null) return false
  return Object.entries(rules ?? {}).every(([rule, value]) =>
    value === null ? UNLIMITABLE.includes(rule) : rulesStand({ ...DEFAULT_RULES, codesAtCreation: 0, [rule]: value }),
  )
}

function withoutNulls(rules: object): Partial<Rules> {
  return Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== null))
}

function rulesStand(rules: Rules): boolean {
  const within = (value: number | null, least: number, most: number) =>
    value === null || (value >= least && value <= most)
  const { codeLifetimeDays: days, codeLifetimeDaysMax: daysMax } = rules
  return (
    /^[a-z][a-z0-9_]{0,30}[a-z0-9]$/.test(rules.prefix) &&
    within(rules.activeKeysMax, 1, 1_000_000) &&
    within(rules.liveCodesMax, 1, 2) &&
    within(rules.codesAtCreation, 0, rules.liveCodesMax) &&
    within(days, 1, 36_500) &&
    within(daysMax, 1, 36_500) &&
    (days === null || daysMax === null || days <= daysMax)
  )
}

function decide(world: World, caller: Caller, mutation: Mutation, input: Input): Decision {
  switch (mutation) {
    case 'createAccount':
      return createAccount(world, input)
    case 'updateAccount':
      return updateAccount(world, caller, input)
    case 'createKeyspace':
      return createKeyspace(world, caller, input)
    case 'updateKeyspace':
    case 'deleteKeyspace': {
      const keyspace = world.keyspaces.get(input.keyspaceId ?? '')
      if (keyspace === undefined || !sees(caller, keyspace.accountId)) return refuse('NOT_FOUND')
      if (isStale(input, keyspace)) return refuse('CONFLICT')
      return mutation === 'updateKeyspace'
        ? updateKeyspace(world, caller, keyspace, input)
        : deleteKeyspace(world, keyspace)
    }
    default:
      return decideKeyMutation(world, caller, mutation, input)
  }
}

function createAccount(world: World, { name }: Input): Decision {
  return {
    reasons: [],
    events: ['account.created', 'keyspace.created'],
    apply({ ids: { account: id = '', keyspace = '' } }) {
      const history = [`account.created ${id}`, `keyspace.created ${keyspace}`]
      world.accounts.set(id, { id, name: name ?? '', managementKeyspaceId: keyspace, history })
      const rules = { ...DEFAULT_RULES, prefix: 'keyledger' }
      const management = { id: keyspace, accountId: id, name: 'management', management: true, rules }
      world.keyspaces.set(keyspace, { ...management, deleted: false, version: 1 })
    },
  }
}

function updateAccount(world: World, caller: Caller, { accountId = '', name }: Input): Decision {
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
  return others.some((other) => other.accountId === accountId && other.name === name && !other.deleted)
}

function createKeyspace(world: World, caller: Caller, { accountId = '', name, rules }: Input): Decision {
  if (!world.accounts.has(accountId) || !sees(caller, accountId)) return refuse('NOT_FOUND')
  if (isNameTaken(world, accountId, name ?? '')) return refuse('NAME_IN_USE')
  return {
    reasons: [],
    events: ['keyspace.created'],
    apply({ ids: { keyspace: id = '' } }) {
      const all = { ...DEFAULT_RULES, ...withoutNulls(rules ?? {}) }
      const keyspace = { id, accountId, name: name ?? '', management: false, rules: all, deleted: false, version: 1 }
      world.keyspaces.set(id, keyspace)
    },
  }
}

function updateKeyspace(world: World, caller: Caller, keyspace: Keyspace, input: Input): Decision {
  if (keyspace.deleted) return refuse('NOT_FOUND')
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
  const apply = () => Object.assign(keyspace, { name, rules, version: keyspace.version + 1 })
  return { reasons, events: ['keyspace.updated'], subjectId: keyspace.id, apply }
}

function deleteKeyspace(world: World, keyspace: Keyspace): Decision {
  if (keyspace.deleted) return nothing
  const inhabited = [...world.keys.values()].some(
    ({ keyspaceId, end }) => keyspaceId === keyspace.id && end !== 'DELETED',
  )
  const reasons = [
    ...(keyspace.management ? ['MANAGEMENT_KEYSPACE'] : []),
    ...(inhabited ? ['KEYSPACE_NOT_EMPTY'] : []),
  ]
  const apply = () => Object.assign(keyspace, { deleted: true, version: keyspace.version + 1 })
  return { reasons, events: ['keyspace.deleted'], subjectId: keyspace.id, apply }
}
