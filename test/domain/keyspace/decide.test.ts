import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Recorded } from '#domain/event.ts'
import type { KeyspaceCommand, UpdateKeyspace } from '#domain/keyspace/commands.ts'
import { decideKeyspace } from '#domain/keyspace/decide.ts'
import type { KeyspaceFact, KeyspaceUpdated } from '#domain/keyspace/events.ts'
import type { KeyspaceRefusal } from '#domain/keyspace/refusals.ts'
import {
  DEFAULT_RULES,
  type KeyspaceRules,
  MANAGEMENT_RULES,
  MANAGEMENT_RULES_EDITABLE,
} from '#domain/keyspace/rules.ts'
import { evolveKeyspace, initialKeyspace, type KeyspaceState } from '#domain/keyspace/state.ts'
import { at, type Decider, fold, givenFor } from '#test/support/given.ts'

const decider: Decider<KeyspaceCommand, KeyspaceState, KeyspaceFact, KeyspaceRefusal> = {
  initial: initialKeyspace,
  evolve: evolveKeyspace,
  decide: decideKeyspace,
}
const given = givenFor(decider)

const BORN = '2026-03-01T09:00:00.000Z'
const created = (rules: Partial<KeyspaceRules> = {}): KeyspaceFact => ({
  type: 'keyspace.created',
  data: { name: 'billing', management: false, rules: { ...DEFAULT_RULES, ...rules } },
})
const updated = (data: KeyspaceUpdated['data']): KeyspaceFact => ({ type: 'keyspace.updated', data })
const deleted: KeyspaceFact = { type: 'keyspace.deleted', data: {} }
const management: KeyspaceFact = {
  type: 'keyspace.created',
  data: { name: 'management', management: true, rules: MANAGEMENT_RULES },
}

const create = (changes: Partial<KeyspaceCommand> = {}): KeyspaceCommand =>
  ({
    type: 'CreateKeyspace',
    name: 'billing',
    management: false,
    rules: DEFAULT_RULES,
    nameTaken: false,
    ...changes,
  }) as KeyspaceCommand
const update = (changes: Partial<UpdateKeyspace> = {}): UpdateKeyspace => ({
  type: 'UpdateKeyspace',
  nameTaken: false,
  callerHoldsAll: false,
  ...changes,
})
const remove = (inhabited = false): KeyspaceCommand => ({ type: 'DeleteKeyspace', inhabited })

const STATES: { readonly [Status in KeyspaceState['status']]: readonly Recorded<KeyspaceFact>[] } = {
  none: [],
  active: at(BORN, created()),
  deleted: at(BORN, created(), deleted),
}

type Outcome = 'impossible' | readonly KeyspaceFact[]
type ByStatus = { readonly [Status in KeyspaceState['status']]: Outcome }
const MATRIX: { readonly [Type in KeyspaceCommand['type']]: readonly [KeyspaceCommand, ByStatus] } = {
  CreateKeyspace: [create(), { none: [created()], active: 'impossible', deleted: 'impossible' }],
  UpdateKeyspace: [
    update({ name: 'x' }),
    { none: 'impossible', active: [updated({ name: 'x' })], deleted: 'impossible' },
  ],
  DeleteKeyspace: [remove(), { none: 'impossible', active: [deleted], deleted: [] }],
}

describe('every command in every state', () => {
  for (const [type, [command, outcomes]] of Object.entries(MATRIX)) {
    for (const [status, outcome] of Object.entries(outcomes)) {
      test(`${type} of a keyspace that is ${status}`, () => {
        const history = STATES[status as KeyspaceState['status']]
        expect(fold(decider, history).status).toBe(status)
        const asked = given(history).when(command)
        if (outcome === 'impossible') asked.thenImpossible('')
        else asked.then(outcome)
      })
    }
  }

  test('the matrix has every command and every state there is', () => {
    const named = (file: string, pattern: RegExp) => [
      ...new Set(
        Array.from(readFileSync(`src/domain/keyspace/${file}`, 'utf8').matchAll(pattern), (match) => match[1]),
      ),
    ]
    expect(Object.keys(MATRIX).sort()).toEqual(named('commands.ts', /readonly type: '(\w+)'/g).sort())
    expect(Object.keys(STATES).sort()).toEqual(named('state.ts', /readonly status: '(\w+)'/g).sort())
  })
})

