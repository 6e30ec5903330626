// What clients send by mistake or on purpose, by the type of the place it is sent to.
import fc from 'fast-check'
import {
  type GraphQLInputType,
  type GraphQLNamedType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql'

export type Hostile = {
  readonly value: unknown
  /**
   * `mistyped`: no value of the type, so never accepted. `unstorable`: no value that any mutation stores. `odd`: may be right or
   * wrong, and must only never break anything.
   */
  readonly sort: 'mistyped' | 'unstorable' | 'odd'
}

/** What this place may be sent instead of what belongs there. `knownIds`: ids of things that exist, of every kind. */
export function hostileFor(type: GraphQLInputType, knownIds: readonly string[]): fc.Arbitrary<Hostile> {
  const inner = isNonNullType(type) ? type.ofType : type
  const nothing: Hostile = { value: null, sort: isNonNullType(type) ? 'mistyped' : 'odd' }
  const something = isListType(inner) ? listsOf(inner.ofType, knownIds) : valuesOf(getNamedType(inner), knownIds)
  return fc.oneof({ weight: 1, arbitrary: fc.constant(nothing) }, { weight: 19, arbitrary: something })
}

type Weighted = { readonly weight: number; readonly arbitrary: fc.Arbitrary<Hostile> }

/** What GraphQL itself refuses is rarer: most should get past it. */
const WEIGHTS = { mistyped: 1, unstorable: 4, odd: 4 }

function of(sort: Hostile['sort'], values: fc.Arbitrary<unknown>): Weighted {
  return { weight: WEIGHTS[sort], arbitrary: values.map((value) => ({ value, sort })) }
}
const mistyped = (...values: readonly unknown[]) => of('mistyped', fc.constantFrom(...values))
const unstorable = (...values: readonly unknown[]) => of('unstorable', fc.constantFrom(...values))
const odd = (...values: readonly unknown[]) => of('odd', fc.constantFrom(...values))
const oddly = (values: fc.Arbitrary<unknown>) => of('odd', values)

/** As JSON.parse makes them of a request: members of their own, whatever they are called. */
const PROTO = JSON.parse('{ "__proto__": { "isAdmin": true }, "constructor": { "prototype": {} } }')
/** Larger than any double: infinite, once it has been read. */
const INFINITE = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON('1e400')

function listsOf(member: GraphQLInputType, knownIds: readonly string[]): fc.Arbitrary<Hostile> {
  const filled = hostileFor(member, knownIds)
  return fc.oneof(
    { weight: 2, arbitrary: filled.map(({ value, sort }) => ({ value: [value], sort })) },
    { weight: 2, arbitrary: filled.map(({ value, sort }) => ({ value: [value, value], sort })) },
    mistyped([[['a']]], [{ unknown: 1 }], [null]),
    odd(
      [],
      Array(1_000).fill({}),
      Array.from({ length: 1_000 }, (_, index) => `a${index}`),
    ),
  )
}

function valuesOf(type: GraphQLNamedType, knownIds: readonly string[]): fc.Arbitrary<Hostile> {
  if (isInputObjectType(type)) return fc.oneof(mistyped('x', 5, true, [5], { unknown: 1 }, PROTO))
  if (isEnumType(type)) return words(type.getValues().map(({ name }) => name))
  const values = {
    ID: ids(knownIds),
    String: texts(),
    Int: integers(),
    Boolean: switches(),
    DateTime: instants(),
    JSON: json(),
    Position: positions(),
  }
  const found = values[type.name as keyof typeof values]
  if (found === undefined) throw new Error(`Say what is hostile to ${type.name}`)
  return found
}

function positions(): fc.Arbitrary<Hostile> {
  return fc.oneof(
    odd('0', '1', '9223372036854775807'),
    mistyped(
      '',
      '-1',
      '01',
      '1.0',
      '1e3',
      ' 1',
      '9223372036854775808',
      'x',
      '1\0',
      5,
      -1,
      1.5,
      INFINITE,
      true,
      ['1', '2'],
      PROTO,
    ),
  )
}

function words(known: readonly string[]): fc.Arbitrary<Hostile> {
  return fc.oneof(
    odd(...known),
    mistyped(...known.map((word) => word.toLowerCase()), 'UNKNOWN', '', '__proto__', 5, {}, ['x']),
  )
}

function ids(knownIds: readonly string[]): fc.Arbitrary<Hostile> {
  const kinds = knownIds.map((id) => id.split('_', 1)[0])
  return fc.oneof(
    mistyped(true, 1.5, {}, ['a', 'b'], PROTO, INFINITE),
    odd(...knownIds),
    odd(...knownIds.map((id) => `${id} `), ...knownIds.map((id) => id.toUpperCase())),
    odd(...kinds.map((kind) => `${kind}_zz${'a'.repeat(20)}`), ...kinds.map((kind) => `${kind}_`)),
    odd('', 0, -1, '\0', 'key_\0', '\ud800', '../..', 'a'.repeat(100_000), '__proto__', 'toString'),
  )
}

function texts(): fc.Arbitrary<Hostile> {
  return fc.oneof(
    mistyped(5, true, {}, ['a', 'b'], PROTO),
    unstorable('a\0b', '\ud800', 'a\udfff', '\u0007bell', 'a\u009fb', 'a'.repeat(2_001), '\u{1f4a9}'.repeat(20_000)),
    odd(
      '',
      ' ',
      '\n',
      'a\r\nb',
      '\u2028',
      '\u202e',
      '\ufeff',
      '\u0301',
      "'; DROP TABLE log.event; --",
      '%',
      '%s%n',
      '\\',
      '\\0',
    ),
    odd('a'.repeat(200), 'a'.repeat(201), 'a'.repeat(255), 'a'.repeat(256), 'a'.repeat(2_000), '\u{1f4a9}'.repeat(100)),
    odd(
      '__proto__',
      'constructor',
      'null',
      '*',
      'a.*',
      'a..b',
      'A',
      '{}',
      '"',
      '{{7*7}}',
      '<script>',
      '(',
      'a AND',
      '((',
    ),
    oddly(fc.string({ unit: 'binary', maxLength: 300 })),
    oddly(fc.base64String({ maxLength: 300 })),
  )
}

function integers(): fc.Arbitrary<Hostile> {
  return fc.oneof(
    mistyped('5', 1.5, true, {}, [1, 2], 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 1e308, INFINITE),
    odd(0, -0, -1, 1, 2, 3, 50, 100, 101, 36_500, 36_501, 1_000_001, 2_592_001, 2 ** 31 - 1, -(2 ** 31)),
  )
}

function switches(): fc.Arbitrary<Hostile> {
  return fc.oneof(mistyped('true', 0, 1, {}, [true, false]), odd(true, false))
}

function instants(): fc.Arbitrary<Hostile> {
  return fc.oneof(
    mistyped(
      '',
      'tomorrow',
      5,
      0,
      true,
      {},
      '2027-02-30T00:00:00Z',
      '2027-01-01',
      '2027-01-01T00:00:00',
      '0000-01-01T00:00:00Z',
    ),
    mistyped(
      '10000-01-01T00:00:00Z',
      '2027-01-01T24:00:00Z',
      '2027-01-01T00:00:60Z',
      '2027-01-01T00:00:00+24:00',
      '\0',
      'infinity',
    ),
    odd('0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z', '2027-01-01t00:00:00.1234567z'),
    oddly(
      fc
        .date({ noInvalidDate: true, min: new Date('0001-01-02'), max: new Date('9999-12-30') })
        .map((date) => date.toISOString()),
    ),
  )
}

function json(): fc.Arbitrary<Hostile> {
  return fc.oneof(
    unstorable(
      '\0',
      { '\0': 1 },
      '\ud800',
      { a: ['\udfff'] },
      nested(22),
      nested(2_000),
      'a'.repeat(16_385),
      INFINITE,
      [INFINITE],
    ),
    odd({}, [], null, '', 0, -0, 1e308, 5e-324, 2 ** 53, false, PROTO, nested(20), { '': '' }, 'a'.repeat(16_000)),
    oddly(fc.jsonValue({ maxDepth: 5, noUnicodeString: false })),
  )
}

function nested(depth: number): unknown {
  return depth === 0 ? 1 : depth % 2 === 0 ? { a: nested(depth - 1) } : [nested(depth - 1)]
}
