import { describe, expect, test } from 'vitest'
import { defaultKeyOf, isDefaultKey } from '#domain/key/default-key.ts'
import { at, fold, givenFor } from '#test/support/given.ts'
import { BORN, create, created, keyDecider, NOW, request, revoked, rules, update } from './fixtures.ts'

const given = givenFor(keyDecider)

const ON = rules({ defaultKeys: true, defaultKeyName: 'Yours', secretDisplay: 'REVEALABLE' })
const OFF = rules({ secretDisplay: 'REVEALABLE' })
const DETAILS = defaultKeyOf('user-1', ON)
const born = at(BORN, created({ ...DETAILS, isDefault: true }))
const isDefaultAfter = (...facts: Parameters<typeof at>[1][]) => {
  const state = fold(keyDecider, [...born, ...at(NOW, ...(facts as never[]))])
  return state.status !== 'none' && isDefaultKey(state, ON)
}

describe('a default key', () => {
  test('is called as the rule says, is its user’s, always acts as them, and holds everything', () => {
    expect(DETAILS).toMatchObject({ name: 'Yours', ownerId: 'user-1', actsAsId: 'user-1', permissions: ['*'] })
    given()
      .when(create({ rules: ON, details: DETAILS, isDefault: true, codes: [] }))
      .then([created({ ...DETAILS, isDefault: true })])
  })

  test('acts as its user where keys do not act as their owners by themselves', () => {
    const managed = { ...ON, managedBy: 'ADMINISTRATORS' } as const
    given()
      .when(create({ rules: managed, details: defaultKeyOf('user-1', managed), isDefault: true }))
      .then([created({ ...DETAILS, isDefault: true })])
  })

  test('can not be given away, nor act as another, by anybody', () => {
    for (const ownerId of ['user-2', null])
      given(born)
        .when(update({ ownerId }, { rules: ON }))
        .thenRefused({ code: 'DEFAULT_KEY', field: 'ownerId' })
    for (const actsAsId of ['user-2', null])
      given(born)
        .when(update({ actsAsId }, { rules: ON }))
        .thenRefused({ code: 'DEFAULT_KEY', field: 'actsAs' })
  })

  test('can be edited in everything else, and said again to be its user’s', () => {
    given(born)
      .when(update({ name: 'laptop', ownerId: 'user-1', actsAsId: 'user-1' }, { rules: ON }))
      .then([{ type: 'key.updated', data: { name: 'laptop' } }])
  })

  test('stays one through all edits, and is none once it is revoked', () => {
    expect(isDefaultAfter({ type: 'key.updated', data: { name: 'laptop' } })).toBe(true)
    expect(isDefaultAfter({ type: 'key.disabled', data: {} })).toBe(true)
    expect(isDefaultAfter(revoked)).toBe(false)
    expect(isDefaultAfter(revoked, { type: 'key.deleted', data: {} })).toBe(false)
  })

  test('is an ordinary key while the rule is off, and one again when it is on', () => {
    const state = fold(keyDecider, born)
    expect(state.status !== 'none' && isDefaultKey(state, OFF)).toBe(false)
    expect(state.status !== 'none' && isDefaultKey(state, ON)).toBe(true)
  })

  test('that was given away while the rule was off is nobody’s default key ever after', () => {
    given(born)
      .when(update({ ownerId: 'user-2' }, { rules: OFF }))
      .then([{ type: 'key.updated', data: { ownerId: 'user-2' } }])
    expect(isDefaultAfter({ type: 'key.updated', data: { ownerId: 'user-2' } })).toBe(false)
    expect(isDefaultAfter({ type: 'key.updated', data: { actsAsId: null } })).toBe(false)
    const back = [
      { type: 'key.updated', data: { ownerId: 'user-2' } },
      { type: 'key.updated', data: { ownerId: 'user-1' } },
    ] as const
    expect(isDefaultAfter(...back)).toBe(false)
  })

  test('is never what somebody asked for', () => {
    const asked = create({ rules: ON, details: DETAILS, codes: [request('a')] })
    const decision = keyDecider.decide(asked, keyDecider.initial)
    expect(decision).toMatchObject({ kind: 'accepted', facts: [{ data: { isDefault: false } }, {}] })
  })
})