describe('CreateKeyspace', () => {
  test('a name that is taken is refused', () => {
    given()
      .when(create({ nameTaken: true }))
      .thenRefused({ code: 'NAME_IN_USE' })
  })

  test('rules that can not stand are refused', () => {
    given()
      .when(create({ rules: { ...DEFAULT_RULES, prefix: 'Key' } }))
      .thenRefused({ code: 'INVALID_RULE', rule: 'prefix', why: expect.any(String) })
  })

  test('the rules of every account are rules that can stand', () => {
    given()
      .when(create({ name: 'management', management: true, rules: MANAGEMENT_RULES }))
      .then([management])
  })
})

describe('UpdateKeyspace', () => {
  const active = STATES.active

  test('the fact carries what changed, and nothing that stays', () => {
    given(active)
      .when(update({ name: 'billing', rules: { ...DEFAULT_RULES, activeKeysMax: 20, codeDeletion: 'WHEN_DISABLED' } }))
      .then([updated({ rules: { activeKeysMax: 20, codeDeletion: 'WHEN_DISABLED' } })])
    given(active)
      .when(update({ name: 'x', rules: DEFAULT_RULES }))
      .then([updated({ name: 'x' })])
  })

  test('what changes nothing is no event', () => {
    given(active).when(update()).then([])
    given(active)
      .when(update({ name: 'billing', nameTaken: true, rules: DEFAULT_RULES }))
      .then([])
  })

  test('a name that is taken is refused', () => {
    given(active)
      .when(update({ name: 'x', nameTaken: true }))
      .thenRefused({ code: 'NAME_IN_USE' })
  })

  test('rules are checked as merged with those that stay', () => {
    given(at(BORN, created({ codeLifetimeDays: 30 })))
      .when(update({ rules: { codeLifetimeDaysMax: 20 } }))
      .thenRefused({ code: 'INVALID_RULE', rule: 'codeLifetimeDays', why: expect.any(String) })
    given(at(BORN, created({ codesAtCreation: 2 })))
      .when(update({ rules: { liveCodesMax: 1 } }))
      .thenRefused({ code: 'INVALID_RULE', rule: 'codesAtCreation', why: expect.any(String) })
  })

  test.each([
    ['secretDisplay', { secretDisplay: 'ONCE' }, 'must be REVEALABLE where'],
    ['codesAtCreation', { codesAtCreation: 0 }, 'must be at least 1 where'],
    ['activeKeysMax', { activeKeysMax: 3 }, 'must be null where'],
    ['policyRequired', { policyRequired: true }, 'must be off where'],
    ['expiryRequired', { expiryRequired: true }, 'must be off where'],
    ['defaultKeys', { defaultKeys: true, expiryRequired: true }, 'must be off unless'],
  ] as const)('what default keys do not allow is told of %s, which was sent', (rule, rules, why) => {
    const on = rule !== 'defaultKeys'
    given(at(BORN, created({ defaultKeys: on, secretDisplay: 'REVEALABLE' })))
      .when(update({ rules }))
      .thenRefused({ code: 'INVALID_RULE', rule, why: expect.stringContaining(why) })
  })

  test.each(['keyledger', 'keyledger_prod'])('the prefix %s is for credentials of this API alone', (prefix) => {
    const refused = { code: 'INVALID_RULE', rule: 'prefix', why: expect.stringContaining('credentials') } as const
    given()
      .when(create({ rules: { ...DEFAULT_RULES, prefix } }))
      .thenRefused(refused)
    given(active)
      .when(update({ rules: { prefix } }))
      .thenRefused(refused)
    given(active)
      .when(update({ rules: { prefix: 'keyledgers' } }))
      .then([updated({ rules: { prefix: 'keyledgers' } })])
  })

  test('an update replaces what an earlier one said', () => {
    const changed = at(BORN, updated({ name: 'x', rules: { activeKeysMax: 5, codesAtCreation: 2 } }))
    given(active, changed)
      .when(update({ rules: { activeKeysMax: null } }))
      .then([updated({ rules: { activeKeysMax: null } })])
    given(active, changed, at(BORN, updated({ rules: { activeKeysMax: null } })))
      .when(update({ name: 'x', rules: { activeKeysMax: null, codesAtCreation: 2 } }))
      .then([])
  })
})

