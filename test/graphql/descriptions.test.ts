// Everything in the schema explains itself: it is the manual that every client tool shows.
import {
  type GraphQLField,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isSpecifiedScalarType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql'
import { describe, expect, test } from 'vitest'
import { schema } from '#graphql/schema.ts'
import { types } from './support.ts'

const ours = types.filter((type) => !isSpecifiedScalarType(type))

type Described = { readonly what: string; readonly description: string | null | undefined }

const everything: readonly Described[] = ours.flatMap((type): Described[] => {
  const own = { what: type.name, description: type.description }
  if (isEnumType(type))
    return [own, ...type.getValues().map(({ name, description }) => ({ what: `${type.name}.${name}`, description }))]
  if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) return [own]
  return [
    own,
    ...Object.values(type.getFields()).flatMap((field): Described[] => [
      { what: `${type.name}.${field.name}`, description: field.description },
      ...('args' in field
        ? (field as GraphQLField<unknown, unknown>).args.map((arg) => ({
            what: `${type.name}.${field.name}(${arg.name})`,
            description: arg.description,
          }))
        : []),
    ]),
  ]
})

describe('descriptions', () => {
  test('nothing is without one', () => {
    expect(everything.length).toBeGreaterThan(400)
    expect(everything.filter(({ description }) => !description?.trim()).map(({ what }) => what)).toEqual([])
  })

  test('each is one or more whole sentences', () => {
    const broken = everything.filter(({ description }) => !/^[A-Z`].*\.$/s.test(description ?? ''))
    expect(broken).toEqual([])
  })

  test('whoever reads of a mutation learns what it needs', () => {
    const mutations = Object.values(schema.getMutationType()?.getFields() ?? {})
    expect(
      mutations.filter(({ description }) => !/Needs the permission|Only root may/.test(description ?? '')),
    ).toEqual([])
  })
})

test('the printed schema holds no type that nothing leads to', () => {
  const printed = printSchema(lexicographicSortSchema(schema))
  for (const { name } of ours.filter(({ name }) => !['Query', 'Mutation', 'Subscription'].includes(name)))
    expect(printed.match(new RegExp(`\\b${name}\\b`, 'g'))?.length, name).toBeGreaterThan(1)
})
