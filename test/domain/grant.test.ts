import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Endpoint, EndpointRule } from '#domain/endpoint.ts'
import { type Asked, effectivePermissions, type Grant, suffices } from '#domain/grant.ts'
import { parseExpression } from '#domain/permission-expression.ts'

const rule = (path: string, ...methods: readonly string[]): EndpointRule => ({ path, methods })
const grant = (permissions: readonly string[], ...endpoints: readonly EndpointRule[]): Grant => ({
  permissions,
  endpoints,
})
const at = (path: string, method = 'GET'): Endpoint => ({ method, path })

function asking(permission: string | null, endpoint: Endpoint | null): Asked {
  if (permission === null) return { permission, endpoint }
  const parsed = parseExpression(permission)
  if (parsed.kind === 'malformed') throw new Error(parsed.expected)
  return { permission: parsed.expression, endpoint }
}

const READ = grant(['ads.read'])
const READ_ADS = grant(['ads.read'], rule('/ads/*', 'GET'))
const WRITE_ADS = grant(['ads.write'], rule('/ads/*', 'POST'))
const EVERYTHING = grant(['*'])
const EVERYTHING_AT_ADS = grant(['*'], rule('/ads/*', '*'))
const ADS_ONLY = grant([], rule('/ads/*', 'GET'))

const TABLE: readonly (readonly [string, readonly Grant[], string | null, Endpoint | null, boolean])[] = [
  ['nothing asked of nothing', [], null, null, true],
  ['nothing asked, no rules', [READ], null, null, true],
  ['nothing asked, rules', [READ_ADS], null, null, false],
  ['nothing asked, one of two with rules', [READ, READ_ADS], null, null, false],
  ['nothing asked, full control beside rules', [EVERYTHING, READ_ADS], null, null, false],
  ['a permission, no rules', [READ], 'ads.read', null, true],
  ['a permission that is not granted', [READ], 'ads.write', null, false],
  ['a permission of nothing', [], 'ads.read', null, false],
  ['a permission without rules, wherever', [READ], 'ads.read', at('/elsewhere'), true],
  ['a permission without rules, at a hostile path', [READ], 'ads.read', at('//ads'), true],
  ['a permission with rules, nowhere said', [READ_ADS], 'ads.read', null, false],
  ['a permission with rules, there', [READ_ADS], 'ads.read', at('/ads/7'), true],
  ['a permission with rules, elsewhere', [READ_ADS], 'ads.read', at('/reports'), false],
  ['a permission with rules, by another method', [READ_ADS], 'ads.read', at('/ads/7', 'POST'), false],
  ['a permission with rules, at a hostile path', [READ_ADS], 'ads.read', at('/ads/../ads/7'), false],
  ['rules scope their own grant only', [READ_ADS, WRITE_ADS], 'ads.write', at('/ads/7'), false],
  [
    'the rules of one do not open the permission of another',
    [grant(['ads.write'], rule('/x', '*')), ADS_ONLY],
    'ads.write',
    at('/ads/7'),
    false,
  ],
  [
    'the same permission from two, one of them there',
    [READ_ADS, grant(['ads.read'], rule('/x', '*'))],
    'ads.read',
    at('/x'),
    true,
  ],
  [
    'each permission of an expression by itself',
    [READ_ADS, READ, WRITE_ADS],
    'ads.read AND ads.write',
    at('/ads/7', 'POST'),
    true,
  ],
  ['and one of them missing there', [READ_ADS, WRITE_ADS], 'ads.read AND ads.write', at('/ads/7', 'POST'), false],
  ['one of two is enough for OR', [READ_ADS, WRITE_ADS], 'ads.read OR ads.write', at('/ads/7', 'POST'), true],
  ['full control at an endpoint', [EVERYTHING_AT_ADS], 'anything.at-all', at('/ads/7', 'DELETE'), true],
  ['full control elsewhere', [EVERYTHING_AT_ADS], 'anything.at-all', at('/x', 'DELETE'), false],
  ['an endpoint, allowed by a rule', [ADS_ONLY], null, at('/ads/7'), true],
  ['an endpoint, allowed by no rule', [ADS_ONLY], null, at('/reports'), false],
  ['an endpoint, full control', [EVERYTHING], null, at('/reports', 'POST'), true],
  ['an endpoint, full control at a hostile path', [EVERYTHING], null, at('//x'), true],
  ['an endpoint, full control with rules elsewhere', [EVERYTHING_AT_ADS], null, at('/reports'), false],
  ['an endpoint, full control beside rules', [READ_ADS, EVERYTHING], null, at('/reports'), true],
  ['an endpoint, permissions without rules', [READ, grant(['ads.*'])], null, at('/ads/7'), false],
  ['an endpoint of nothing', [], null, at('/'), false],
]

describe('what is granted', () => {
  test.each(TABLE)('%s', (_what, grants, permission, endpoint, enough) => {
    expect(suffices(grants, asking(permission, endpoint))).toBe(enough)
  })
})

