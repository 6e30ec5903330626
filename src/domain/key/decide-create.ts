// A key's beginning and the edits of its details: what both share is the limit of active keys.
import { accept, type Decision, refuse } from '../event.ts'
import { type Instant, reached } from '../instant.ts'
import type { KeyspaceRules } from '../keyspace/rules.ts'
import { differs } from '../same-value.ts'
import type { CreateKey, UpdateKey } from './commands.ts'
import { decideIssue } from './decide-issue.ts'
import { isDefaultKey } from './default-key.ts'
import type { CodeIssued, KeyCreated, KeyUpdated } from './events.ts'
import type { KeyRefusal } from './refusals.ts'
import type { ActiveKey } from './state.ts'

export function decideCreate(command: CreateKey): Decision<KeyCreated | CodeIssued, KeyRefusal> {
  const { keyspaceId, details, policies, enabled, isDefault, codes, activeKeyCount, now, rules } = command
  if (reached(details.expiresAt, now)) return refuse({ code: 'EXPIRY_OUT_OF_RANGE', latest: null })
  if (rules.policyRequired && details.policyIds.length === 0) return refuse({ code: 'POLICY_REQUIRED' })
  const full = refusalForKeys(activeKeyCount, rules)
  if (full !== undefined) return refuse(full)

  const issued: CodeIssued[] = []
  for (const request of codes) {
    const held = issued.map(({ data }) => ({ ...data, replacedAt: null, deletedAt: null }))
    const decision = decideIssue(request, held, now, rules)
    if (decision.kind === 'refused') return decision
    issued.push(...decision.facts)
  }
  const frozenPolicies = rules.authorizations === 'FROZEN' ? policies : null
  // What is managed by its owner stands for its owner.
  const byDefault = rules.managedBy === 'OWNERS' ? details.ownerId : null
  const actsAsId = details.actsAsId === undefined ? byDefault : details.actsAsId
  const created: KeyCreated = {
    type: 'key.created',
    data: { ...details, actsAsId, keyspaceId, enabled, isDefault, frozenPolicies },
  }
  return accept<KeyCreated | CodeIssued>(created, ...issued)
}

export function decideUpdate(command: UpdateKey, key: ActiveKey): Decision<KeyUpdated, KeyRefusal> {
  const { activeKeyCount, now, rules } = command
  const data = changesOf(command, key)
  if (Object.keys(data).length === 0) return accept()
  if (isDefaultKey(key, rules)) {
    if (data.ownerId !== undefined) return refuse({ code: 'DEFAULT_KEY', field: 'ownerId' })
    if (data.actsAsId !== undefined) return refuse({ code: 'DEFAULT_KEY', field: 'actsAs' })
  }
  if (data.policyIds !== undefined || data.permissions !== undefined || data.actsAsId !== undefined) {
    // Frozen itself, or about to be: its keyspace is.
    if (key.frozenPolicies !== null || rules.authorizations === 'FROZEN')
      return refuse({ code: 'AUTHORIZATIONS_FROZEN' })
    if (rules.policyRequired && data.policyIds?.length === 0) return refuse({ code: 'POLICY_REQUIRED' })
  }
  if (data.expiresAt !== undefined) {
    if (reached(data.expiresAt, now)) return refuse({ code: 'EXPIRY_OUT_OF_RANGE', latest: null })
    // An expired key has left the count; another may have taken its place since.
    const full = reached(key.expiresAt, now) ? refusalForKeys(activeKeyCount, rules) : undefined
    if (full !== undefined) return refuse(full)
  }
  return accept({ type: 'key.updated', data })
}

function refusalForKeys(activeKeyCount: number, { activeKeysMax }: KeyspaceRules): KeyRefusal | undefined {
  if (activeKeysMax === null || activeKeyCount < activeKeysMax) return undefined
  return { code: 'KEY_LIMIT_REACHED', activeKeysMax }
}

function changesOf({ details }: UpdateKey, key: ActiveKey): KeyUpdated['data'] {
  const { name, description, tags, metadata, policyIds, permissions, ownerId, actsAsId, expiresAt, logging } = details
  return {
    ...(differs(name, key.name) && { name }),
    ...(differs(description, key.description) && { description }),
    ...(differs(tags, key.tags) && { tags }),
    ...(differs(metadata, key.metadata) && { metadata }),
    ...(differs(policyIds, key.policyIds) && { policyIds }),
    ...(differs(permissions, key.permissions) && { permissions }),
    ...(differs<string | null>(ownerId, key.ownerId) && { ownerId }),
    ...(differs<string | null>(actsAsId, key.actsAsId) && { actsAsId }),
    ...(differs<Instant | null>(expiresAt, key.expiresAt) && { expiresAt }),
    ...(differs(logging, key.logging) && { logging }),
  }
}
