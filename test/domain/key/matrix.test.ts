// Every command in every state of a key, and every command about a code in every state of a code. A command or a state
// that is added fails here until somebody has said what it means.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Decision, Recorded } from '#domain/event.ts'
import type { KeyCommand } from '#domain/key/commands.ts'
import { decideKey } from '#domain/key/decide.ts'
import type { KeyFact } from '#domain/key/events.ts'
import type { KeyRefusal } from '#domain/key/refusals.ts'
import type { KeyState } from '#domain/key/state.ts'
import { at, fold } from '#test/support/given.ts'
import {
  BORN,
  codeDeleted,
  codeDisabled,
  create,
  created,
  days,
  deleteCode,
  deleted,
  disableCode,
  enableCode,
  freeze,
  issue,
  issued,
  keyDecider,
  keyDisabled,
  oneCode,
  remove,
  request,
  reveal,
  revoke,
  revoked,
  rotate,
  rotated,
  rules,
  seconds,
  update,
} from './fixtures.ts'

type Outcome = 'impossible' | KeyRefusal['code'] | readonly KeyFact['type'][]

function outcomeOf(command: KeyCommand, history: readonly Recorded<KeyFact>[]): Outcome {
  const state = fold(keyDecider, history)
  let decision: Decision<KeyFact, KeyRefusal>
  try {
    decision = decideKey(command, state)
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('Invariant broken:')) return 'impossible'
    throw error
  }
  return decision.kind === 'refused' ? decision.refusal.code : decision.facts.map((fact) => fact.type)
}

const KEYS: { readonly [Status in KeyState['status']]: readonly Recorded<KeyFact>[] } = {
  none: [],
  active: oneCode(),
  revoked: [...oneCode(), ...at(BORN, revoked)],
  deleted: [...oneCode(), ...at(BORN, revoked, deleted)],
}

const COMMANDS: { readonly [Type in KeyCommand['type']]: Extract<KeyCommand, { readonly type: Type }> } = {
  CreateKey: create({ codes: [request('x')] }),
  UpdateKey: update({ name: 'other' }),
  FreezeKey: freeze(),
  EnableKey: { type: 'EnableKey' },
  DisableKey: { type: 'DisableKey' },
  RevokeKey: { type: 'RevokeKey', reason: 'SUPERSEDED', note: null },
  DeleteKey: { type: 'DeleteKey', reason: 'SUPERSEDED', note: null },
  IssueCode: { type: 'IssueCode', now: days(0), rules: rules(), code: request('x') },
  UpdateCode: { type: 'UpdateCode', codeId: 'a', description: 'other' },
  EnableCode: { type: 'EnableCode', codeId: 'a', now: days(0) },
  DisableCode: { type: 'DisableCode', codeId: 'a', now: days(0) },
  DeleteCode: { type: 'DeleteCode', codeId: 'a', now: days(0), rules: rules() },
  RevealCode: reveal('a'),
  RotateKey: rotate(request('x')),
}

const final = { none: 'impossible', revoked: 'KEY_REVOKED', deleted: 'KEY_DELETED' } as const

const BY_KEY: { readonly [Type in KeyCommand['type']]: { readonly [Status in KeyState['status']]: Outcome } } = {
  CreateKey: {
    none: ['key.created', 'code.issued'],
    active: 'impossible',
    revoked: 'impossible',
    deleted: 'impossible',
  },
  UpdateKey: { ...final, active: ['key.updated'] },
  FreezeKey: { none: 'impossible', active: ['key.frozen'], revoked: [], deleted: [] },
  EnableKey: { ...final, active: [] },
  DisableKey: { ...final, active: ['key.disabled'] },
  RevokeKey: { none: 'impossible', active: ['key.revoked'], revoked: [], deleted: [] },
  DeleteKey: { none: 'impossible', active: ['key.revoked', 'key.deleted'], revoked: ['key.deleted'], deleted: [] },
  IssueCode: { ...final, active: ['code.issued'] },
  UpdateCode: { ...final, active: ['code.updated'] },
  EnableCode: { ...final, active: [] },
  DisableCode: { ...final, active: ['code.disabled'] },
  DeleteCode: { ...final, active: ['code.deleted'] },
  RevealCode: { ...final, active: ['code.revealed'] },
  RotateKey: { ...final, active: ['key.rotated'] },
}