// Whom the key acts as may read ads, and all of reports.
const LIMIT = ['ads.read', 'reports.*']
const LIMITED: readonly (readonly [string, readonly Grant[], string | null, Endpoint | null, boolean])[] = [
  ['what both have', [EVERYTHING], 'ads.read AND reports.read', null, true],
  ['what the key alone has', [EVERYTHING], 'ads.write', null, false],
  ['what the user alone has', [READ], 'reports.read', null, false],
  ['an alternative that both have', [EVERYTHING], 'ads.write OR reports.read', null, true],
  ['one permission of two that only the key has', [EVERYTHING], 'ads.read AND ads.write', null, false],
  ['what both have, by a rule of the key', [READ_ADS], 'ads.read', at('/ads/7'), true],
  ['what both have, against a rule of the key', [READ_ADS], 'ads.read', at('/x'), false],
  ['an endpoint, by a rule whose permissions both have', [READ_ADS], null, at('/ads/7'), true],
  ['an endpoint, by a rule whose permissions the user has not', [WRITE_ADS], null, at('/ads/7', 'POST'), false],
  ['an endpoint, by a rule without permissions', [ADS_ONLY], null, at('/ads/7'), true],
  ['an endpoint, full control of the key', [EVERYTHING], null, at('/ads/7'), false],
  ['nothing in particular', [EVERYTHING], null, null, true],
  ['nothing in particular, rules', [WRITE_ADS], null, null, false],
]

describe('what is granted to who acts as a user', () => {
  test.each(LIMITED)('%s', (_what, grants, permission, endpoint, enough) => {
    expect(suffices(grants, asking(permission, endpoint), LIMIT)).toBe(enough)
  })

  test('full control of both is full control', () => {
    expect(suffices([EVERYTHING], asking(null, at('/ads/7')), ['*'])).toBe(true)
  })

  test('is told as what both have', () => {
    expect(effectivePermissions([EVERYTHING, READ_ADS], LIMIT)).toEqual(['ads.read', 'reports.*'])
    expect(effectivePermissions([EVERYTHING], [])).toEqual([])
    expect(effectivePermissions([EVERYTHING])).toEqual(['*'])
  })
})

const anyPermission = fc.constantFrom('ads.read', 'ads.write', 'ads.*', '*', 'reports.read')
const anyRule = fc.record({
  methods: fc.uniqueArray(fc.constantFrom('GET', 'POST', '*'), { minLength: 1 }),
  path: fc.constantFrom('/ads', '/ads/*', '/:any', '/*'),
})
const anyGrant = fc.record({
  permissions: fc.uniqueArray(anyPermission),
  endpoints: fc.array(anyRule, { maxLength: 2 }),
})
const anyGrants = fc.array(anyGrant, { maxLength: 4 })
const anyEndpoint = fc.option(
  fc.record({
    method: fc.constantFrom('GET', 'POST', 'HEAD'),
    path: fc.constantFrom('/ads', '/ads/7', '/ads?x', '/ads/../x', '//ads'),
  }),
)
const anyQuestion = fc.constantFrom('ads.read', 'ads.read AND ads.write', 'ads.write OR reports.read')

describe('laws', () => {
  test('one more grant without rules takes nothing away', () => {
    fc.assert(
      fc.property(
        anyGrants,
        fc.uniqueArray(anyPermission),
        anyQuestion,
        anyEndpoint,
        (grants, more, text, endpoint) => {
          const asked = asking(text, endpoint)
          if (suffices(grants, asked)) expect(suffices([...grants, grant(more)], asked)).toBe(true)
        },
      ),
    )
  })

  test('rules only ever take away: what is granted with them would be without', () => {
    fc.assert(
      fc.property(anyGrants, anyQuestion, anyEndpoint, (grants, text, endpoint) => {
        const free = grants.map(({ permissions }) => grant(permissions))
        if (suffices(grants, asking(text, endpoint))) expect(suffices(free, asking(text, endpoint))).toBe(true)
      }),
    )
  })

  test('who does not say where gets nothing that they would not get everywhere', () => {
    fc.assert(
      fc.property(anyGrants, anyQuestion, anyEndpoint, (grants, text, endpoint) => {
        if (suffices(grants, asking(text, null))) expect(suffices(grants, asking(text, endpoint))).toBe(true)
      }),
    )
  })

  test('acting as a user never widens, and each permission is one that the user has', () => {
    fc.assert(
      fc.property(anyGrants, anyQuestion, anyEndpoint, fc.array(anyPermission), (grants, text, endpoint, limit) => {
        const asked = asking(text, endpoint)
        const alone = { permissions: limit, endpoints: [] }
        const both = suffices(grants, asked) && suffices([alone], asked)
        if (suffices(grants, asked, limit)) expect(both).toBe(true)
        // One permission is had by both or not; of alternatives each may have another.
        if (text === 'ads.read') expect(suffices(grants, asked, limit)).toBe(both)
        expect(suffices(grants, asked, ['*'])).toBe(suffices(grants, asked))
        if (suffices(grants, asking(null, endpoint), limit)) expect(suffices(grants, asking(null, endpoint))).toBe(true)
      }),
    )
  })

  test('the order of grants does not matter', () => {
    fc.assert(
      fc.property(anyGrants, anyQuestion, anyEndpoint, (grants, text, endpoint) => {
        const asked = asking(text, endpoint)
        expect(suffices(grants.toReversed(), asked)).toBe(suffices(grants, asked))
      }),
    )
  })

  test('a permission that is held must be among the effective ones', () => {
    fc.assert(
      fc.property(anyGrants, anyEndpoint, (grants, endpoint) => {
        const held = suffices(grants, asking('ads.read', endpoint))
        const effective = effectivePermissions(grants)
        if (held) expect(['ads.read', 'ads.*', '*'].some((permission) => effective.includes(permission))).toBe(true)
      }),
    )
  })
})

test('effective permissions are each there once, sorted', () => {
  expect(effectivePermissions([grant(['b', 'a']), grant(['c', 'a'], rule('/', '*')), grant([])])).toEqual([
    'a',
    'b',
    'c',
  ])
})
