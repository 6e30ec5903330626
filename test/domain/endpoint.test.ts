import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allowsEndpoint, faultOfRulePath, isRuleMethod } from '#domain/endpoint.ts'

const allows = (methods: readonly string[], rule: string, method: string, path: string): boolean =>
  allowsEndpoint([{ methods, path: rule }], { method, path })
const reaches = (rule: string, path: string): boolean => allows(['GET'], rule, 'GET', path)

describe('a method', () => {
  test.each([
    [['GET'], 'GET', true],
    [['GET'], 'HEAD', false],
    [['GET'], 'get', false],
    [['GET'], 'GE', false],
    [['GET'], '', false],
    [['GET', 'POST'], 'POST', true],
    [['*'], 'GET', true],
    [['*'], 'PURGE', true],
    [['POST'], '*', false],
  ])('%j and %j: %s', (methods, method, allowed) => {
    expect(allows(methods, '/a', method, '/a')).toBe(allowed)
  })

  test.each(['GET', 'M-SEARCH', 'VERSION_2', '*'])('%s can stand in a rule', (method) => {
    expect(isRuleMethod(method)).toBe(true)
  })

  test.each(['get', 'Get', '', 'GET ', 'GET,POST', '**', 'G*', '1GET', 'X'.repeat(21), 'GÉT', 'GET\n'])(
    '%j can not',
    (method) => expect(isRuleMethod(method)).toBe(false),
  )
})

describe('a path', () => {
  test.each([
    ['/ads', '/ads', true],
    ['/ads', '/ads/', false],
    ['/ads', '/Ads', false],
    ['/ads', '/ads2', false],
    ['/ads', '/v1/ads', false],
    ['/', '/', true],
    ['/', '/ads', false],
    ['/ads', '/ads?as=admin', true],
    ['/ads', '/admin?/ads', false],
    ['/ads/*', '/ads/7', true],
    ['/ads/*', '/ads/7/images/2', true],
    ['/ads/*', '/ads/', true],
    ['/ads/*', '/ads', false],
    ['/ads/*', '/adsense/7', false],
    ['/*', '/', true],
    ['/*', '/anything/at-all', true],
    ['/ads/:id', '/ads/7', true],
    ['/ads/:id', '/ads/', false],
    ['/ads/:id', '/ads/7/images', false],
    ['/ads/:id/images', '/ads/7/images', true],
    ['/files/:name.json', '/files/a.json', true],
    ['/files/:name.json', '/files/a.xml', false],
    ['/files/*.json', '/files/a/b.json', true],
    ['/ads/7\\:cancel', '/ads/7:cancel', true],
    ['/a\\*b\\+c\\(d\\)', '/a*b+c(d)', true],
    ['/a\\*b', '/axb', false],
    ['/caf%C3%A9', '/caf%C3%A9', true],
  ])('under the rule %s: %s %s', (rule, path, reached) => {
    expect(faultOfRulePath(rule)).toBeUndefined()
    expect(reaches(rule, path)).toBe(reached)
  })
})

