// What is lost is told by questions that were made up for it. Held against many that were not.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Grant } from '#domain/grant.ts'
import { lossesOf, lossOf } from '#domain/loss.ts'
import { type Candidate, judge, type Question } from '#domain/verdict.ts'

const NOW = '2026-03-02T09:00:00.000Z'
const PAST = '2026-03-01T09:00:00.000Z'
const FUTURE = '2026-03-03T09:00:00.000Z'

function candidate(
  grants: readonly Grant[],
  rest: { code?: object; key?: object; upstreamUserRequired?: boolean } = {},
) {
  return {
    code: { enabled: true, expiresAt: null, replacedAt: null, overlapEndsAt: null, deletedAt: null, ...rest.code },
    key: { enabled: true, expiresAt: null, revokedAt: null, deletedAt: null, grants, actsAs: null, ...rest.key },
    upstreamUserRequired: rest.upstreamUserRequired ?? false,
  } satisfies Candidate
}

const direct = (...permissions: readonly string[]): Grant => ({ permissions, endpoints: [] })
const at = (path: string, methods: readonly string[] = ['GET'], ...permissions: readonly string[]): Grant => ({
  permissions,
  endpoints: [{ methods, path }],
})
const loss = (before: Candidate, after: Candidate) => lossOf(before, after, NOW)

describe('all is lost', () => {
  const before = candidate([direct('ads.read')])
  test.each([
    ['with its key', candidate([direct('ads.read')], { key: { revokedAt: NOW } })],
    ['with the code', candidate([direct('ads.read')], { code: { deletedAt: NOW } })],
    ['where it is switched off', candidate([direct('ads.read')], { code: { enabled: false } })],
    ['where it is replaced at once', candidate([direct('ads.read')], { code: { replacedAt: NOW } })],
    ['where it expires now', candidate([direct('ads.read')], { key: { expiresAt: NOW } })],
    ['with whom it acts as', candidate([direct('ads.read')], { key: { actsAs: { permissions: [], removed: true } } })],
  ])('%s', (_how, after) => {
    expect(loss(before, after)).toBe('ALL')
  })

  test('where other endpoints take the place of those it had', () => {
    expect(loss(candidate([at('/a')]), candidate([at('/b')]))).toBe('ALL')
  })
})

describe('something is lost', () => {
  test.each([
    ['a permission', [direct('ads.read', 'ads.write')], [direct('ads.read')]],
    ['what a wildcard gave beyond what is named', [direct('ads.*')], [direct('ads.read', 'ads.write')]],
    ['what only everything gave', [direct('*')], [direct('ads.*')]],
    ['all permissions: it can still be presented', [direct('ads.read')], [direct()]],
    [
      'what is not asked for anywhere in particular, once there are rules',
      [direct('ads.read')],
      [direct('ads.read'), at('/a')],
    ],
    ['a method', [at('/a', ['GET', 'PUT'])], [at('/a', ['GET'])]],
    ['all but one of the paths', [at('/a/*')], [at('/a/x')]],
    ['methods that nobody has named', [at('/a', ['*'])], [at('/a', ['GET', 'PUT'])]],
    ['longer paths', [at('/a/*')], [at('/a/:id'), at('/a/:id/:part')]],
    ['the path of the folder itself', [at('/a/*')], [at('/a/:id/*'), at('/a/:id')]],
    ['all but what holds somewhere, by a wider name', [direct('ads.read')], [at('/a', ['GET'], 'ads.*')]],
    ['all but what the rules have in common', [at('/a/*', ['*'], 'p')], [at('/*', ['GET'], 'p')]],
    ['all but a narrower permission, which holds everywhere', [at('/a', ['GET'], 'ads.*')], [direct('ads.read')]],
    ['where a permission holds', [direct('ads.read'), at('/a')], [at('/a', ['GET'], 'ads.read')]],
  ])('%s', (_what, before, after) => {
    expect(loss(candidate(before), candidate(after))).toBe('SOME')
  })

  test('without a user, once one is required', () => {
    expect(loss(candidate([direct('a')]), candidate([direct('a')], { upstreamUserRequired: true }))).toBe('SOME')
  })

  test('what whom it acts as may do no more', () => {
    const as = (...permissions: readonly string[]) =>
      candidate([direct('*')], { key: { actsAs: { permissions, removed: false } } })
    expect(loss(as('ads.*'), as('ads.read'))).toBe('SOME')
    expect(loss(as('ads.read'), as('ads.*'))).toBeUndefined()
  })
})

describe('nothing is lost', () => {
  test.each([
    ['where it is wider', [direct('ads.read')], [direct('ads.*')]],
    ['where another grant gives it', [direct('ads.read'), direct('b')], [direct('b', 'ads.read')]],
    ['where a wider path allows it', [at('/a/:id')], [at('/a/*', ['*'])]],
    ['where two grants change places', [at('/a'), direct('b')], [direct('b'), at('/a')]],
    ['of a literal that looks like a pattern', [at('/a\\:b/\\*')], [at('/a\\:b/\\*'), at('/c')]],
  ])('%s', (_where, before, after) => {
    expect(loss(candidate(before), candidate(after))).toBeUndefined()
  })

  test.each([
    ['revoked', { key: { revokedAt: PAST } }],
    ['expired', { code: { expiresAt: PAST } }],
    ['switched off', { key: { enabled: false } }],
    ['past its overlap', { code: { replacedAt: PAST, overlapEndsAt: PAST } }],
  ])('of what was %s already', (_how, rest) => {
    expect(loss(candidate([direct('a')], rest), candidate([direct('a')], { key: { deletedAt: NOW } }))).toBeUndefined()
  })

  test('of a code that has yet to expire, or to end its overlap', () => {
    const before = candidate([direct('a')])
    const after = candidate([direct('a')], { code: { replacedAt: NOW, overlapEndsAt: FUTURE } })
    expect(loss(before, after)).toBeUndefined()
  })
})

