// The schema as a client sees it: every query and mutation there is, found by introspection, each with a document that asks for
// it by variables. What is added to the schema is met here without anybody thinking of it.
import {
  buildClientSchema,
  type GraphQLInputType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getIntrospectionQuery,
  getNamedType,
  type IntrospectionQuery,
  isInputObjectType,
  isLeafType,
  isNonNullType,
  isObjectType,
  isRequiredInputField,
  isUnionType,
} from 'graphql'
import type { TestApp } from './app.ts'

export type RootField = {
  readonly kind: 'query' | 'mutation'
  readonly name: string
  readonly args: readonly Slot[]
  /** With a variable for each argument, named like it, so that any value can be sent. */
  readonly document: string
}

/** A place for a value in the variables, with the way to it: `input`, `keyId`. */
export type Slot = { readonly path: readonly string[]; readonly type: GraphQLInputType }

export type Variables = Readonly<Record<string, unknown>>

export async function rootFieldsOf(app: TestApp): Promise<readonly RootField[]> {
  const schema = buildClientSchema(await app.ask<IntrospectionQuery, object>(getIntrospectionQuery()))
  return [...fieldsOf(schema, 'query'), ...fieldsOf(schema, 'mutation')]
}

function fieldsOf(schema: GraphQLSchema, kind: RootField['kind']): readonly RootField[] {
  const type = kind === 'query' ? schema.getQueryType() : schema.getMutationType()
  return Object.values(type?.getFields() ?? {}).map((field) => {
    const declared = field.args.map((arg) => `$${arg.name}: ${arg.type}`).join(', ')
    const passed = field.args.map((arg) => `${arg.name}: $${arg.name}`).join(', ')
    const brackets = (text: string) => (text === '' ? '' : `(${text})`)
    return {
      kind,
      name: field.name,
      args: field.args.map(({ name, type }) => ({ path: [name], type })),
      document: `${kind} ${brackets(declared)} { ${field.name}${brackets(passed)} ${selectionOf(field.type)} }`,
    }
  })
}

/** Of a result all that tells how it ended; of anything else all that it is, without what it leads to. */
function selectionOf(output: GraphQLOutputType): string {
  const type = getNamedType(output)
  if (isUnionType(type)) {
    const members = type.getTypes().map((member) => `... on ${member.name} { ${leavesOf(member)} }`)
    return `{ __typename ${members.join(' ')} }`
  }
  if (isLeafType(type)) return ''
  return isObjectType(type) ? `{ __typename ${leavesOf(type)} }` : '{ __typename id }'
}

const TOLD = new Set(['issues', 'events'])

function leavesOf(type: ReturnType<typeof getNamedType>): string {
  if (!isObjectType(type)) return ''
  const fields = Object.values(type.getFields()).flatMap((field) => {
    if (field.args.length > 0) return []
    const inner = getNamedType(field.type)
    if (isLeafType(inner)) return [field.name]
    return TOLD.has(field.name) ? [`${field.name} { ${leavesOf(inner)} }`] : []
  })
  return fields.length > 0 ? fields.join(' ') : '__typename'
}

/** The places of a type's own values: of an input object its fields, of a list of them those of its first member. */
export function slotsOf(slot: Slot): readonly Slot[] {
  const type = getNamedType(slot.type)
  if (!isInputObjectType(type)) return [slot]
  const path = isList(slot.type) ? [...slot.path, '0'] : slot.path
  return Object.values(type.getFields()).flatMap((field) => slotsOf({ path: [...path, field.name], type: field.type }))
}

function isList(type: GraphQLInputType): boolean {
  return String(type).startsWith('[')
}

/** Variables with a value for everything that is required, made by `valueFor`, and for nothing else. */
export function requiredVariables(field: RootField, valueFor: (slot: Slot) => unknown): Record<string, unknown> {
  return Object.fromEntries(
    field.args
      .filter(({ type }) => isNonNullType(type))
      .map((slot) => [slot.path[0] ?? '', requiredValue(slot, valueFor)]),
  )
}

function requiredValue(slot: Slot, valueFor: (slot: Slot) => unknown): unknown {
  const type = getNamedType(slot.type)
  if (!isInputObjectType(type)) return valueFor(slot)
  const fields = Object.values(type.getFields()).filter(isRequiredInputField)
  const value = Object.fromEntries(
    fields.map((field) => [
      field.name,
      requiredValue({ path: [...slot.path, field.name], type: field.type }, valueFor),
    ]),
  )
  return isList(slot.type) ? [value] : value
}

/** The same variables with another value in one place; objects and lists on the way are made where there are none. */
export function withValue(variables: Variables, path: readonly string[], value: unknown): Variables {
  const [name = '', ...rest] = path
  const isIndex = (step: string | undefined) => step !== undefined && /^\d+$/.test(step)
  const before = variables[name] ?? (isIndex(rest[0]) ? [] : {})
  const after = rest.length === 0 ? value : withValue(before as Variables, rest, value)
  if (Array.isArray(variables)) return variables.toSpliced(Number(name), 1, after) as unknown as Variables
  return { ...variables, [name]: after }
}