// What a server, a proxy and an application may read in different ways: allowed for none of them, by whatever rule.
describe('a hostile path matches nothing', () => {
  test.each([
    '',
    '*',
    'ads',
    'http://localhost/ads',
    '//evil.example/ads',
    '/ads//7',
    '/ads/..',
    '/ads/../admin',
    '/ads/./7',
    '/.',
    '/ads/..;/admin',
    '/ads/.;x=1/admin',
    '/ads/%2e%2e/admin',
    '/ads/.%2E/admin',
    '/ads/7%2e',
    '/ads%2fadmin',
    '/ads%2Fadmin',
    '/ads%5cadmin',
    '/ads\\admin',
    '/\\evil.example',
    '/ads admin',
    '/ads\tadmin',
    '/ads\nadmin',
    ' /ads',
    '/ads ',
    '/ads\u0000',
    '/ads#fragment',
    '/café',
    '/ads/"7"',
    '/ads/<7>',
    '/\ud800',
    '/@evil.example/../ads',
    `/${'a'.repeat(4_096)}`,
  ])('%j', (path) => {
    for (const rule of ['/*', '/ads/*', '/:any']) expect(reaches(rule, path)).toBe(false)
    expect(allows(['*'], '/*', 'GET', path)).toBe(false)
  })

  test('and no part of it is lost: what is allowed was allowed as it stands', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '/',
        '.',
        '..',
        '%2f',
        '%2E',
        '\\',
        ';',
        '?',
        '#',
        '@',
        ':',
        'a',
        'B',
        '%41',
        '%',
        ' ',
        '\t',
        'é',
      ),
      fc.string({ maxLength: 3, unit: 'binary' }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const path = `/${pieces.join('')}`
        const [asked = ''] = path.split('?')
        if (!reaches('/*', path)) return
        expect(new URL(`http://localhost${asked}`).pathname).toBe(asked)
        expect(new URL(`http://localhost${asked}`).host).toBe('localhost')
        expect(asked).not.toMatch(/\/\/|\\|%2f|%5c|%2e|\/\.\.?(\/|;|$)/i)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('a rule', () => {
  test.each([
    '',
    'ads',
    '*',
    'http://localhost/ads',
    '//ads',
    '/ads//7',
    '/ads/../admin',
    '/ads/.',
    '/ads/..',
    '/ads%2fadmin',
    '/%2E%2e/ads',
    '/ads/%',
    '/ads/%zz',
    '/ads/(.*)',
    '/ads/(a+)+$',
    '/ads/:id(\\d+)',
    '/ads{/:id}?',
    '/ads/:id?',
    '/ads/:id+',
    '/ads/:id*',
    '/ads/**',
    '/ads/*/images/*',
    '/ads/:a:b',
    '/ads/:a-*',
    '/ads/:',
    '/ads/:1',
    '/:id/:id',
    '/ads?as=admin',
    '/ads#x',
    '/ads\\admin',
    '/ads\\',
    '/ads admin',
    '/café',
    '/ads\u0000',
    '/ads\n',
    `/${'a'.repeat(256)}`,
  ])('%j is refused', (path) => {
    expect(faultOfRulePath(path)).toMatch(/^must /)
  })

  test('that is accepted can be met by a path', () => {
    const segment = fc.constantFrom('ads', 'v1', ':id', 'a-:b', ':c.json', '*', 'x\\:y', '%C3%A9', '~a', ':d')
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
        const rule = `/${segments.join('/')}`
        if (faultOfRulePath(rule) !== undefined) return
        const path = rule.replaceAll('\\', '').replaceAll(/:[a-d]\w*|\*/g, '7')
        expect(reaches(rule, path)).toBe(true)
      }),
    )
  })

  test('that is accepted is matched in no time against the longest path there may be', () => {
    const slow = ['/*', ...Array.from({ length: 60 }, (_, index) => `/:a${index}`)]
      .join('')
      .slice(0, 240)
      .replace(/\/[^/]*$/, '/b')
    expect(faultOfRulePath(slow)).toBeUndefined()
    const paths = ['/a', '/aa', 'a/', '-'].map((unit) => `/x${unit.repeat(4_090 / unit.length)}`)
    const start = performance.now()
    for (const path of paths) for (const rule of [slow, '/*/b', '/x*y', '/:a-b']) reaches(rule, path)
    // Some 5 ms; a second wildcard alone would be 20 ms for one pair, a third minutes.
    expect(performance.now() - start).toBeLessThan(500)
  })
})

test('one rule of many is enough, and each has its own methods', () => {
  const rules = [
    { methods: ['GET'], path: '/a' },
    { methods: ['POST', 'PUT'], path: '/b/*' },
  ]
  expect(allowsEndpoint(rules, { method: 'GET', path: '/a' })).toBe(true)
  expect(allowsEndpoint(rules, { method: 'PUT', path: '/b/1' })).toBe(true)
  expect(allowsEndpoint(rules, { method: 'GET', path: '/b/1' })).toBe(false)
  expect(allowsEndpoint(rules, { method: 'POST', path: '/a' })).toBe(false)
  expect(allowsEndpoint([], { method: 'GET', path: '/a' })).toBe(false)
})