describe('later is lost', () => {
  const LATER = '2026-03-04T09:00:00.000Z'
  const losses = (before: Candidate, after: Candidate) => lossesOf(before, after, NOW)
  const inOverlap = { code: { replacedAt: NOW, overlapEndsAt: FUTURE } }

  test.each([
    ['a code that is replaced, when its overlap ends', {}, inOverlap],
    ['what never expired, when it is to expire', {}, { key: { expiresAt: FUTURE } }],
    ['what expires sooner than it would have', { key: { expiresAt: LATER } }, { key: { expiresAt: FUTURE } }],
    ['a code in overlap that is cut short', { code: { replacedAt: PAST, overlapEndsAt: LATER } }, inOverlap],
  ])('%s', (_what, before, after) => {
    expect(losses(candidate([direct('a')], before), candidate([direct('a')], after))).toEqual([
      { loss: 'ALL', at: FUTURE },
    ])
  })

  test.each([
    ['lasts as long as it would have', { key: { expiresAt: FUTURE } }, { key: { expiresAt: FUTURE } }],
    ['lasts longer', { key: { expiresAt: FUTURE } }, { key: { expiresAt: LATER } }],
    [
      'expires before its overlap ends',
      { code: { expiresAt: FUTURE } },
      { code: { replacedAt: NOW, overlapEndsAt: LATER, expiresAt: FUTURE } },
    ],
    ['opened nothing', { key: { enabled: false } }, { key: { expiresAt: FUTURE } }],
  ])('nothing of what %s', (_what, before, after) => {
    expect(losses(candidate([direct('a')], before), candidate([direct('a')], after))).toEqual([])
  })

  test('the rest of what loses some at once', () => {
    const after = candidate([direct('a')], { key: { expiresAt: FUTURE } })
    expect(losses(candidate([direct('a', 'b')]), after)).toEqual([
      { loss: 'SOME', at: NOW },
      { loss: 'ALL', at: FUTURE },
    ])
  })

  test('nothing more of what loses all at once', () => {
    const after = candidate([direct('a')], { key: { enabled: false, expiresAt: FUTURE } })
    expect(losses(candidate([direct('a')]), after)).toEqual([{ loss: 'ALL', at: NOW }])
  })
})

test('more than can be asked for counts as a loss where it changes at all', () => {
  const many = Array.from({ length: 100 }, (_, index) => `p${index}`)
  const rules = Array.from({ length: 32 }, (_, index) => ({ methods: ['GET'], path: `/a${index}/*` }))
  const before = candidate([{ permissions: many, endpoints: rules }])
  expect(loss(before, candidate([{ permissions: many, endpoints: rules }]))).toBeUndefined()
  expect(loss(before, candidate([{ permissions: many, endpoints: rules }, direct('more')]))).toBe('SOME')
})

describe('whatever is granted', () => {
  const permissions = fc.subarray(['*', 'ads.*', 'ads.read', 'ads.read.own', 'reports.export'])
  const rules = fc.subarray([
    { methods: ['GET'], path: '/reports/:id' },
    { methods: ['*'], path: '/ads/*' },
    { methods: ['POST', 'GET'], path: '/ads/:id/x' },
    { methods: ['GET'], path: '/*' },
  ])
  const grants = fc.array(fc.record({ permissions, endpoints: fc.oneof(fc.constant([]), rules) }), { maxLength: 3 })
  const limits = fc.option(permissions.map((all) => ({ permissions: all, removed: false })))
  const candidates = fc
    .tuple(grants, limits, fc.boolean())
    .map(([given, actsAs, upstreamUserRequired]) => candidate(given, { key: { actsAs }, upstreamUserRequired }))
  const permission = fc.option(
    fc
      .constantFrom('ads.read', 'ads.read.own', 'ads.write', 'reports.export', 'reports', 'x.y')
      .map((name) => ({ kind: 'permission', permission: name }) as const),
  )
  const endpoint = fc.option(
    fc.record({
      method: fc.constantFrom('GET', 'POST', 'HEAD'),
      path: fc.constantFrom('/reports/7', '/ads/7', '/ads/', '/ads/7/x', '/ads/a/b/c', '/', '/other'),
    }),
  )
  const questions: fc.Arbitrary<Question> = fc.record({ permission, endpoint, hasUpstreamUser: fc.boolean() })

  test('nobody is refused what is said to be kept, or given what is said to be lost', () => {
    fc.assert(
      fc.property(candidates, candidates, fc.array(questions, { minLength: 20 }), (before, after, asked) => {
        const told = loss(before, after)
        const opened = asked.filter((question) => judge(before, question, NOW).code === 'VALID')
        const kept = opened.filter((question) => judge(after, question, NOW).code === 'VALID')
        if (told === undefined) expect(kept).toEqual(opened)
        if (told === 'ALL') expect(kept).toEqual([])
      }),
      { numRuns: 2_000 },
    )
  })
})
