import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluate, type PermissionExpression, parseExpression } from '#domain/permission-expression.ts'

function parsed(text: string): PermissionExpression {
  const result = parseExpression(text)
  if (result.kind === 'malformed') throw new Error(`${text}: at ${result.position} expected ${result.expected}`)
  return result.expression
}
const holds = (text: string, ...granted: readonly string[]) => evaluate(parsed(text), granted)

describe('evaluation', () => {
  test('one permission', () => {
    expect(holds('ads.read', 'ads.read')).toBe(true)
    expect(holds('ads.read', 'ads.*')).toBe(true)
    expect(holds('ads.read')).toBe(false)
  })

  test('AND takes both, OR either', () => {
    expect(holds('a AND b', 'a')).toBe(false)
    expect(holds('a AND b', 'a', 'b')).toBe(true)
    expect(holds('a OR b', 'b')).toBe(true)
    expect(holds('a OR b', 'c')).toBe(false)
  })

  test('AND binds tighter than OR, parentheses tighter than both', () => {
    expect(holds('a OR b AND c', 'a')).toBe(true)
    expect(holds('(a OR b) AND c', 'a')).toBe(false)
    expect(holds('a AND b OR c', 'c')).toBe(true)
    expect(holds('a AND (b OR c)', 'c')).toBe(false)
    expect(holds('ads.read AND (reports.read OR reports.export)', 'ads.read', 'reports.export')).toBe(true)
  })

  test('spaces matter only between words', () => {
    expect(parsed('  (a)AND( b OR\n\tc )')).toEqual(parsed('a AND (b OR c)'))
  })

  test('lower-case operators are permissions like any other', () => {
    expect(holds('and AND or', 'and', 'or')).toBe(true)
  })
})

describe('errors', () => {
  const long = `${'a'.repeat(96)} OR `.repeat(5)
  for (const [text, position, expected] of [
    ['', 1, 'a permission or ('],
    ['   ', 4, 'a permission or ('],
    ['a AND', 6, 'a permission or ('],
    ['a AND OR b', 7, 'a permission or ('],
    ['AND', 1, 'a permission or ('],
    ['()', 2, 'a permission or ('],
    [')', 1, 'a permission or ('],
    ['a b', 3, 'AND, OR or the end'],
    ['a and b', 3, 'AND, OR or the end'],
    ['a ANDb', 3, 'AND, OR or the end'],
    ['a (b)', 3, 'AND, OR or the end'],
    ['a)', 2, 'AND, OR or the end'],
    ['(a', 3, 'AND, OR or )'],
    ['(a b)', 4, 'AND, OR or )'],
    ['(a AND (b OR c)', 16, 'AND, OR or )'],
    ['a AND ads.*', 7, 'a permission without a wildcard'],
    ['*', 1, 'a permission without a wildcard'],
    ['Ads', 1, 'a permission or ('],
    ['a AND b..c', 7, 'a permission or ('],
    ["a' OR '1'='1", 1, 'a permission or ('],
    ['a OR é', 6, 'a permission or ('],
    [`${'('.repeat(17)}a${')'.repeat(17)}`, 17, 'no more than 16 levels of parentheses'],
    [`${long}${'a'.repeat(513 - long.length)}`, 513, 'the end: an expression has at most 512 characters'],
    ['('.repeat(100_000), 513, 'the end: an expression has at most 512 characters'],
  ] as const) {
    test(`${text.length > 40 ? `${text.slice(0, 40)}…` : JSON.stringify(text)}: at ${position}, ${expected}`, () => {
      expect(parseExpression(text)).toEqual({ kind: 'malformed', position, expected })
    })
  }

  test('the bounds themselves are allowed', () => {
    expect(parsed(`${'('.repeat(16)}a${')'.repeat(16)}`)).toEqual(parsed('a'))
    const text = `${long}${'a'.repeat(512 - long.length)}`
    expect(text).toHaveLength(512)
    expect(parseExpression(text).kind).toBe('parsed')
  })
})

describe('laws', () => {
  const name = fc.constantFrom('a', 'b', 'c.d', 'e-f', 'g_0')
  const held = fc.subarray(['a', 'b', 'c.d', 'e-f', 'g_0'])

  test('flat expressions: as split by OR, then by AND', () => {
    const flat = fc
      .tuple(name, fc.array(fc.tuple(fc.constantFrom(' AND ', ' OR '), name), { maxLength: 12 }))
      .map(([first, rest]) => first + rest.flat().join(''))
    fc.assert(
      fc.property(flat, held, (text, granted) => {
        const naive = text.split(' OR ').some((part) => part.split(' AND ').every((word) => granted.includes(word)))
        expect(evaluate(parsed(text), granted)).toBe(naive)
      }),
    )
  })

  // Text with its meaning beside it, composed together: the meaning never passes through the parser.
  type Sample = { readonly text: string; readonly naive: (granted: readonly string[]) => boolean }
  const space = fc.constantFrom('', ' ', '  ', '\n')
  const { expression } = fc.letrec<{ expression: Sample; leaf: Sample; both: Sample; either: Sample }>((tie) => ({
    expression: fc.oneof({ maxDepth: 4, withCrossShrink: true }, tie('leaf'), tie('both'), tie('either')),
    leaf: name.map((text) => ({ text, naive: (granted) => granted.includes(text) })),
    both: fc.tuple(tie('expression'), space, tie('expression')).map(([left, gap, right]) => ({
      text: `(${gap}${left.text}) AND (${right.text}${gap})`,
      naive: (granted) => left.naive(granted) && right.naive(granted),
    })),
    either: fc.tuple(tie('expression'), space, tie('expression')).map(([left, gap, right]) => ({
      text: `(${left.text}${gap})${gap}OR ${gap}(${right.text})`,
      naive: (granted) => left.naive(granted) || right.naive(granted),
    })),
  }))

  test('nested expressions mean what they are composed of', () => {
    fc.assert(
      fc.property(expression, held, ({ text, naive }, granted) => {
        fc.pre(text.length <= 512)
        expect(evaluate(parsed(text), granted)).toBe(naive(granted))
      }),
    )
  })

  test('any text is either parsed or refused with a position in it', () => {
    const word = fc.constantFrom('a', 'AND', 'OR', '(', ')', ' ', '*', 'a.b', '.', '\u00a0', '\ud800', '"')
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(word, { maxLength: 60 }).map((words) => words.join('')),
    )
    fc.assert(
      fc.property(text, (hostile) => {
        const result = parseExpression(hostile)
        if (result.kind === 'parsed') return !evaluate(result.expression, []) && evaluate(result.expression, ['*'])
        return result.position >= 1 && result.position <= Math.min(hostile.length, 512) + 1 && result.expected !== ''
      }),
      { numRuns: 1_000 },
    )
  })
})
