// The schema as a client sees it: every query, mutation and subscription there is, found by introspection, each with a document that asks for
// it by variables. What is added to the schema is met here without anybody thinking of it.
import {
  buildClientSchema,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getIntrospectionQuery,
  getNamedType,
  type IntrospectionQuery,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
  type OperationTypeNode,
  print,
} from 'graphql'
import type { IdKind } from '#domain/ids.ts'
import type { TestApp } from './app.ts'

export type RootField = {
  readonly kind: 'query' | 'mutation' | 'subscription'
  readonly name: string
  readonly args: readonly Slot[]
  /** With a variable for each argument, named like it, so that any value can be sent. */
  readonly document: string
}

/** A place for a value in the variables, with the way to it: `input`, `keyId`. */
export type Slot = { readonly path: readonly string[]; readonly type: GraphQLInputType; readonly required: boolean }

export type Variables = Readonly<Record<string, unknown>>

export async function rootFieldsOf(app: TestApp): Promise<readonly RootField[]> {
  const schema = await schemaOf(app)
  return [...fieldsOf(schema, 'query'), ...fieldsOf(schema, 'mutation'), ...fieldsOf(schema, 'subscription')]
}

/** Lists and the like of the things that queries find by their id, each asked for through such a query. */
export async function nestedFieldsOf(app: TestApp): Promise<readonly RootField[]> {
  const schema = await schemaOf(app)
  return Object.values(schema.getQueryType()?.getFields() ?? {}).flatMap((outer) => {
    const type = getNamedType(outer.type)
    if (!isObjectType(type) || outer.args.every(({ name }) => name !== 'id')) return []
    const inner = Object.values(type.getFields()).filter(({ args }) => args.length > 0)
    return inner.map((field): RootField => {
      const args = [...outer.args, ...field.args]
      const selection = `${field.name}${passed(field.args)} ${selectionOf(field.type)}`
      return {
        kind: 'query',
        name: `${outer.name}.${field.name}`,
        args: args.map(slotOfArgument),
        document: `query ${declared(args)} { ${outer.name}${passed(outer.args)} { ${selection} } }`,
      }
    })
  })
}

async function schemaOf(app: TestApp): Promise<GraphQLSchema> {
  return buildClientSchema(await app.ask<IntrospectionQuery, object>(getIntrospectionQuery()))
}

function fieldsOf(schema: GraphQLSchema, kind: RootField['kind']): readonly RootField[] {
  const type = schema.getRootType(kind as OperationTypeNode)
  return Object.values(type?.getFields() ?? {}).map((field) => ({
    kind,
    name: field.name,
    args: field.args.map(slotOfArgument),
    document: `${kind} ${declared(field.args)} { ${field.name}${passed(field.args)} ${selectionOf(field.type)} }`,
  }))
}

function slotOfArgument(arg: GraphQLArgument): Slot {
  return { path: [arg.name], type: arg.type, required: isRequiredArgument(arg) }
}

function slotOfMember(path: readonly string[], field: GraphQLInputField): Slot {
  return { path: [...path, field.name], type: field.type, required: isRequiredInputField(field) }
}

function declared(args: readonly GraphQLArgument[]): string {
  return args.length === 0 ? '' : `(${args.map((arg) => `$${arg.name}: ${arg.type}${defaultOf(arg)}`).join(', ')})`
}

/** The variable's too, where the argument can't be null: it could not be left out else. */
function defaultOf(arg: GraphQLArgument): string {
  const literal = isNonNullType(arg.type) ? arg.default?.literal : undefined
  return literal === undefined ? '' : ` = ${print(literal)}`
}

function passed(args: readonly GraphQLArgument[]): string {
  return args.length === 0 ? '' : `(${args.map((arg) => `${arg.name}: $${arg.name}`).join(', ')})`
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
  return Object.values(type.getFields()).flatMap((field) => slotsOf(slotOfMember(path, field)))
}

/** The same with the objects themselves, and the members of lists of them. */
export function placesOf(slot: Slot): readonly Slot[] {
  const type = getNamedType(slot.type)
  return isInputObjectType(type) ? [slot, ...slotsOf(slot)] : [slot]
}

export function isId({ type }: Slot): boolean {
  return getNamedType(type).name === 'ID'
}

const ID_KIND_OF: Readonly<Record<string, IdKind>> = {
  account: 'acct',
  keyspace: 'ks',
  key: 'key',
  code: 'code',
  link: 'lnk',
  user: 'usr',
  owner: 'usr',
  event: 'evt',
  policy: 'pol',
}

/** What an id in this place names: `input.keyId` a key, the `id` of the query `keyspace` a keyspace. Not of `node`. */
export function idKindAt(field: RootField, { path }: Slot): IdKind {
  const last = path.at(-1) === 'id' ? field.name : path.at(-1)?.replace(/Ids?$/, '')
  const kind = ID_KIND_OF[last ?? '']
  if (kind === undefined) throw new Error(`Say what ${field.name} takes as ${path.join('.')}`)
  return kind
}

function isList(type: GraphQLInputType): boolean {
  return String(type).startsWith('[')
}

type Filling = {
  valueFor(slot: Slot): unknown
  /** Whether something that is not required is wanted all the same: then with all that it requires. */
  isWanted?(path: readonly string[]): boolean
}

/** Variables with a value for everything that is required, and for nothing else that is not wanted. */
export function requiredVariables({ args }: RootField, filling: Filling): Record<string, unknown> {
  return Object.fromEntries(
    args.filter((slot) => isFilled(slot, filling)).map((slot) => [slot.path[0] ?? '', filled(slot, filling)]),
  )
}

function isFilled({ path, required }: Slot, { isWanted }: Filling): boolean {
  return required || (isWanted?.(path) ?? false)
}

function filled(slot: Slot, filling: Filling): unknown {
  const type = getNamedType(slot.type)
  if (isEnumType(type)) return type.getValues()[0]?.name
  if (!isInputObjectType(type)) return filling.valueFor(slot)
  const path = isList(slot.type) ? [...slot.path, '0'] : slot.path
  const members = Object.values(type.getFields()).map((field) => ({
    name: field.name,
    member: slotOfMember(path, field),
  }))
  const wanted = members.filter(({ member }) => isFilled(member, filling))
  const value = Object.fromEntries(wanted.map(({ name, member }) => [name, filled(member, filling)]))
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
