import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Instant } from '#domain/instant.ts'
import { parseExpression } from '#domain/permission-expression.ts'
import {
  type Candidate,
  type JudgedCode,
  judge,
  type Question,
  type VerificationCode,
  verdictMessage,
} from '#domain/verdict.ts'

const BEFORE: Instant = '2026-03-01T09:00:00.000Z'
const NOW: Instant = '2026-03-02T09:00:00.000Z'
const SOON: Instant = '2026-03-02T09:00:00.001Z'
const LATER: Instant = '2026-03-03T09:00:00.000Z'

const ANYTHING: Question = { permission: null, endpoint: null, hasUpstreamUser: false }
function asking(text: string): Question {
  const parsed = parseExpression(text)
  if (parsed.kind === 'malformed') throw new Error(parsed.expected)
  return { permission: parsed.expression, endpoint: null, hasUpstreamUser: false }
}

const granting = (...permissions: readonly string[]) => [{ permissions, endpoints: [] }]

function candidate(code: Partial<Candidate['code']> = {}, key: Partial<Candidate['key']> = {}): Candidate {
  return {
    code: { enabled: true, expiresAt: null, replacedAt: null, overlapEndsAt: null, deletedAt: null, ...code },
    key: {
      enabled: true,
      expiresAt: null,
      revokedAt: null,
      deletedAt: null,
      grants: granting('ads.*'),
      actsAs: null,
      ...key,
    },
    upstreamUserRequired: false,
  }
}

// Every way to each verdict, in the order of precedence.
const WAYS: readonly [JudgedCode, Partial<Candidate['code']>, Partial<Candidate['key']>][] = [
  ['REVOKED', {}, { revokedAt: BEFORE }],
  ['REVOKED', {}, { deletedAt: BEFORE }],
  ['REVOKED', { deletedAt: BEFORE }, {}],
  ['REPLACED', { replacedAt: BEFORE }, {}],
  ['REPLACED', { replacedAt: BEFORE, overlapEndsAt: BEFORE }, {}],
  ['REPLACED', { replacedAt: BEFORE, overlapEndsAt: NOW }, {}],
  ['DISABLED', { enabled: false }, {}],
  ['DISABLED', {}, { enabled: false }],
  ['EXPIRED', { expiresAt: NOW }, {}],
  ['EXPIRED', {}, { expiresAt: NOW }],
  ['INSUFFICIENT_PERMISSIONS', {}, { grants: [] }],
]

describe('one thing wrong is enough', () => {
  for (const [verdict, code, key] of WAYS) {
    test(`${verdict}: ${JSON.stringify({ ...code, ...key })}`, () => {
      expect(judge(candidate(code, key), asking('ads.read'), NOW).code).toBe(verdict)
    })
  }
})

test('of two things wrong, the first in the order of precedence is told', () => {
  for (const [index, [verdict, code, key]] of WAYS.entries()) {
    for (const [, otherCode, otherKey] of WAYS.slice(index)) {
      // The first way's fields win, so that it still applies.
      const both = candidate({ ...otherCode, ...code }, { ...otherKey, ...key })
      expect(judge(both, asking('ads.read'), NOW).code).toBe(verdict)
    }
  }
})

describe('VALID', () => {
  test('nothing wrong', () => {
    expect(judge(candidate(), ANYTHING, NOW)).toEqual({ code: 'VALID', expiresAt: null })
    expect(judge(candidate(), asking('ads.read AND ads.write'), NOW).code).toBe('VALID')
  })

  test('up to the last moment before each end', () => {
    expect(judge(candidate({ expiresAt: SOON }), ANYTHING, NOW).code).toBe('VALID')
    expect(judge(candidate({}, { expiresAt: SOON }), ANYTHING, NOW).code).toBe('VALID')
    expect(judge(candidate({ replacedAt: BEFORE, overlapEndsAt: SOON }), ANYTHING, NOW).code).toBe('VALID')
  })

  test('without any permission, where none is asked for', () => {
    expect(judge(candidate({}, { grants: [] }), ANYTHING, NOW).code).toBe('VALID')
  })
})

describe('what an overlap does not lift', () => {
  const overlap = { replacedAt: BEFORE, overlapEndsAt: LATER }
  test('a switch, an expiry, a missing permission, a revocation', () => {
    expect(judge(candidate({ ...overlap, enabled: false }), ANYTHING, NOW).code).toBe('DISABLED')
    expect(judge(candidate({ ...overlap, expiresAt: NOW }), ANYTHING, NOW).code).toBe('EXPIRED')
    expect(judge(candidate(overlap), asking('reports.read'), NOW).code).toBe('INSUFFICIENT_PERMISSIONS')
    expect(judge(candidate(overlap, { revokedAt: LATER }), ANYTHING, NOW).code).toBe('REVOKED')
  })
})

