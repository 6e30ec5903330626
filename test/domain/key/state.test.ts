import { describe, expect, test } from 'vitest'
import type { Recorded } from '#domain/event.ts'
import type { KeyFact } from '#domain/key/events.ts'
import { evolveKey, initialKey } from '#domain/key/state.ts'
import { at, SOMEONE } from '#test/support/given.ts'
import {
  activeAfter,
  BORN,
  code,
  codeDeleted,
  codeDisabled,
  codeEnabled,
  codeIn,
  created,
  DETAILS,
  days,
  deleted,
  frozen,
  issued,
  keyAfter,
  keyDisabled,
  keyEnabled,
  NOW,
  oneCode,
  revoked,
  rotated,
  seconds,
} from './fixtures.ts'

const LATER = seconds(10)
const two = at(BORN, created(), issued('a'), issued('b', { slot: 'SECONDARY' }))
const codeUpdated = (codeId: string, description: string | null): KeyFact => ({
  type: 'code.updated',
  data: { codeId, description },
})

describe('a key is what its events say', () => {
  test('made', () => {
    expect(keyAfter(at(BORN, created({ enabled: false })))).toEqual({
      ...DETAILS,
      isDefault: false,
      frozenPolicies: null,
      status: 'active',
      keyspaceId: 'keyspace-1',
      enabled: false,
      createdAt: BORN,
      createdBy: SOMEONE,
      updatedAt: BORN,
      codes: [],
      rotations: [],
    })
  })

  test('updated: what the event names, and nothing else', () => {
    const before = activeAfter(two)
    const after = activeAfter(two, at(NOW, { type: 'key.updated', data: { name: 'other', expiresAt: days(1) } }))
    expect(after).toEqual({ ...before, name: 'other', expiresAt: days(1), updatedAt: NOW })
  })

  test('switched off and on', () => {
    expect(keyAfter(two, at(NOW, keyDisabled)).enabled).toBe(false)
    expect(keyAfter(two, at(NOW, keyDisabled, keyEnabled)).enabled).toBe(true)
  })

  test('revoked, then deleted: who revoked, when and why stays', () => {
    const revocation = { at: NOW, by: SOMEONE, reason: 'KEY_COMPROMISE', note: 'seen in a log' }
    const before = activeAfter(two)
    expect(keyAfter(two, at(NOW, revoked))).toEqual({ ...before, status: 'revoked', revocation, updatedAt: NOW })
    const expected = { ...before, status: 'deleted', revocation, deletedAt: LATER, updatedAt: LATER }
    expect(keyAfter(two, at(NOW, revoked), at(LATER, deleted))).toEqual(expected)
  })

  test('a code is issued enabled, with who and when', () => {
    expect(codeIn(keyAfter(oneCode()), 'a')).toEqual({
      ...code('a'),
      enabled: true,
      issuedAt: BORN,
      issuedBy: SOMEONE,
      replacedAt: null,
      replacedById: null,
      overlapEndsAt: null,
      deletedAt: null,
    })
  })

  test('a code is switched, described and deleted', () => {
    const before = codeIn(keyAfter(two), 'a')
    const became = (...facts: readonly KeyFact[]) => codeIn(keyAfter(two, at(NOW, ...facts)), 'a')
    expect(became(codeDisabled('a'))).toEqual({ ...before, enabled: false })
    expect(became(codeDisabled('a'), codeEnabled('a'))).toEqual(before)
    expect(became(codeUpdated('a', 'new'))).toEqual({ ...before, description: 'new' })
    expect(became(codeDeleted('a'))).toEqual({ ...before, deletedAt: NOW })
  })
})

