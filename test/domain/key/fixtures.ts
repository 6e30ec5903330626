// A key as the tests of its stream begin with: rules, commands and facts with everything that doesn't matter filled in.
import type { Recorded } from '#domain/event.ts'
import type { PolicyGrant } from '#domain/grant.ts'
import { DAY_MS, type Instant, plusMs } from '#domain/instant.ts'
import type {
  CodeRequest,
  CreateKey,
  FreezeKey,
  KeyCommand,
  RevealCode,
  RotateKey,
  UpdateKey,
} from '#domain/key/commands.ts'
import { decideKey } from '#domain/key/decide.ts'
import type { CodeSlot, KeyCreated, KeyDetails, KeyFact, NewCode } from '#domain/key/events.ts'
import type { KeyRefusal } from '#domain/key/refusals.ts'
import { type ActiveKey, type Code, type ExistingKey, evolveKey, initialKey, type KeyState } from '#domain/key/state.ts'
import { DEFAULT_RULES, type KeyspaceRules } from '#domain/keyspace/rules.ts'
import { at, type Decider, fold } from '#test/support/given.ts'

export const keyDecider: Decider<KeyCommand, KeyState, KeyFact, KeyRefusal> = {
  initial: initialKey,
  evolve: evolveKey,
  decide: decideKey,
}

export const BORN: Instant = '2026-03-01T09:00:00.000Z'
export const NOW: Instant = '2026-03-02T09:00:00.000Z'
export const days = (count: number, from: Instant = NOW): Instant => plusMs(from, count * DAY_MS)
export const seconds = (count: number, from: Instant = NOW): Instant => plusMs(from, count * 1000)

export const rules = (changes: Partial<KeyspaceRules> = {}): KeyspaceRules => ({ ...DEFAULT_RULES, ...changes })

export const DETAILS: KeyDetails = {
  name: 'billing',
  description: null,
  tags: ['prod'],
  metadata: { team: 'payments' },
  policyIds: [],
  permissions: ['ads.read'],
  ownerId: null,
  actsAsId: null,
  expiresAt: null,
  logging: { request: false, response: false },
}

export const request = (codeId: string, changes: Partial<CodeRequest> = {}): CodeRequest => ({
  codeId,
  description: null,
  hint: `key_${codeId}`,
  digest: `digest-of-${codeId}`,
  secretId: 'pepper-1',
  ...changes,
})

export const code = (codeId: string, changes: Partial<NewCode> = {}): NewCode => ({
  codeId,
  slot: 'PRIMARY',
  hint: `key_${codeId}`,
  description: null,
  expiresAt: null,
  digest: `digest-of-${codeId}`,
  secretId: 'pepper-1',
  ...changes,
})

export const created = (changes: Partial<KeyCreated['data']> = {}): KeyFact => ({
  type: 'key.created',
  data: { ...DETAILS, keyspaceId: 'keyspace-1', enabled: true, isDefault: false, frozenPolicies: null, ...changes },
})
export const issued = (codeId: string, changes: Partial<NewCode> = {}): KeyFact => ({
  type: 'code.issued',
  data: code(codeId, changes),
})
export const rotated = (
  retiredCodeId: string,
  codeId: string,
  overlapEndsAt: Instant | null = null,
  changes: Partial<NewCode> = {},
): KeyFact => ({
  type: 'key.rotated',
  data: { rotationId: `rotation-to-${codeId}`, retiredCodeId, overlapEndsAt, replacement: code(codeId, changes) },
})
export const codeDisabled = (codeId: string): KeyFact => ({ type: 'code.disabled', data: { codeId } })
export const codeEnabled = (codeId: string): KeyFact => ({ type: 'code.enabled', data: { codeId } })
export const codeDeleted = (codeId: string): KeyFact => ({ type: 'code.deleted', data: { codeId } })
export const codeRevealed = (codeId: string): KeyFact => ({ type: 'code.revealed', data: { codeId } })
export const frozen = (...frozenPolicies: readonly PolicyGrant[]): KeyFact => ({
  type: 'key.frozen',
  data: { frozenPolicies },
})
export const keyDisabled: KeyFact = { type: 'key.disabled', data: {} }
export const keyEnabled: KeyFact = { type: 'key.enabled', data: {} }
export const revoked: KeyFact = { type: 'key.revoked', data: { reason: 'KEY_COMPROMISE', note: 'seen in a log' } }
export const deleted: KeyFact = { type: 'key.deleted', data: {} }

