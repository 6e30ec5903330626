// How instants, JSON and positions are written and read. Input is checked and normalised here, so that the rest of the
// product knows one spelling of each.
import { type FloatValueNode, GraphQLError, type IntValueNode, Kind, type ValueNode } from 'graphql'
import { type Instant, instantOf } from '#domain/instant.ts'
import { invariant } from '#domain/invariant.ts'
import { JsonText } from '#domain/json-text.ts'
import type { Json } from '#domain/key/events.ts'

type Variables = Readonly<Record<string, unknown>> | null | undefined

const RFC_3339 = /^(\d{4}-\d{2}-\d{2})t(\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** Year 0 is refused: to PostgreSQL there is none. */
const FOUR_DIGIT_YEAR = /^(?!0000)\d{4}-/

const DATE_TIME_WANTED =
  'DateTime must be an RFC 3339 instant with its offset and a year from 0001 to 9999, such as "2026-03-01T09:30:00Z".'

/** In UTC with milliseconds; finer digits are cut. */
export function parseDateTime(value: unknown, literal?: ValueNode): Instant {
  const refuse = () => new GraphQLError(DATE_TIME_WANTED, at(literal))
  const match = typeof value === 'string' ? RFC_3339.exec(value) : null
  if (match === null) throw refuse()
  const [, date, time, fraction = '', offset = 'z'] = match
  const local = Date.parse(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}Z`)
  // Date.parse rolls 30 February over into March.
  if (Number.isNaN(local) || !instantOf(local).startsWith(`${date}T${time}`)) throw refuse()
  const instant = instantOf(local - offsetMs(offset))
  if (!FOUR_DIGIT_YEAR.test(instant)) throw refuse()
  return instant
}

function offsetMs(offset: string): number {
  if (offset.toLowerCase() === 'z') return 0
  const [hours = 0, minutes = 0] = offset.slice(1).split(':').map(Number)
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

/** The text of a string literal, which is what these scalars are written as. */
function textOf(literal: ValueNode): string | undefined {
  return literal.kind === Kind.STRING ? literal.value : undefined
}

/** Where to point an error at. */
function at(literal: ValueNode | undefined) {
  return literal === undefined ? {} : { nodes: literal }
}

export const dateTime = {
  description:
    'An instant as RFC 3339 text. Answers are in UTC with milliseconds, `2026-03-01T09:30:00.000Z` (Event.occurredAt with ' +
    'microseconds), so that they sort as text. Input may have any offset and must name one; finer digits are cut.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize(value: Instant) {
    invariant(typeof value === 'string', 'an instant is text')
    return value
  },
  parseValue: parseDateTime,
  parseLiteral: (node: ValueNode) => parseDateTime(textOf(node), node),
}

const POSITION = /^(0|[1-9]\d{0,18})$/
const POSITION_MAX = 2n ** 63n - 1n
const POSITION_WANTED = 'Position must be a whole number from 0 to 9223372036854775807 as text, such as "42".'

export function parsePosition(value: unknown, literal?: ValueNode): bigint {
  const position = typeof value === 'string' && POSITION.test(value) ? BigInt(value) : undefined
  if (position === undefined || position > POSITION_MAX) throw new GraphQLError(POSITION_WANTED, at(literal))
  return position
}

export const position = {
  description:
    "The number of an event in its account's history: 1 for the first, then without holes; larger is later. So are the sizes of " +
    'the audit log written, and the places in it. Text, because it may be larger than what a JSON number holds exactly: compare as ' +
    'integers.',
  serialize(value: bigint) {
    invariant(typeof value === 'bigint', 'a position is an integer')
    return value.toString()
  },
  parseValue: parsePosition,
  parseLiteral: (node: ValueNode) => parsePosition(textOf(node), node),
}

/** Numbers beyond a double's range become no JSON. */
export function parseJsonLiteral(node: ValueNode, variables?: Variables): Json {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value
    case Kind.NULL:
      return null
    case Kind.INT:
    case Kind.FLOAT:
      return parseNumber(node)
    case Kind.LIST:
      return node.values.map((item) => parseJsonLiteral(item, variables))
    case Kind.OBJECT:
      // Defines rather than assigns: a member may be named `__proto__`.
      return Object.fromEntries(
        node.fields.map((field) => [field.name.value, parseJsonLiteral(field.value, variables)]),
      )
    case Kind.VARIABLE:
      return parseJson(variables?.[node.name.value] ?? null)
    case Kind.ENUM:
      throw new GraphQLError(`JSON has no bare words: write "${node.value}" in quotes.`, at(node))
  }
}

function parseNumber(node: IntValueNode | FloatValueNode): number {
  const number = Number(node.value)
  if (!Number.isFinite(number)) throw new GraphQLError('JSON has no numbers that large.', at(node))
  return number
}

/** Variables have come as JSON already. */
function parseJson(value: unknown): Json {
  return value as Json
}

export const json = {
  description: 'Any JSON value: an object, a list, text, a number, true, false or null.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc8259',
  serialize: (value: unknown) => (value instanceof JsonText ? value.parsed() : value),
  parseValue: parseJson,
  parseLiteral: parseJsonLiteral,
}
