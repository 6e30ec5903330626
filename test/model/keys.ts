// The rules of keys.
import { type Caller, exceeds, memberIn, sees, seesKey } from './callers.ts'
import { codeOf, decideCode, idAndSecret, instant, planAll, planIssue, rotateKey } from './codes.ts'
import {
  type Decision,
  differences,
  type Input,
  isStale,
  type Mutation,
  type NewCode,
  nothing,
  refuse,
  said,
} from './decision.ts'
import { isDefaultKey, replacementOf } from './defaults.ts'
import { arePolicies, linkOf, userNamed } from './directory.ts'
import { grantsOfPolicies } from './grants.ts'
import { activeKeys, endKey } from './standing.ts'
import { type Code, type Details, type Key, type Keyspace, keyspaceOf, type Made, type World } from './world.ts'

export function decideKeyMutation(world: World, caller: Caller, mutation: Mutation, input: Input): Decision {
  if (mutation === 'createKey') return createKey(world, caller, input)
  const found = find(world, input)
  // What issues nothing here is told to whoever has linked the key.
  const issues = mutation === 'issueCode' || mutation === 'rotateKey'
  const isForeign = caller.accountId !== null && found?.key.accountId !== caller.accountId
  if (issues && isForeign && memberIn(caller) === null && linkOf(world, caller.accountId ?? '', input.keyId ?? ''))
    return refuse('LINKED_KEY_HAS_NO_CODES')
  if (found === undefined || !seesKey(world, caller, found.key)) return refuse('NOT_FOUND')
  const { key, code } = found
  if (isStale(input, key)) return refuse('CONFLICT')
  const keyspace = keyspaceOf(world, key)
  const decision =
    code === undefined
      ? ofKey(world, caller, keyspace, key, mutation, input)
      : decideCode(world.now, keyspace, key, code, mutation, input)
  const strengthens = STRENGTHENING.includes(mutation) && key.end === null && decision.events?.length !== 0
  if (strengthens && mutation !== 'updateKey' && exceeds(world, caller, keyspace, key, key))
    return { ...decision, reasons: [...decision.reasons, 'GRANT_EXCEEDS_CALLER'] }
  return versioned(key, decision)
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

const STRENGTHENING: readonly Mutation[] = ['enableKey', 'issueCode', 'enableCode', 'rotateKey', 'revealCode']

type Named = { readonly ownerId?: string | null | undefined; readonly actsAs?: string | null | undefined }

/** Whose it is and whom it acts as, as far as that is said; or why that can't be. To a MEMBER all others are nobody. */
function usersOf(world: World, caller: Caller, accountId: string, { ownerId, actsAs }: Named) {
  const member = memberIn(caller)
  const owner = world.users.get(ownerId ?? '')
  const acting = typeof actsAs === 'string' ? userNamed(world, accountId, actsAs) : undefined
  const reasons: string[] = []
  const isThere = (user: typeof owner) =>
    user !== undefined && !user.gone && user.accountId === accountId && (member === null || user.id === member.id)
  if ((typeof ownerId === 'string' && !isThere(owner)) || (typeof actsAs === 'string' && !isThere(acting)))
    reasons.push('NOT_FOUND')
  if (member !== null && ownerId === null) reasons.push('INVALID_INPUT')
  if (member !== null && actsAs === null) reasons.push('GRANT_EXCEEDS_CALLER')
  return { reasons, users: said({ ownerId, actsAsId: actsAs === undefined ? undefined : (acting?.id ?? null) }) }
}

function createKey(world: World, caller: Caller, input: Input): Decision {
  const keyspace = world.keyspaces.get(input.keyspaceId ?? '')
  const member = memberIn(caller)
  if (keyspace === undefined || keyspace.gone || !sees(caller, keyspace.accountId)) return refuse('NOT_FOUND')
  const { rules, accountId } = keyspace
  if (member !== null && rules.managedBy !== 'OWNERS') return refuse('NOT_FOUND')
  const policyIds = input.policyIds ?? []
  if (!arePolicies(world, accountId, policyIds)) return refuse('NOT_FOUND')
  const { reasons: faults, users } = usersOf(world, caller, accountId, {
    ...input,
    ownerId: input.ownerId ?? member?.id,
  })
  if (faults.length > 0) return refuse(...faults)
  const ownerId = users.ownerId ?? null
  const actsAsId = users.actsAsId === undefined ? (rules.managedBy === 'OWNERS' ? ownerId : null) : users.actsAsId
  const key: Key = {
    ...detailsOf(input),
    ...{ id: '', accountId, keyspaceId: keyspace.id, policyIds, ownerId, actsAsId },
    frozen: rules.authorizations === 'FROZEN' ? structuredClone(grantsOfPolicies(world, policyIds)) : null,
    isDefault: false,
    enabled: input.enabled ?? true,
    end: null,
    codes: [],
    version: 0,
  }
  const isLimited = rules.activeKeysMax !== null && activeKeys(world, keyspace.id) >= rules.activeKeysMax
  const reasons = [
    ...(key.expiresAt !== null && key.expiresAt <= world.now ? ['EXPIRY_OUT_OF_RANGE'] : []),
    ...(isLimited ? ['KEY_LIMIT_REACHED'] : []),
    ...(rules.policyRequired && policyIds.length === 0 ? ['POLICY_REQUIRED'] : []),
    ...(exceeds(world, caller, keyspace, key, null) ? ['GRANT_EXCEEDS_CALLER'] : []),
  ]
  const wanted: readonly NewCode[] = input.codes ?? Array.from({ length: rules.codesAtCreation }, () => ({}))
  const { reasons: faultsOfCodes, codes } = planAll(world, keyspace, key, wanted)
  return {
    reasons: [...reasons, ...faultsOfCodes],
    events: ['key.created', ...codes.map(() => 'code.issued')],
    codes,
    apply(made) {
      key.codes = key.codes.map((code, index) => ({ ...code, ...idAndSecret(made, index) }))
      world.keys.set(made.id, Object.assign(key, { id: made.id, version: 1 + codes.length }))
    },
  }
}

function detailsOf({
  name,
  description,
  tags,
  metadata,
  permissions,
  expiresAt,
}: Input): Omit<Details, 'policyIds' | 'ownerId' | 'actsAsId'> {
  return {
    name: name ?? '',
    description: description ?? null,
    tags: tags ?? [],
    metadata: metadata ?? {},
    permissions: permissions ?? [],
    expiresAt: instant(expiresAt) ?? null,
  }
}

function ofKey(world: World, caller: Caller, keyspace: Keyspace, key: Key, mutation: Mutation, input: Input): Decision {
  const defaults = replacementOf(world, key)
  if (mutation === 'revokeKey' && key.end !== null) return nothing
  if (mutation === 'deleteKey' && key.end === 'DELETED') return nothing
  if (mutation === 'revokeKey')
    return { reasons: [], events: ['key.revoked'], defaults, apply: () => endKey(key, 'REVOKED') }
  if (mutation === 'deleteKey') {
    const events = key.end === null ? ['key.revoked', 'key.deleted'] : ['key.deleted']
    return { reasons: [], events, defaults, apply: () => endKey(key, 'DELETED') }
  }
  if (mutation === 'updateKey') return updateKey(world, caller, keyspace, key, input)
  if (key.end !== null) return refuse(`KEY_${key.end}`)
  switch (mutation) {
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

function updateKey(world: World, caller: Caller, keyspace: Keyspace, key: Key, input: Input): Decision {
  if (!arePolicies(world, key.accountId, input.policyIds ?? [])) return refuse('NOT_FOUND')
  const { reasons: faults, users } = usersOf(world, caller, key.accountId, input)
  if (faults.length > 0) return refuse(...faults)
  if (key.end !== null) return refuse(`KEY_${key.end}`)
  const details = detailsOf({ ...input, name: input.name ?? key.name })
  const asked = Object.entries(details).filter(([field]) => input[field as keyof Input] !== undefined)
  const policyIds = input.policyIds === undefined ? {} : { policyIds: input.policyIds ?? [] }
  const changes = differences<Details>(key, { ...Object.fromEntries(asked), ...policyIds, ...users })
  if (Object.keys(changes).length === 0) return nothing
  const { activeKeysMax, authorizations, policyRequired } = keyspace.rules
  const isFull = activeKeysMax !== null && activeKeys(world, keyspace.id) >= activeKeysMax
  const isAboutGrants = 'permissions' in changes || 'policyIds' in changes || 'actsAsId' in changes
  const changesUsers = 'ownerId' in changes || 'actsAsId' in changes
  const { expiresAt } = changes
  const isPast = typeof expiresAt === 'number' && expiresAt <= world.now
  const isLater = expiresAt === null || (key.expiresAt !== null && (expiresAt ?? 0) > key.expiresAt)
  const asksForMore = isAboutGrants || 'ownerId' in changes || isLater
  const revives = expiresAt !== undefined && key.expiresAt !== null && key.expiresAt <= world.now
  return {
    reasons: [
      ...(changesUsers && isDefaultKey(world, key) ? ['INVALID_INPUT'] : []),
      ...(isAboutGrants && (key.frozen !== null || authorizations === 'FROZEN') ? ['AUTHORIZATIONS_FROZEN'] : []),
      ...(policyRequired && changes.policyIds?.length === 0 ? ['POLICY_REQUIRED'] : []),
      ...(isPast ? ['EXPIRY_OUT_OF_RANGE'] : []),
      ...(revives && isFull ? ['KEY_LIMIT_REACHED'] : []),
      ...(asksForMore && exceeds(world, caller, keyspace, { ...key, ...changes }, key) ? ['GRANT_EXCEEDS_CALLER'] : []),
    ],
    events: ['key.updated'],
    apply: () => Object.assign(key, changes, { isDefault: key.isDefault && !changesUsers }),
  }
}