describe('every command in every state of a key', () => {
  for (const [type, outcomes] of Object.entries(BY_KEY)) {
    for (const [status, outcome] of Object.entries(outcomes)) {
      test(`${type} of a key that is ${status}: ${outcome.length > 0 ? outcome : 'accepted, no facts'}`, () => {
        const history = KEYS[status as KeyState['status']]
        expect(fold(keyDecider, history).status).toBe(status)
        expect(outcomeOf(COMMANDS[type as KeyCommand['type']], history)).toEqual(outcome)
      })
    }
  }

  // What nothing asks of a revoked key, not even what would be done already, may bring it back.
  for (const status of ['revoked', 'deleted'] as const) {
    test(`a ${status} key refuses what would change nothing too`, () => {
      const idle: readonly KeyCommand[] = [update({}), { type: 'UpdateCode', codeId: 'a' }, COMMANDS.EnableKey]
      for (const command of idle) expect(outcomeOf(command, KEYS[status])).toBe(`KEY_${status.toUpperCase()}`)
    })
  }

  test('the matrix has every command and every state there is', () => {
    const named = (file: string, pattern: RegExp) => [
      ...new Set(Array.from(readFileSync(`src/domain/key/${file}`, 'utf8').matchAll(pattern), (match) => match[1])),
    ]
    const commands = named('commands.ts', /readonly type: '(\w+)'/g)
    const statuses = named('state.ts', /readonly status: '(\w+)'/g)
    expect(commands.length).toBeGreaterThanOrEqual(12)
    expect(Object.keys(BY_KEY).sort()).toEqual(commands.sort())
    for (const outcomes of Object.values(BY_KEY)) expect(Object.keys(outcomes).sort()).toEqual([...statuses].sort())
  })
})

// The code asked about is `a`, in PRIMARY; SECONDARY is empty.
const CODES = {
  live: oneCode({ expiresAt: days(1) }),
  disabled: [...oneCode({ expiresAt: days(1) }), ...at(BORN, codeDisabled('a'))],
  expired: oneCode({ expiresAt: days(0) }),
  'disabled and expired': [...oneCode({ expiresAt: days(0) }), ...at(BORN, codeDisabled('a'))],
  'in overlap': [...oneCode(), ...at(BORN, rotated('a', 'b', seconds(1)))],
  'replaced, its overlap over': [...oneCode(), ...at(BORN, rotated('a', 'b', seconds(0)))],
  'replaced at once': [...oneCode(), ...at(BORN, rotated('a', 'b'))],
  'disabled in overlap': [...oneCode(), ...at(BORN, rotated('a', 'b', days(1)), codeDisabled('a'))],
  'deleted in overlap': [...oneCode(), ...at(BORN, rotated('a', 'b', days(1)), codeDeleted('a'))],
  deleted: [...oneCode(), ...at(BORN, codeDeleted('a'))],
} satisfies Record<string, readonly Recorded<KeyFact>[]>

const ABOUT_CODES = {
  UpdateCode: COMMANDS.UpdateCode,
  EnableCode: enableCode('a'),
  DisableCode: disableCode('a'),
  DeleteCode: deleteCode('a'),
  'DeleteCode WHEN_DISABLED': deleteCode('a', { codeDeletion: 'WHEN_DISABLED' }),
  'IssueCode PRIMARY': issue(request('x', { slot: 'PRIMARY' })),
  'RotateKey PRIMARY': COMMANDS.RotateKey,
  RevealCode: COMMANDS.RevealCode,
} satisfies Record<string, KeyCommand>

