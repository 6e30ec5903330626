import { describe, expect, test } from 'vitest'
import { checkEachRule, checkRules } from '#domain/keyspace/rule-check.ts'
import { DEFAULT_RULES, type KeyspaceRules, MANAGEMENT_RULES } from '#domain/keyspace/rules.ts'

const broken = (changes: Partial<KeyspaceRules>) => checkRules({ ...DEFAULT_RULES, ...changes })?.rule

test('the rules nobody asked for can stand', () => {
  expect(checkRules(DEFAULT_RULES)).toBeUndefined()
  expect(checkRules(MANAGEMENT_RULES)).toBeUndefined()
})

describe('prefix', () => {
  test('2 to 32 of a-z, 0-9 and _, beginning with a letter and not ending with _', () => {
    for (const prefix of ['ab', 'a0', 'a_b', 'a__b', `a${'_'.repeat(30)}b`])
      expect(broken({ prefix }), prefix).toBeUndefined()
    const bad = ['', 'a', '0a', '_a', 'a_', 'Ab', 'a-b', 'a b', 'ab\n', ' ab', 'ä1', `a${'b'.repeat(32)}`]
    for (const prefix of bad) expect(broken({ prefix }), prefix).toBe('prefix')
  })
})

describe('ranges', () => {
  const not = [Number.NaN, Number.POSITIVE_INFINITY, 1.5, -1]
  test('activeKeysMax: none, or 1 to a million', () => {
    for (const activeKeysMax of [null, 1, 20, 1_000_000]) expect(broken({ activeKeysMax })).toBeUndefined()
    for (const activeKeysMax of [0, 1_000_001, ...not]) expect(broken({ activeKeysMax })).toBe('activeKeysMax')
  })

  test('liveCodesMax: 1 or 2', () => {
    for (const liveCodesMax of [1, 2]) expect(broken({ liveCodesMax })).toBeUndefined()
    for (const liveCodesMax of [0, 3, ...not]) expect(broken({ liveCodesMax })).toBe('liveCodesMax')
  })

  test('codesAtCreation: 0 to liveCodesMax', () => {
    for (const codesAtCreation of [0, 1, 2]) expect(broken({ codesAtCreation })).toBeUndefined()
    for (const codesAtCreation of [3, ...not]) expect(broken({ codesAtCreation })).toBe('codesAtCreation')
    expect(broken({ codesAtCreation: 2, liveCodesMax: 1 })).toBe('codesAtCreation')
  })

  for (const rule of ['codeLifetimeDays', 'codeLifetimeDaysMax'] as const) {
    test(`${rule}: none, or a day to a century`, () => {
      for (const days of [null, 1, 365, 36_500]) expect(broken({ [rule]: days })).toBeUndefined()
      for (const days of [0, 36_501, ...not]) expect(broken({ [rule]: days })).toBe(rule)
    })
  }

  test('no default lifetime beyond the longest', () => {
    expect(broken({ codeLifetimeDays: 90, codeLifetimeDaysMax: 90 })).toBeUndefined()
    expect(broken({ codeLifetimeDays: null, codeLifetimeDaysMax: 90 })).toBeUndefined()
    expect(broken({ codeLifetimeDays: 91, codeLifetimeDaysMax: 90 })).toBe('codeLifetimeDays')
  })
})

test('presentations: places that can hold a key, each once', () => {
  expect(broken({ presentations: [{ place: 'QUERY', name: 'key' }] })).toBeUndefined()
  expect(broken({ presentations: [] })).toBe('presentations')
})

describe('default keys', () => {
  const on = { defaultKeys: true, secretDisplay: 'REVEALABLE' } as const

  test('are made without anybody there: who could take a secret, choose, or be refused', () => {
    expect(broken(on)).toBeUndefined()
    expect(broken({ ...on, authorizations: 'FROZEN', customSecrets: true, managedBy: 'OWNERS' })).toBeUndefined()
    for (const without of [
      { secretDisplay: 'ONCE' },
      { codesAtCreation: 0 },
      { activeKeysMax: 1_000 },
      { policyRequired: true },
      { expiryRequired: true },
    ] as const) {
      expect(broken({ ...on, ...without }), JSON.stringify(without)).toBe('defaultKeys')
      expect(broken({ ...on, ...without, defaultKeys: false })).toBeUndefined()
    }
  })

  test('can be asked for beside other rules that allow them', () => {
    expect(checkEachRule({ defaultKeys: true })).toEqual([])
    expect(checkEachRule({ secretDisplay: 'ONCE' })).toEqual([])
  })
})

test('what is wrong is said with its bounds', () => {
  expect(checkRules({ ...DEFAULT_RULES, liveCodesMax: 3 })?.why).toBe('must be a whole number from 1 to 2')
  expect(checkRules({ ...DEFAULT_RULES, codesAtCreation: 2, liveCodesMax: 1 })?.why).toMatch(
    'from 0 to 1 (liveCodesMax)',
  )
})

describe('rules by themselves', () => {
  test('are all named that can stand beside none', () => {
    const broken = checkEachRule({
      prefix: 'A',
      activeKeysMax: 0,
      liveCodesMax: 3,
      codesAtCreation: 3,
      expiryRequired: true,
    })
    expect(broken.map(({ rule }) => rule)).toEqual(['prefix', 'activeKeysMax', 'liveCodesMax', 'codesAtCreation'])
  })

  test('are not held against each other', () => {
    expect(checkEachRule({ liveCodesMax: 1, codesAtCreation: 2, codeLifetimeDays: 9, codeLifetimeDaysMax: 1 })).toEqual(
      [],
    )
    expect(checkEachRule({ codeLifetimeDays: 36_500 })).toEqual([])
    expect(checkEachRule({})).toEqual([])
  })
})