describe('where an authenticated user is required', () => {
  const guarded = (...[code, key]: Parameters<typeof candidate>) => ({
    ...candidate(code, key),
    upstreamUserRequired: true,
  })

  test('nothing opens without one', () => {
    expect(judge(guarded(), ANYTHING, NOW).code).toBe('UPSTREAM_USER_REQUIRED')
    expect(judge(guarded(), { ...ANYTHING, hasUpstreamUser: true }, NOW).code).toBe('VALID')
  })

  test('that is told before what the key lacks, and after what is wrong with the key', () => {
    for (const [verdict, code, key] of WAYS) {
      const expected = verdict === 'INSUFFICIENT_PERMISSIONS' ? 'UPSTREAM_USER_REQUIRED' : verdict
      expect(judge(guarded(code, key), asking('ads.read'), NOW).code).toBe(expected)
      expect(judge(guarded(code, key), { ...asking('ads.read'), hasUpstreamUser: true }, NOW).code).toBe(verdict)
    }
  })
})

// Revocation never depends on a clock: one that lags must not bring back what another has ended.
test('revoked, deleted and replaced at once are seen by a clock that lags behind them', () => {
  expect(judge(candidate({}, { revokedAt: LATER }), ANYTHING, NOW).code).toBe('REVOKED')
  expect(judge(candidate({}, { deletedAt: LATER }), ANYTHING, NOW).code).toBe('REVOKED')
  expect(judge(candidate({ deletedAt: LATER }), ANYTHING, NOW).code).toBe('REVOKED')
  expect(judge(candidate({ replacedAt: LATER }), ANYTHING, NOW).code).toBe('REPLACED')
})

test("the verdict ends with the earliest of the key's expiry, the code's and the overlap", () => {
  const ends = [BEFORE, NOW, LATER]
  for (const [key, code, overlap] of [ends, ends.toReversed(), [NOW, BEFORE, LATER], [LATER, BEFORE, NOW]]) {
    const judged = candidate({ expiresAt: code!, replacedAt: BEFORE, overlapEndsAt: overlap! }, { expiresAt: key! })
    expect(judge(judged, ANYTHING, NOW).expiresAt).toBe(BEFORE)
  }
  expect(judge(candidate({ expiresAt: LATER }), ANYTHING, NOW).expiresAt).toBe(LATER)
  expect(judge(candidate({}, { expiresAt: LATER }), ANYTHING, NOW).expiresAt).toBe(LATER)
  expect(judge(candidate({ replacedAt: BEFORE, overlapEndsAt: LATER }), ANYTHING, NOW).expiresAt).toBe(LATER)
})

test('every verdict there is has a message of its own', () => {
  const union = /export type VerificationCode =((?:\s*\| '\w+')+)/.exec(readFileSync('src/domain/verdict.ts', 'utf8'))
  const codes = Array.from(union![1]!.matchAll(/'(\w+)'/g), ([, code]) => code as VerificationCode)
  expect(codes.length).toBeGreaterThanOrEqual(10)
  expect(new Set(codes.map(verdictMessage)).size).toBe(codes.length)
  for (const code of codes) expect(verdictMessage(code)).toMatch(/^[A-Z].+\.$/)
})

describe('a key that acts as a user', () => {
  const actingAs = (permissions: readonly string[], removed = false) =>
    candidate({}, { grants: granting('ads.*'), actsAs: { permissions, removed } })
  const code = (judged: Candidate, question: Question) => judge(judged, question, NOW).code

  test('opens what both may', () => {
    expect(code(actingAs(['ads.read']), asking('ads.read'))).toBe('VALID')
    expect(code(actingAs(['ads.read']), asking('ads.write'))).toBe('INSUFFICIENT_PERMISSIONS')
    expect(code(actingAs(['reports.read']), asking('reports.read'))).toBe('INSUFFICIENT_PERMISSIONS')
    expect(code(actingAs([]), ANYTHING)).toBe('VALID')
  })

  test('opens nothing at all once the user is removed', () => {
    for (const question of [ANYTHING, asking('ads.read')])
      expect(code(actingAs(['*'], true), question)).toBe('INSUFFICIENT_PERMISSIONS')
  })
})