describe('rotation', () => {
  test('retires the code, appends its replacement and remembers both', () => {
    const before = activeAfter(two)
    const after = activeAfter(two, at(NOW, rotated('a', 'c', days(1), { expiresAt: days(9) })))
    const retired = { ...codeIn(before, 'a'), replacedAt: NOW, replacedById: 'c', overlapEndsAt: days(1) }
    const replacement = { ...codeIn(before, 'a'), ...code('c', { expiresAt: days(9) }), issuedAt: NOW }
    expect(after).toEqual({
      ...before,
      updatedAt: NOW,
      codes: [retired, codeIn(before, 'b'), replacement],
      rotations: [
        {
          rotationId: 'rotation-to-c',
          slot: 'PRIMARY',
          retiredCodeId: 'a',
          replacementCodeId: 'c',
          rotatedAt: NOW,
          rotatedBy: SOMEONE,
        },
      ],
    })
  })

  test('ends an earlier overlap of the slot, not one of the other slot', () => {
    const overlaps = at(BORN, rotated('a', 'c', days(1)), rotated('b', 'd', days(1), { slot: 'SECONDARY' }))
    const after = keyAfter(two, overlaps, at(NOW, rotated('c', 'e', days(1))))
    expect(codeIn(after, 'a').overlapEndsAt).toBe(NOW)
    expect(codeIn(after, 'c').overlapEndsAt).toBe(days(1))
    expect(codeIn(after, 'b').overlapEndsAt).toBe(days(1))
  })

  test('ends the overlap of a code whose replacement was deleted and its slot issued anew', () => {
    const history = at(BORN, rotated('a', 'c', days(1)), codeDeleted('c'), issued('e'))
    expect(codeIn(keyAfter(two, history, at(NOW, rotated('e', 'f', null))), 'a').overlapEndsAt).toBe(NOW)
  })

  test('leaves the end of an overlap that is over where it was', () => {
    const after = keyAfter(two, at(BORN, rotated('a', 'c', NOW)), at(LATER, rotated('c', 'd')))
    expect(codeIn(after, 'a').overlapEndsAt).toBe(NOW)
  })
})

describe('disabling or deleting a code in overlap', () => {
  const overlap = [...two, ...at(BORN, rotated('a', 'c', days(1)))]
  for (const [name, fact] of [
    ['disabled', codeDisabled('a')],
    ['deleted', codeDeleted('a')],
  ] as const) {
    test(`${name}: the overlap is over`, () => {
      expect(codeIn(keyAfter(overlap, at(NOW, fact)), 'a').overlapEndsAt).toBe(NOW)
    })

    test(`${name} after its overlap: the end stays where it was`, () => {
      expect(codeIn(keyAfter(overlap, at(days(2), fact)), 'a').overlapEndsAt).toBe(days(1))
    })
  }

  test('switched on again, the overlap stays over', () => {
    const after = codeIn(keyAfter(overlap, at(NOW, codeDisabled('a')), at(LATER, codeEnabled('a'))), 'a')
    expect(after.overlapEndsAt).toBe(NOW)
  })
})

describe('what an event leaves alone', () => {
  const everyKind: readonly KeyFact[] = [
    { type: 'key.updated', data: { name: 'other' } },
    frozen(),
    keyEnabled,
    keyDisabled,
    revoked,
    issued('x', { slot: 'SECONDARY' }),
    rotated('a', 'x'),
    codeUpdated('a', 'new'),
    codeEnabled('a'),
    codeDisabled('a'),
    codeDeleted('a'),
  ]
  for (const fact of everyKind) {
    test(`${fact.type}: codes keep their identity, updatedAt is the event's`, () => {
      const before = activeAfter(two)
      const after = evolveKey(before, { ...fact, at: NOW, actor: SOMEONE, version: 4 })
      if (after.status === 'none') throw new Error('The key is gone.')
      expect(after.updatedAt).toBe(NOW)
      expect(after.codes.find(({ codeId }) => codeId === 'b')).toBe(codeIn(before, 'b'))
      if (fact.type.startsWith('key.') && fact.type !== 'key.rotated') expect(after.codes).toBe(before.codes)
    })
  }
})

describe('events that no decider makes', () => {
  const cases: readonly [string, readonly Recorded<KeyFact>[], KeyFact][] = [
    ['made twice', two, created()],
    ['changed before it is made', [], keyDisabled],
    ['deleted without being revoked', two, deleted],
    ['changed after it was revoked', [...two, ...at(BORN, revoked)], keyEnabled],
    ['revoked twice', [...two, ...at(BORN, revoked)], revoked],
    ['changed after it was deleted', [...two, ...at(BORN, revoked, deleted)], issued('x')],
    ['deleted twice', [...two, ...at(BORN, revoked, deleted)], deleted],
    ['a code it never had', two, codeDisabled('x')],
    ['a rotation of a code it never had', two, rotated('x', 'y')],
  ]
  for (const [name, history, fact] of cases) {
    test(`${name}: the fold stops`, () => {
      const state = history.length === 0 ? initialKey : keyAfter(history)
      expect(() => evolveKey(state, { ...fact, at: NOW, actor: SOMEONE, version: 9 })).toThrow('Invariant broken')
    })
  }
})
