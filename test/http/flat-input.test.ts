// Variables of plain queries, read past the library: they must come out as it reads them, or not at all.
import fc from 'fast-check'
import { buildSchema, getVariableValues, Kind, parse, type VariableDefinitionNode } from 'graphql'
import { describe, expect, test } from 'vitest'
import { readingVariables, type Variables } from '#http/flat-input.ts'

const schema = buildSchema(`
  enum Colour { RED GREEN }
  input Thing { id: ID! name: String colours: [Colour!] size: Int inner: Part parts: [Part]! flag: Boolean! }
  input Part { of: Float many: [[Int!]] }
  input Loop { again: Loop }
  input Defaulted { size: Int = 3 }
  input One @oneOf { a: Int b: Int }
  type Query { thing(thing: Thing): Int }
`)

function definitionsOf(text: string): readonly VariableDefinitionNode[] {
  const [operation] = parse(`query (${text}) { __typename }`).definitions
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('an operation has variables')
  return operation.variableDefinitions ?? []
}

function readBoth(text: string, variables: Variables) {
  const definitions = definitionsOf(text)
  return { read: readOrNot(definitions, variables), general: getVariableValues(schema, definitions, variables) }
}

function readOrNot(definitions: readonly VariableDefinitionNode[], variables: Variables) {
  try {
    return readingVariables(schema, definitions)(variables)
  } catch {
    return undefined
  }
}

const name = fc.constantFrom(
  'id',
  'name',
  'colours',
  'size',
  'inner',
  'parts',
  'flag',
  'of',
  'many',
  'more',
  '__proto__',
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>('RED', 'x', '', 7, 7.5, 2 ** 40, true, null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 5 }),
  ),
}))
const part = fc.record({ of: fc.double({ noNaN: true }), many: fc.constant([[1, 2], null]) }, { requiredKeys: [] })
const wellFormed = fc.record(
  {
    id: fc.oneof(fc.string(), fc.integer()),
    name: fc.option(fc.string()),
    colours: fc.constantFrom(null, [], ['RED', 'GREEN']),
    size: fc.integer(),
    inner: fc.option(part),
    parts: fc.array(fc.option(part)),
    flag: fc.boolean(),
  },
  { requiredKeys: ['id', 'parts', 'flag'] },
)

describe('variables', () => {
  test.each(['$v: Thing', '$v: Thing!', '$v: [Thing!]', '$v: Part', '$v: Int, $w: ID!'])(
    'are read as the library reads them, or left to it: %s',
    (text) => {
      fc.assert(
        fc.property(fc.record({ v: fc.oneof(value, wellFormed), w: value }, { requiredKeys: [] }), (variables) => {
          const { read, general } = readBoth(text, JSON.parse(JSON.stringify(variables)))
          if (read !== undefined) expect(read).toEqual(general.variableValues)
        }),
      )
    },
  )

  test('that are right are not left to it', () => {
    fc.assert(
      fc.property(wellFormed, (v) => {
        const { read, general } = readBoth('$v: Thing!, $w: Int, $colours: [Colour]', JSON.parse(JSON.stringify({ v })))
        expect(read).toBeDefined()
        expect(read).toEqual(general.variableValues)
        expect(Object.keys(read?.coerced.v ?? {})).toEqual(Object.keys(general.variableValues?.coerced.v ?? {}))
      }),
    )
  })

  test.each([
    ['a default', '$v: Int = 3', {}],
    ['a default of a field', '$v: Defaulted', { v: {} }],
    ['one of several', '$v: One', { v: { a: 1 } }],
    ['a type that holds itself', '$v: Loop', { v: { again: {} } }],
  ])('are read by it where there is %s', (_what, text, variables) => {
    const { read, general } = readBoth(text, variables)
    expect(read).toBeDefined()
    expect(read).toEqual(general.variableValues)
  })

  test.each([
    ['an unknown field', '$v: Part', { v: { of: 1, more: 2 } }],
    ['a field that is called like a prototype', '$v: Part', JSON.parse('{"v":{"__proto__":1}}')],
    ['a missing field', '$v: Thing', { v: { id: 1 } }],
    ['a missing variable', '$v: Part!', {}],
    ['a variable that only the prototype has', '$toString: String!', {}],
    ['null', '$v: Part!', { v: null }],
    ['two of one', '$v: One', { v: { a: 1, b: 2 } }],
    ['no enum', '$v: Colour', { v: 'BLUE' }],
  ])('are refused by both: %s', (_what, text, variables) => {
    const { read, general } = readBoth(text, variables)
    expect(read).toBeUndefined()
    expect(general.errors).toBeDefined()
  })

  test('may be called after a prototype', () => {
    const { read, general } = readBoth(
      '$__proto__: Int, $constructor: Int',
      JSON.parse('{"__proto__":1,"constructor":2}'),
    )
    expect(Object.entries(read?.coerced ?? {})).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ])
    expect(Object.entries(general.variableValues?.coerced ?? {})).toEqual(Object.entries(read?.coerced ?? {}))
  })
})
