// What is said of wrong input is said by us, for people: whatever the schema lets through, in every place of every mutation.
import { type GraphQLInputType, getNamedType, isInputObjectType, isListType, isNonNullType } from 'graphql'
import { expect, test } from 'vitest'
import { schema } from '#graphql/schema.ts'
import { cases } from '#test/commands/cases.ts'

/** Values that the schema takes for a place of a type, right and wrong ones. */
function valuesFor(type: GraphQLInputType): readonly unknown[] {
  if (isNonNullType(type)) return valuesFor(type.ofType).filter((value) => value !== null)
  if (isListType(type)) {
    const member = valuesFor(type.ofType)
    return [
      null,
      [],
      ...member.map((value) => [value]),
      [member.at(-1), member.at(-1)],
      Array(1_000).fill(member.at(-1)),
    ]
  }
  const inner = getNamedType(type)
  if (isInputObjectType(inner)) return [null, ...inputsOf(inner.name)]
  const values: Readonly<Record<string, readonly unknown[]>> = {
    ID: [null, '', '\0', 'x'],
    String: [null, '', ' ', ' x ', '\0', '\ud800', '*', 'x'.repeat(5_000), 'x'],
    Int: [null, -(2 ** 31), -1, 0, 2 ** 31 - 1, 1],
    Boolean: [null, true, false],
    DateTime: [null, '0001-01-01T00:00:00.000Z', '2100-01-01T00:00:00.000Z'],
    JSON: [null, '\0', Number.NaN, 'x'.repeat(20_000), {}],
  }
  const enumValues = 'getValues' in inner ? inner.getValues().map(({ name }) => name) : []
  return values[inner.name] ?? [null, ...enumValues]
}

/** Inputs with one value that may be wrong, in every place; the last value of each other place is right as far as it can be. */
function inputsOf(typeName: string): readonly object[] {
  const type = schema.getType(typeName)
  if (!isInputObjectType(type)) throw new Error(`${typeName} is an input`)
  const fields = Object.values(type.getFields())
  const required = fields.filter((field) => isNonNullType(field.type))
  const base = Object.fromEntries(required.map((field) => [field.name, valuesFor(field.type).at(-1)]))
  return [...fields.flatMap((field) => valuesFor(field.type).map((value) => ({ ...base, [field.name]: value }))), base]
}

test.each(cases)('$name says in its own words what is wrong', ({ name, command }) => {
  const issues = inputsOf(`${name.charAt(0).toUpperCase()}${name.slice(1)}Input`).flatMap((input) => {
    const parsed = command.input.safeParse(input)
    return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  })
  expect([...new Set(issues)].filter((issue) => !/: must (be|each|have|hold|not|begin|name) /.test(issue))).toEqual([])
})
