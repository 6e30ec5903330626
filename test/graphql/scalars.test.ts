import { GraphQLScalarType, parseValue } from 'graphql'
import { describe, expect, test } from 'vitest'
import { parseDateTime, parseJsonLiteral, parsePosition } from '#graphql/scalars.ts'
import { schema } from '#graphql/schema.ts'
import { ask, callerWith, untouchable } from './support.ts'

function scalar(name: string): GraphQLScalarType {
  const type = schema.getType(name)
  if (!(type instanceof GraphQLScalarType)) throw new Error(`${name} is no scalar`)
  return type
}

describe('DateTime', () => {
  test.each([
    ['2026-03-01T09:30:00Z', '2026-03-01T09:30:00.000Z'],
    ['2026-03-01t09:30:00z', '2026-03-01T09:30:00.000Z'],
    ['2026-03-01T09:30:00.1Z', '2026-03-01T09:30:00.100Z'],
    ['2026-03-01T09:30:00.123999999Z', '2026-03-01T09:30:00.123Z'],
    ['2026-03-01T00:30:00+01:00', '2026-02-28T23:30:00.000Z'],
    ['2026-03-01T23:30:00-00:45', '2026-03-02T00:15:00.000Z'],
    ['2026-03-01T09:30:00-00:00', '2026-03-01T09:30:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['0099-12-31T00:00:00Z', '0099-12-31T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ])('reads %s as %s', (text, instant) => {
    expect(parseDateTime(text)).toBe(instant)
  })

  test.each([
    ['no offset', '2026-03-01T09:30:00'],
    ['a date alone', '2026-03-01'],
    ['a space for the T', '2026-03-01 09:30:00Z'],
    ['no seconds', '2026-03-01T09:30Z'],
    ['30 February', '2026-02-30T00:00:00Z'],
    ['29 February of a common year', '2026-02-29T00:00:00Z'],
    ['month 13', '2026-13-01T00:00:00Z'],
    ['hour 24', '2026-03-01T24:00:00Z'],
    ['a leap second', '2026-12-31T23:59:60Z'],
    ['an offset of 24 hours', '2026-03-01T09:30:00+24:00'],
    ['an offset without a colon', '2026-03-01T09:30:00+0100'],
    ['more digits than a clock has', '2026-03-01T09:30:00.0123456789Z'],
    ['an empty fraction', '2026-03-01T09:30:00.Z'],
    ['year 0', '0000-06-01T00:00:00Z'],
    ['what is year 0 in UTC', '0001-01-01T00:00:00+00:01'],
    ['what is year 10000 in UTC', '9999-12-31T23:59:59-00:01'],
    ['five digits of a year', '12026-03-01T09:30:00Z'],
    ['space around it', ' 2026-03-01T09:30:00Z'],
    ['a line break after it', '2026-03-01T09:30:00Z\n'],
    ['other digits', '２０２６-03-01T09:30:00Z'],
    ['a number', 1772357400000],
    ['null', null],
  ])('refuses %s', (_what, text) => {
    expect(() => parseDateTime(text)).toThrow('DateTime must be an RFC 3339 instant')
  })

  test('answers are passed on as they are, microseconds included', () => {
    expect(scalar('DateTime').coerceOutputValue('2026-03-01T09:30:00.123456Z')).toBe('2026-03-01T09:30:00.123456Z')
  })

  test('an answer that is no text is a fault, not an answer', () => {
    expect(() => scalar('DateTime').coerceOutputValue(new Date(0))).toThrow('Invariant broken')
  })
})

describe('Position', () => {
  test.each([
    ['0', 0n],
    ['42', 42n],
    ['9223372036854775807', 2n ** 63n - 1n],
  ])('reads %s', (text, position) => {
    expect(parsePosition(text)).toBe(position)
  })

  test.each(['', '-1', '+1', '01', '1.0', '1e3', ' 1', '0x1', '9223372036854775808', '99999999999999999999', 7, null])(
    'refuses %j',
    (text) => {
      expect(() => parsePosition(text)).toThrow('Position must be a whole number')
    },
  )

  test('answers are exact text, beyond what a JSON number holds', () => {
    expect(scalar('Position').coerceOutputValue(2n ** 53n + 1n)).toBe('9007199254740993')
  })
})

describe('JSON', () => {
  test('a literal is read as the JSON that it looks like', () => {
    const literal = parseValue('{ a: [1, -2.5, "x", true, null, {}], __proto__: { b: 1 } }')
    expect(JSON.stringify(parseJsonLiteral(literal))).toBe('{"a":[1,-2.5,"x",true,null,{}],"__proto__":{"b":1}}')
  })

  test('variables within a literal are filled in', () => {
    expect(parseJsonLiteral(parseValue('{ a: $a, b: [$b] }'), { a: { deep: 1 } })).toEqual({
      a: { deep: 1 },
      b: [null],
    })
  })

  test('a bare word and a number beyond all doubles are refused', () => {
    expect(() => parseJsonLiteral(parseValue('{ a: BARE }'))).toThrow('write "BARE" in quotes')
    expect(() => parseJsonLiteral(parseValue('[1e999]'))).toThrow('no numbers that large')
  })
})

describe('in an operation', () => {
  const context = untouchable(callerWith('keys.write'))
  const update = (expiresAt: string) =>
    `mutation { updateKey(input: { keyId: "x", expiresAt: ${expiresAt} }) { __typename } }`

  test.each(['"tomorrow"', '5', 'NEVER', '["2026-03-01T09:30:00Z", 1]'])(
    'the literal %s is refused with what is wanted',
    async (literal) => {
      const { errors } = await ask(update(literal), context)
      expect(errors?.[0]?.message).toMatch(/RFC 3339|DateTime/)
      expect(errors?.[0]?.locations?.[0]?.line).toBe(1)
    },
  )

  test('a bad variable is refused with its name and what is wanted', async () => {
    const source = 'mutation ($at: DateTime) { updateKey(input: { keyId: "x", expiresAt: $at }) { __typename } }'
    const { errors } = await ask(source, context, { at: 'tomorrow' })
    expect(errors?.[0]?.message).toContain('$at')
    expect(errors?.[0]?.message).toContain('RFC 3339')
  })
})
