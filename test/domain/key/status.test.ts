import { describe, expect, test } from 'vitest'
import { codeStatus, inOverlap, isLive, newestOfSlot } from '#domain/key/code-status.ts'
import { isActive, type KeyStanding, type KeyStatus, keyStatus, standingOf } from '#domain/key/key-status.ts'
import { at } from '#test/support/given.ts'
import { BORN, created, days, deleted, keyAfter, NOW, oneCode, revoked, seconds } from './fixtures.ts'

const LIVE = { enabled: true, expiresAt: null, replacedAt: null, overlapEndsAt: null, deletedAt: null }
const ACTIVE = { enabled: true, expiresAt: null, revokedAt: null, deletedAt: null }

describe('a code is live', () => {
  test('enabled or not, until its own expiry is reached', () => {
    expect(isLive(LIVE, NOW)).toBe(true)
    expect(isLive({ ...LIVE, expiresAt: seconds(0.001) }, NOW)).toBe(true)
    expect(isLive({ ...LIVE, expiresAt: NOW }, NOW)).toBe(false)
  })

  test('not once it is replaced or deleted, whenever that was', () => {
    for (const instant of [BORN, days(1)]) {
      expect(isLive({ ...LIVE, replacedAt: instant }, NOW)).toBe(false)
      expect(isLive({ ...LIVE, deletedAt: instant }, NOW)).toBe(false)
    }
  })
})

test('an overlap runs until its end is reached, of a replaced code that is not deleted', () => {
  const overlapping = { ...LIVE, replacedAt: BORN, overlapEndsAt: days(1) }
  expect(inOverlap(overlapping, NOW)).toBe(true)
  expect(inOverlap(overlapping, seconds(-0.001, days(1)))).toBe(true)
  expect(inOverlap(overlapping, days(1))).toBe(false)
  expect(inOverlap({ ...overlapping, overlapEndsAt: null }, NOW)).toBe(false)
  expect(inOverlap({ ...overlapping, replacedAt: null }, NOW)).toBe(false)
  expect(inOverlap({ ...overlapping, deletedAt: BORN }, NOW)).toBe(false)
})

describe('the status of a code is the first that applies', () => {
  // Each one with all that come after it in the order.
  const expired = { ...LIVE, expiresAt: NOW }
  const disabled = { ...expired, enabled: false }
  const replaced = { ...disabled, replacedAt: BORN, overlapEndsAt: days(1) }
  const removed = { ...replaced, deletedAt: BORN }
  for (const [code, keyRevoked, status] of [
    [LIVE, false, 'VALID'],
    [expired, false, 'EXPIRED'],
    [disabled, false, 'DISABLED'],
    [replaced, false, 'REPLACED'],
    [LIVE, true, 'REVOKED'],
    [replaced, true, 'REVOKED'],
    [removed, true, 'DELETED'],
    [removed, false, 'DELETED'],
  ] as const) {
    test(`${status}${keyRevoked ? ', its key revoked' : ''}: ${JSON.stringify(code)}`, () => {
      expect(codeStatus(code, keyRevoked, NOW)).toBe(status)
    })
  }
})

describe('the status of a key is the first that applies', () => {
  const expired = { ...ACTIVE, expiresAt: NOW }
  const disabled = { ...expired, enabled: false }
  const withdrawn = { ...disabled, revokedAt: BORN }
  const cases: readonly (readonly [KeyStanding, KeyStatus, boolean])[] = [
    [ACTIVE, 'ACTIVE', true],
    [{ ...ACTIVE, expiresAt: days(1) }, 'ACTIVE', true],
    [{ ...ACTIVE, enabled: false }, 'DISABLED', true],
    [expired, 'EXPIRED', false],
    [disabled, 'DISABLED', false],
    [withdrawn, 'REVOKED', false],
    [{ ...ACTIVE, revokedAt: BORN }, 'REVOKED', false],
    [{ ...withdrawn, deletedAt: BORN }, 'DELETED', false],
    [{ ...ACTIVE, deletedAt: BORN }, 'DELETED', false],
  ]
  for (const [key, status, counts] of cases) {
    test(`${status}, ${counts ? 'counted' : 'not counted'}: ${JSON.stringify(key)}`, () => {
      expect(keyStatus(key, NOW)).toBe(status)
      expect(isActive(key, NOW)).toBe(counts)
    })
  }

  test('of a folded key as of a row', () => {
    const history = at(BORN, created({ enabled: false, expiresAt: days(1) }))
    const standing = { enabled: false, expiresAt: days(1), revokedAt: null, deletedAt: null }
    expect(standingOf(keyAfter(history))).toEqual(standing)
    expect(standingOf(keyAfter(history, at(NOW, revoked)))).toEqual({ ...standing, revokedAt: NOW })
    const gone = standingOf(keyAfter(history, at(NOW, revoked), at(days(2), deleted)))
    expect(gone).toEqual({ ...standing, revokedAt: NOW, deletedAt: days(2) })
  })
})

test('the newest of a slot is the last issued, deleted or not', () => {
  const codes = [
    { slot: 'PRIMARY', codeId: 'a' },
    { slot: 'SECONDARY', codeId: 'b' },
    { slot: 'PRIMARY', codeId: 'c' },
  ] as const
  expect(newestOfSlot(codes, 'PRIMARY')?.codeId).toBe('c')
  expect(newestOfSlot(codes, 'SECONDARY')?.codeId).toBe('b')
  expect(newestOfSlot(keyAfter(oneCode()).codes, 'SECONDARY')).toBeUndefined()
})