/** A key with one code, `a`, in PRIMARY. */
export const oneCode = (changes: Partial<NewCode> = {}): readonly Recorded<KeyFact>[] =>
  at(BORN, created(), issued('a', changes))

export const create = (changes: Partial<CreateKey> = {}): CreateKey => ({
  type: 'CreateKey',
  now: NOW,
  rules: rules(),
  keyspaceId: 'keyspace-1',
  details: DETAILS,
  policies: [],
  enabled: true,
  isDefault: false,
  codes: [],
  activeKeyCount: 0,
  ...changes,
})
export const update = (details: UpdateKey['details'], changes: Partial<UpdateKey> = {}): UpdateKey => ({
  type: 'UpdateKey',
  now: NOW,
  rules: rules(),
  details,
  activeKeyCount: 0,
  ...changes,
})
export const freeze = (...policies: readonly PolicyGrant[]): FreezeKey => ({
  type: 'FreezeKey',
  rules: rules({ authorizations: 'FROZEN' }),
  policies: [policies],
})
export const issue = (codeRequest: CodeRequest, changes: Partial<KeyspaceRules> = {}): KeyCommand => ({
  type: 'IssueCode',
  now: NOW,
  rules: rules(changes),
  code: codeRequest,
})
export const rotate = (codeRequest: CodeRequest, changes: Partial<RotateKey> = {}): RotateKey => ({
  type: 'RotateKey',
  now: NOW,
  rules: rules(),
  rotationId: `rotation-to-${codeRequest.codeId}`,
  slot: 'PRIMARY',
  code: codeRequest,
  overlapSeconds: 0,
  ...changes,
})
export const enableCode = (codeId: string): KeyCommand => ({ type: 'EnableCode', codeId, now: NOW })
export const disableCode = (codeId: string): KeyCommand => ({ type: 'DisableCode', codeId, now: NOW })
export const deleteCode = (codeId: string, changes: Partial<KeyspaceRules> = {}): KeyCommand => ({
  type: 'DeleteCode',
  codeId,
  now: NOW,
  rules: rules(changes),
})
export const reveal = (codeId: string, changes: Partial<KeyspaceRules> = {}, sealed = true): RevealCode => ({
  type: 'RevealCode',
  codeId,
  now: NOW,
  rules: rules({ secretDisplay: 'REVEALABLE', ...changes }),
  sealed,
})
export const revoke: KeyCommand = { type: 'RevokeKey', reason: 'KEY_COMPROMISE', note: 'seen in a log' }
export const remove: KeyCommand = { type: 'DeleteKey', reason: 'KEY_COMPROMISE', note: 'seen in a log' }

export function keyAfter(...history: readonly (readonly Recorded<KeyFact>[])[]): ExistingKey {
  const state = fold(keyDecider, history.flat())
  if (state.status === 'none') throw new Error('There is no key.')
  return state
}

export function activeAfter(...history: readonly (readonly Recorded<KeyFact>[])[]): ActiveKey {
  const state = keyAfter(...history)
  if (state.status !== 'active') throw new Error('The key is revoked.')
  return state
}

export function codeIn(key: ExistingKey, codeId: string): Code {
  const found = key.codes.find((candidate) => candidate.codeId === codeId)
  if (found === undefined) throw new Error(`The key has no code ${codeId}.`)
  return found
}

export const SLOTS: readonly CodeSlot[] = ['PRIMARY', 'SECONDARY']