describe('a management keyspace', () => {
  const born = at(BORN, management)
  // Every rule there is, each with a value that is not its own.
  const others: { readonly [Rule in keyof KeyspaceRules]: KeyspaceRules[Rule] } = {
    prefix: 'other',
    activeKeysMax: 5,
    liveCodesMax: 1,
    codesAtCreation: 0,
    codeLifetimeDays: 30,
    codeLifetimeDaysMax: 90,
    expiryRequired: true,
    secretDisplay: 'REVEALABLE',
    customSecrets: true,
    authorizations: 'FROZEN',
    policyRequired: true,
    codeDeletion: 'WHEN_DISABLED',
    defaultKeys: true,
    defaultKeyName: 'Yours',
    managedBy: 'OWNERS',
    upstreamUserRequired: true,
    presentations: [{ place: 'QUERY', name: 'key' }],
  }

  for (const [rule, value] of Object.entries(others)) {
    const editable = (MANAGEMENT_RULES_EDITABLE as readonly string[]).includes(rule)
    test(`${rule} ${editable ? 'may be changed by who holds *' : 'is fixed'}`, () => {
      const command = update({ rules: { [rule]: value }, callerHoldsAll: true })
      const asked = given(born).when(command)
      if (editable) {
        asked.then([updated({ rules: { [rule]: value } })])
        given(born)
          .when({ ...command, callerHoldsAll: false })
          .thenRefused({ code: 'GRANT_EXCEEDS_CALLER' })
      } else {
        asked.thenRefused({ code: 'MANAGEMENT_KEYSPACE' })
      }
    })
  }

  test('is renamed by who holds * only', () => {
    given(born)
      .when(update({ name: 'x' }))
      .thenRefused({ code: 'GRANT_EXCEEDS_CALLER' })
    given(born)
      .when(update({ name: 'x', callerHoldsAll: true }))
      .then([updated({ name: 'x' })])
  })

  test('what would change nothing is nobody’s business', () => {
    given(born)
      .when(update({ name: 'management', rules: MANAGEMENT_RULES }))
      .then([])
  })

  test('is never deleted', () => {
    given(born).when(remove()).thenRefused({ code: 'MANAGEMENT_KEYSPACE' })
  })
})

test('a keyspace that has keys is not deleted', () => {
  given(STATES.active).when(remove(true)).thenRefused({ code: 'KEYSPACE_NOT_EMPTY' })
  given(STATES.deleted).when(remove(true)).then([])
})

describe('the fold', () => {
  test('remembers when it was made and deleted', () => {
    const state = { status: 'active', name: 'billing', management: false, rules: DEFAULT_RULES, createdAt: BORN }
    expect(fold(decider, STATES.active)).toEqual(state)
    expect(fold(decider, STATES.deleted)).toEqual({ ...state, status: 'deleted', deletedAt: BORN })
  })

  test('stops at events no decider makes', () => {
    expect(() => fold(decider, at(BORN, updated({ name: 'x' })))).toThrow('Invariant broken')
    expect(() => fold(decider, at(BORN, created(), deleted, updated({ name: 'x' })))).toThrow('Invariant broken')
    expect(() => fold(decider, at(BORN, created(), created()))).toThrow('Invariant broken')
  })
})
