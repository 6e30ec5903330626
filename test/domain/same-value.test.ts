import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sameValue } from '#domain/same-value.ts'

describe('equal as JSON', () => {
  test('objects whatever the order of their members, arrays in order', () => {
    expect(sameValue({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 })).toBe(true)
    expect(sameValue([1, 2], [2, 1])).toBe(false)
  })

  test('different values are different', () => {
    const values: readonly unknown[] = [
      null,
      0,
      1,
      '',
      '0',
      false,
      true,
      [],
      [0],
      [null],
      {},
      { 0: 0 },
      { a: null },
      { b: null },
    ]
    for (const [i, a] of values.entries()) {
      for (const [j, b] of values.entries()) expect(sameValue(a, b), JSON.stringify([a, b])).toBe(i === j)
    }
  })

  test('a member named __proto__ is a member', () => {
    const parse = (text: string): unknown => JSON.parse(text)
    expect(sameValue(parse('{"__proto__":{"a":1}}'), parse('{"__proto__":{"a":2}}'))).toBe(false)
    expect(sameValue(parse('{"__proto__":{}}'), parse('{"a":{}}'))).toBe(false)
    expect(sameValue(parse('{"__proto__":{"a":1}}'), parse('{"__proto__":{"a":1}}'))).toBe(true)
  })

  test('a value is equal to its copy, and two are equal as their canonical texts are', () => {
    const canonical = (value: unknown): string =>
      JSON.stringify(value, (_, member: unknown) =>
        typeof member === 'object' && member !== null && !Array.isArray(member)
          ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
          : member,
      )
    const value = fc.jsonValue({ maxDepth: 3, noUnicodeString: true })
    const small = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 2 },
        fc.constantFrom(0, 1, null, 'a'),
        fc.array(tie('value'), { maxLength: 2 }),
        fc.dictionary(fc.constantFrom('a', 'b'), tie('value'), { noNullPrototype: true }),
      ),
    })).value
    fc.assert(fc.property(value, (a) => sameValue(a, JSON.parse(JSON.stringify(a)))))
    fc.assert(
      fc.property(small, small, (a, b) => sameValue(a, b) === (canonical(a) === canonical(b))),
      { numRuns: 1_000 },
    )
  })
})
