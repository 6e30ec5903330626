// The plainest queries past the general executor: it must know which they are, and answer them to the letter as the other does.
import { setImmediate } from 'node:timers/promises'
import { buildSchema, execute, parse } from 'graphql'
import { describe, expect, test } from 'vitest'
import { flatQueryOf } from '#http/flat-query.ts'

const schema = buildSchema(`
  enum Colour { RED }
  type Query {
    thing(id: ID!, most: Int = 3): Thing
    things: [Thing!]!
    count: Int!
    promised: Thing
    rejected: Thing
    failing: Thing
    empty: Thing!
    any: Either
  }
  type Mutation { thing: Thing }
  union Either = Thing
  type Thing { id: ID! name: String colours: [Colour!] size(of: Int): Int inner: Thing late: String broken: Int! }
`)
const fields = schema.getQueryType()?.getFields() ?? {}
const thing = { id: 7, name: 'a', colours: ['RED'], broken: null }
const resolvers: { readonly [name: string]: (root: unknown, args: { readonly most?: number }) => unknown } = {
  thing: (_root, { most }) => ({ ...thing, name: `at most ${most}` }),
  things: () => [thing, { id: 'b', name: null, colours: null }],
  count: () => 3,
  promised: async () => thing,
  rejected: async () => {
    throw new Error('later')
  },
  failing: () => {
    throw new Error('no')
  },
  empty: () => null,
}
for (const [name, resolve] of Object.entries(resolvers)) if (fields[name] !== undefined) fields[name].resolve = resolve
const thingFields = schema.getType('Thing')
if (thingFields !== undefined && 'getFields' in thingFields) {
  const { late } = thingFields.getFields()
  if (late !== undefined && 'resolve' in late) late.resolve = () => 'found out'
}

const PLAIN: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ['{ thing(id: 1) { id name colours } }', {}],
  [
    'query A($id: ID!, $most: Int = 2) { a: thing(id: $id, most: $most) { x: id } b: thing(id: 1) { id } }',
    { id: 'x' },
  ],
  ['{ things { id name colours } }', {}],
  ['{ promised { id } count }', {}],
  ['{ __proto__: thing(id: 1) { __proto__: name id } }', {}],
]

describe('a plain query', () => {
  test.each(PLAIN)('answers like the general executor: %s', async (text, variables) => {
    const document = parse(text)
    const data = await flatQueryOf(schema, document)?.answer({}, variables)
    expect(data).toBeDefined()
    const general = await execute({ schema, document, variableValues: variables })
    expect(JSON.stringify({ data })).toBe(JSON.stringify(general))
  })
})

describe('the general executor is left', () => {
  test.each([
    ['a mutation', 'mutation { thing { id } }'],
    ['a fragment', '{ thing(id: 1) { ...t } } fragment t on Thing { id }'],
    ['an inline fragment', '{ thing(id: 1) { ... on Thing { id } } }'],
    ['a directive of a field', '{ count @skip(if: true) }'],
    ['a directive of a leaf', '{ thing(id: 1) { id @include(if: false) } }'],
    ['a directive of the operation', 'query @a { count }'],
    ['two operations', 'query A { count } query B { count }'],
    ['one name twice', '{ thing(id: 1) { id } thing(id: 1) { name } }'],
    ['one leaf twice', '{ thing(id: 1) { id id } }'],
    ['things below things', '{ thing(id: 1) { inner { id } } }'],
    ['a leaf with arguments', '{ thing(id: 1) { size(of: 1) } }'],
    ['a leaf that is to be found out', '{ thing(id: 1) { late } }'],
    ['a union', '{ any { __typename } }'],
    ['the name of a type', '{ __typename }'],
    ['the name of a type below', '{ thing(id: 1) { __typename } }'],
    ['introspection', '{ __schema { queryType { name } } }'],
  ])('%s', (_what, text) => {
    expect(flatQueryOf(schema, parse(text))).toBeUndefined()
  })

  test.each([
    ['a wrong variable', 'query ($id: ID!) { thing(id: $id) { id } }'],
    ['a resolver that throws', '{ failing { id } }'],
    ['nothing where there must be something', '{ empty { id } }'],
    ['a leaf that must not be null and is', '{ thing(id: 1) { broken } }'],
  ])('the error or answer of %s', async (_what, text) => {
    const flat = flatQueryOf(schema, parse(text))
    expect(flat).toBeDefined()
    expect(await flat?.answer({}, {})).toBeUndefined()
  })
})

test('what is asked beside a field that can not be asked is not left alone', async () => {
  const left: unknown[] = []
  const note = (error: unknown) => void left.push(error)
  process.on('unhandledRejection', note)
  // The default is not used where null is given, which the field does not take.
  const flat = flatQueryOf(schema, parse('query ($id: ID = "x") { rejected { id } thing(id: $id) { id } }'))
  expect(await flat?.answer({}, { id: null })).toBeUndefined()
  expect(
    await flatQueryOf(schema, parse('{ rejected { id } failing { id } empty { id } }'))?.answer({}, {}),
  ).toBeUndefined()
  await setImmediate()
  process.off('unhandledRejection', note)
  expect(left).toEqual([])
})
