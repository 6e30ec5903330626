import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { covers, coversAll, intersection, isPermission, MANAGEMENT_PERMISSIONS } from '#domain/permission.ts'

describe('what a permission looks like', () => {
  const plain = ['a', 'ads.read', 'ads.read.own', 'a-b_c.0', '-', '0.1', 'a'.repeat(128), ...MANAGEMENT_PERMISSIONS]
  const wildcards = ['*', 'ads.*', 'ads.read.*', `${'a'.repeat(126)}.*`]
  const neither = [
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'Ads.read',
    'ads read',
    'ads.read\n',
    ' ads',
    'a'.repeat(129),
    '**',
    '*.read',
    'ads.*.read',
    'ads*',
    'a*.b',
    '.*',
    'ads..*',
    'ads.**',
    `${'a'.repeat(127)}.*`,
    'ads/read',
    'é',
    'AND',
  ]
  test('names', () => {
    for (const text of plain) {
      expect(isPermission(text, { wildcard: false }), text).toBe(true)
      expect(isPermission(text, { wildcard: true }), text).toBe(true)
    }
  })
  test('wildcards, where they are allowed', () => {
    for (const text of wildcards) {
      expect(isPermission(text, { wildcard: true }), text).toBe(true)
      expect(isPermission(text, { wildcard: false }), text).toBe(false)
    }
  })
  test('nothing else', () => {
    for (const text of neither) expect(isPermission(text, { wildcard: true }), text).toBe(false)
  })
})

describe('what a grant gives', () => {
  for (const [grant, asked, given] of [
    ['ads.read', 'ads.read', true],
    ['ads.read', 'ads.write', false],
    ['ads.read', 'ads.read.own', false],
    ['ads.read', 'ads', false],
    ['ads', 'ads.read', false],
    ['ads.*', 'ads.read', true],
    ['ads.*', 'ads.read.own', true],
    ['ads.*', 'ads', false],
    ['ads.*', 'adsense.read', false],
    ['ads.*', 'adsense', false],
    ['ads.*', 'ads.*', true],
    ['ads.*', 'ads.read.*', true],
    ['ads.read.*', 'ads.*', false],
    ['ads.read', 'ads.*', false],
    ['ads.read', '*', false],
    ['ads.*', '*', false],
    ['*', '*', true],
    ['*', 'ads', true],
    ['*', 'ads.*', true],
    ['Ads.read', 'ads.read', false],
  ] as const) {
    test(`${grant} ${given ? 'gives' : 'does not give'} ${asked}`, () => expect(covers([grant], asked)).toBe(given))
  }

  test('no grant, nothing', () => expect(covers([], 'ads.read')).toBe(false))

  test('all of several, or not all', () => {
    expect(coversAll(['ads.*', 'reports.read'], ['ads.read', 'reports.read'])).toBe(true)
    expect(coversAll(['ads.*', 'reports.read'], ['ads.read', 'reports.write'])).toBe(false)
    expect(coversAll([], [])).toBe(true)
  })
})

describe('laws', () => {
  const name = fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'))
  const permission = fc.oneof(
    name,
    name.map((text) => `${text}.*`),
    fc.constant('*'),
  )

  // All names of up to four segments: one more than any wildcard above is deep.
  const segments = ['a', 'b', 'ab']
  const deeper = (names: readonly string[]) => names.flatMap((text) => segments.map((segment) => `${text}.${segment}`))
  const one = segments
  const two = deeper(one)
  const three = deeper(two)
  const universe = [...one, ...two, ...three, ...deeper(three)]
  /** Segment by segment, as the words of the grammar say it. */
  const stands = (wildcard: string, text: string): boolean => {
    const [pattern, parts] = [wildcard.split('.'), text.split('.')]
    const fixed = pattern.at(-1) === '*' ? pattern.slice(0, -1) : pattern
    const longEnough = pattern.at(-1) === '*' ? parts.length > fixed.length : parts.length === fixed.length
    return longEnough && fixed.every((segment, index) => segment === parts[index])
  }

  test('a grant gives exactly the names it stands for', () => {
    fc.assert(fc.property(permission, name, (grant, asked) => covers([grant], asked) === stands(grant, asked)))
  })

  test('a grant gives a wildcard if and only if it gives all that the wildcard stands for', () => {
    fc.assert(
      fc.property(permission, permission, (grant, asked) => {
        const all = universe.filter((text) => stands(asked, text)).every((text) => stands(grant, text))
        expect(covers([grant], asked)).toBe(all)
      }),
    )
  })

  test('what is given by what is given, is given', () => {
    fc.assert(
      fc.property(fc.array(permission), fc.array(permission), permission, (granted, between, asked) => {
        if (coversAll(granted, between) && covers(between, asked)) expect(covers(granted, asked)).toBe(true)
      }),
    )
    // Not left to chance that the premise ever holds.
    const chain = fc.tuple(name, fc.constantFrom('a', 'b')).map(([text, next]) => ['*', `${text}.*`, `${text}.${next}`])
    fc.assert(
      fc.property(chain, ([widest, wide, narrow]) => {
        expect([covers([widest!], wide!), covers([wide!], narrow!), covers([widest!], narrow!)]).toEqual([
          true,
          true,
          true,
        ])
      }),
    )
  })

  test('everything gives itself, and * everything', () => {
    fc.assert(fc.property(permission, (asked) => covers([asked], asked) && covers(['*'], asked)))
  })

  test('what two have in common gives exactly what both give, wildcards included', () => {
    fc.assert(
      fc.property(fc.array(permission), fc.array(permission), permission, (some, others, asked) => {
        const both = covers(some, asked) && covers(others, asked)
        expect(covers(intersection(some, others), asked)).toBe(both)
        expect(covers(intersection(others, some), asked)).toBe(both)
      }),
    )
  })

  test('more grants never give less', () => {
    fc.assert(
      fc.property(fc.array(permission), permission, permission, (granted, more, asked) => {
        return !covers(granted, asked) || covers([...granted, more], asked)
      }),
    )
  })
})

test.each([
  [['*'], ['ads.read'], ['ads.read']],
  [
    ['ads.*', 'reports.read'],
    ['ads.read', 'reports.*'],
    ['reports.read', 'ads.read'],
  ],
  [['ads.*'], ['ads.read.*', 'ads'], ['ads.read.*']],
  [['ads.*'], ['ads.*'], ['ads.*']],
  [['ads.*'], ['adsense.read'], []],
  [['*'], [], []],
])('%j and %j have %j in common', (some, others, common) => {
  expect(intersection(some, others)).toEqual(common)
})
