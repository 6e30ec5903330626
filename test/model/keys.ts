// The rules of keys.
import { codeOf, decideCode, idAndSecret, instant, planIssue, rotateKey } from './codes.ts'
import {
  type Decision,
  type Input,
  isStale,
  type Mutation,
  type NewCode,
  nothing,
  type Planned,
  refuse,
} from './decision.ts'
import {
  activeKeys,
  type Caller,
  type Code,
  type Details,
  type Key,
  type Keyspace,
  type Made,
  may,
  sees,
  type World,
} from './world.ts'

export function decideKeyMutation(world: World, caller: Caller, mutation: Mutation, input: Input): Decision {
  if (mutation === 'createKey') return createKey(world, caller, input)
  const found = find(world, input)
  if (found === undefined || !sees(caller, found.key.accountId)) return refuse('NOT_FOUND')
  const { key, code } = found
  if (isStale(input, key)) return refuse('CONFLICT')
  const keyspace = world.keyspaces.get(key.keyspaceId) as Keyspace
  const decision =
    code === undefined
      ? ofKey(world, keyspace, key, mutation, input)
      : decideCode(world.now, keyspace, key, code, mutation, input)
  return versioned(key, guarded(caller, keyspace, key, mutation, input, decision))
}

function find(world: World, { keyId, codeId }: Input): { readonly key: Key; readonly code?: Code } | undefined {
  for (const key of world.keys.values()) {
    if (key.id === keyId) return { key }
    const code = key.codes.find(({ id }) => id === codeId)
    if (code !== undefined) return { key, code }
  }
  return undefined
}

/** Every event of a key raises its version. */
function versioned(key: Key, { apply, ...decision }: Decision): Decision {
  return {
    ...decision,
    subjectId: key.id,
    apply(made) {
      apply?.(made)
      key.version += decision.events?.length ?? 0
    },
  }
}

const STRENGTHENING: readonly Mutation[] = ['updateKey', 'enableKey', 'issueCode', 'enableCode', 'rotateKey']

/** Nobody mints more than they hold. */
function guarded(
  caller: Caller,
  keyspace: Keyspace,
  key: Key,
  mutation: Mutation,
  input: Input,
  decision: Decision,
): Decision {
  if (!keyspace.management || !STRENGTHENING.includes(mutation) || decision.events?.length === 0) return decision
  const { permissions = key.permissions } = input
  const exceeds = !(permissions ?? []).every((permission) => may(caller, permission))
  return key.end === null && exceeds
    ? { ...decision, reasons: [...decision.reasons, 'GRANT_EXCEEDS_CALLER'] }
    : decision
}

function createKey(world: World, caller: Caller, input: Input): Decision {
  const keyspace = world.keyspaces.get(input.keyspaceId ?? '')
  if (keyspace === undefined || keyspace.deleted || !sees(caller, keyspace.accountId)) return refuse('NOT_FOUND')
  const { rules } = keyspace
  const key: Key = {
    ...detailsOf(input),
    id: '',
    accountId: keyspace.accountId,
    keyspaceId: keyspace.id,
    enabled: input.enabled ?? true,
    end: null,
    codes: [],
    version: 0,
  }
  const isLimited = rules.activeKeysMax !== null && activeKeys(world, keyspace.id) >= rules.activeKeysMax
  const reasons = [
    ...(key.expiresAt !== null && key.expiresAt <= world.now ? ['EXPIRY_OUT_OF_RANGE'] : []),
    ...(isLimited ? ['KEY_LIMIT_REACHED'] : []),
    ...(keyspace.management && !key.permissions.every((one) => may(caller, one)) ? ['GRANT_EXCEEDS_CALLER'] : []),
  ]
  const wanted: readonly NewCode[] = input.codes ?? Array.from({ length: rules.codesAtCreation }, () => ({}))
  const codes: Planned[] = []
  for (const code of wanted) {
    const plan = planIssue(world, keyspace, key, code)
    reasons.push(...plan.reasons)
    if (plan.planned === undefined) continue
    codes.push(plan.planned)
    key.codes.push(codeOf(plan.planned, code, { id: '', secret: code.secret ?? null }))
  }
  return {
    reasons,
    events: ['key.created', ...codes.map(() => 'code.issued')],
    codes,
    apply(made) {
      key.codes = key.codes.map((code, index) => ({ ...code, ...idAndSecret(made, index) }))
      world.keys.set(made.ids.key ?? '', Object.assign(key, { id: made.ids.key, version: 1 + codes.length }))
    },
  }
}

function detailsOf({ name, description, tags, metadata, permissions, expiresAt }: Input): Details {
  return {
    name: name ?? '',
    description: description ?? null,
    tags: tags ?? [],
    metadata: metadata ?? {},
    permissions: permissions ?? [],
    expiresAt: instant(expiresAt) ?? null,
  }
}

function ofKey(world: World, keyspace: Keyspace, key: Key, mutation: Mutation, input: Input): Decision {
  if (mutation === 'revokeKey' && key.end !== null) return nothing
  if (mutation === 'deleteKey' && key.end === 'DELETED') return nothing
  if (mutation === 'revokeKey')
    return { reasons: [], events: ['key.revoked'], apply: () => Object.assign(key, { end: 'REVOKED' }) }
  if (mutation === 'deleteKey') {
    const events = key.end === null ? ['key.revoked', 'key.deleted'] : ['key.deleted']
    return { reasons: [], events, apply: () => Object.assign(key, { end: 'DELETED' }) }
  }
  if (key.end !== null) return refuse(`KEY_${key.end}`)
  switch (mutation) {
    case 'updateKey':
      return updateKey(world, keyspace, key, input)
    case 'enableKey':
    case 'disableKey': {
      const enabled = mutation === 'enableKey'
      if (key.enabled === enabled) return nothing
      return {
        reasons: [],
        events: [enabled ? 'key.enabled' : 'key.disabled'],
        apply: () => Object.assign(key, { enabled }),
      }
    }
    case 'issueCode': {
      const { reasons, planned } = planIssue(world, keyspace, key, input)
      if (planned === undefined) return refuse(...reasons)
      const apply = (made: Made) => key.codes.push(codeOf(planned, input, idAndSecret(made, 0)))
      return { reasons, events: ['code.issued'], codes: [planned], apply }
    }
    default:
      return rotateKey(world, keyspace, key, input)
  }
}

function updateKey(world: World, keyspace: Keyspace, key: Key, input: Input): Decision {
  const wanted = detailsOf({ ...input, name: input.name ?? key.name })
  const given = (Object.keys(wanted) as (keyof Details)[]).filter((field) => input[field] !== undefined)
  const changed = given.filter((field) => JSON.stringify(wanted[field]) !== JSON.stringify(key[field]))
  if (changed.length === 0) return nothing
  const reasons: string[] = []
  if (changed.includes('expiresAt')) {
    const { activeKeysMax } = keyspace.rules
    if (wanted.expiresAt !== null && wanted.expiresAt <= world.now) reasons.push('EXPIRY_OUT_OF_RANGE')
    const revives = key.expiresAt !== null && key.expiresAt <= world.now
    if (revives && activeKeysMax !== null && activeKeys(world, keyspace.id) >= activeKeysMax)
      reasons.push('KEY_LIMIT_REACHED')
  }
  const changes = Object.fromEntries(changed.map((field) => [field, wanted[field]]))
  return { reasons, events: ['key.updated'], apply: () => Object.assign(key, changes) }
}