const done: Outcome = []
const refusedAs = (code: KeyRefusal['code']): Outcome => code
const dead = refusedAs('CODE_NOT_LIVE')
const full = refusedAs('CODE_LIMIT_REACHED')
const updated: Outcome = ['code.updated']
const enabled: Outcome = ['code.enabled']
const disabled: Outcome = ['code.disabled']
const gone: Outcome = ['code.deleted']
const on = refusedAs('CODE_ENABLED')
const given: Outcome = ['code.issued']
const replaced: Outcome = ['key.rotated']
const shown: Outcome = ['code.revealed']

type ByCommand = { readonly [Command in keyof typeof ABOUT_CODES]: Outcome }
const row = (...outcomes: readonly Outcome[]): ByCommand => {
  const names = Object.keys(ABOUT_CODES)
  expect(outcomes).toHaveLength(names.length)
  return Object.fromEntries(names.map((name, index) => [name, outcomes[index]])) as ByCommand
}

// biome-ignore format: a table.
const BY_CODE: { readonly [Situation in keyof typeof CODES]: ByCommand } = {
  //                                 Update   Enable   Disable   Delete  WHEN_DISABLED Issue Rotate    Reveal
  live:                          row(updated, done,    disabled, gone,   on,    full,  replaced, shown),
  disabled:                      row(updated, enabled, done,     gone,   gone,  full,  replaced, shown),
  expired:                       row(updated, dead,    dead,     gone,   gone,  given, replaced, dead),
  'disabled and expired':        row(updated, dead,    dead,     gone,   gone,  given, replaced, dead),
  'in overlap':                  row(updated, dead,    disabled, gone,   on,    full,  replaced, dead),
  'replaced, its overlap over':  row(updated, dead,    dead,     dead,   dead,  full,  replaced, dead),
  'replaced at once':            row(updated, dead,    dead,     dead,   dead,  full,  replaced, dead),
  'disabled in overlap':         row(updated, dead,    done,     dead,   dead,  full,  replaced, dead),
  'deleted in overlap':          row(dead,    dead,    dead,     done,   done,  full,  replaced, dead),
  deleted:                       row(dead,    dead,    dead,     done,   done,  given, 'SLOT_EMPTY', dead),
}

describe('every command about a code in every state of a code', () => {
  for (const [situation, outcomes] of Object.entries(BY_CODE)) {
    for (const [name, outcome] of Object.entries(outcomes)) {
      test(`${name}, the code ${situation}: ${outcome.length > 0 ? outcome : 'accepted, no facts'}`, () => {
        const command = ABOUT_CODES[name as keyof typeof ABOUT_CODES]
        expect(outcomeOf(command, CODES[situation as keyof typeof CODES])).toEqual(outcome)
      })
    }
  }

  test('a code the key never had is a defect of the caller', () => {
    const commands = [
      reveal('x'),
      enableCode('x'),
      disableCode('x'),
      deleteCode('x'),
      { type: 'UpdateCode', codeId: 'x' } as const,
    ]
    for (const command of commands) expect(outcomeOf(command, CODES.live)).toBe('impossible')
  })
})

describe('the switch of a key', () => {
  const off = [...oneCode(), ...at(BORN, keyDisabled)]
  const expired = at(BORN, created({ expiresAt: days(0) }), issued('a'))
  const cases: readonly [
    string,
    KeyCommand['type'] & ('EnableKey' | 'DisableKey'),
    readonly Recorded<KeyFact>[],
    Outcome,
  ][] = [
    ['on, switched on', 'EnableKey', oneCode(), []],
    ['on, switched off', 'DisableKey', oneCode(), ['key.disabled']],
    ['off, switched on', 'EnableKey', off, ['key.enabled']],
    ['off, switched off', 'DisableKey', off, []],
    ['expired and on, switched off', 'DisableKey', expired, ['key.disabled']],
  ]
  for (const [name, type, history, outcome] of cases) {
    test(name, () => expect(outcomeOf({ type }, history)).toEqual(outcome))
  }

  test('revoking and deleting work whatever the switch says', () => {
    expect(outcomeOf(revoke, off)).toEqual(['key.revoked'])
    expect(outcomeOf(remove, off)).toEqual(['key.revoked', 'key.deleted'])
  })
})
