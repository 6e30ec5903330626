// Reads the variables of a plain query, by what was found out of their types when its document came. The library's own way asks
// for all of it with every value, which is an eighth of what verifying a key in a batch costs.
import {
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getVariableValues,
  isInputType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredInputField,
  typeFromAST,
  type VariableDefinitionNode,
} from 'graphql'
import { demanded, type Fields, isThere, listed, NewFields, NotPlainError, orNull } from './flat-values.ts'

export type Variables = { readonly [name: string]: unknown }
export type VariableValues = GraphQLResolveInfo['variableValues']

/** Undefined, or an error, where the general executor is to be asked, if only to tell what is wrong. */
export type ReadVariables = (variables: Variables) => VariableValues | undefined

/** As the library reads them where one of them is not plain: it has a default, or is to be exactly one of several. */
export function readingVariables(schema: GraphQLSchema, definitions: readonly VariableDefinitionNode[]): ReadVariables {
  const plain = definitions.map((definition) => plainVariable(schema, definition))
  if (!plain.every(isThere)) return (variables) => getVariableValues(schema, definitions, variables).variableValues
  return (variables) => {
    const sources = new NewFields<VariableValues['sources'][string]>()
    const coerced = new NewFields()
    for (const { signature, read } of plain) {
      const { name } = signature
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined
      sources[name] = value === undefined ? { signature } : { signature, value }
      if (value !== undefined) coerced[name] = read(value)
      else if (isNonNullType(signature.type)) return undefined
    }
    return { sources, coerced }
  }
}

type Read = (value: unknown) => unknown

function plainVariable(
  schema: GraphQLSchema,
  { variable, type: written, defaultValue, directives }: VariableDefinitionNode,
) {
  const type = typeFromAST(schema, written)
  if (defaultValue !== undefined || directives?.length || !isInputType(type)) return undefined
  const read = readingOf(type)
  return read && { signature: { name: variable.name.value, type, default: undefined }, read }
}

/** Types hold themselves, which must not lead round in circles: `within` are those that the type is a part of. */
function readingOf(type: GraphQLInputType, within: readonly GraphQLInputType[] = []): Read | undefined {
  if (isNonNullType(type)) {
    const read = readingOf(type.ofType, within)
    return read && ((value) => read(demanded(value)))
  }
  if (isListType(type)) {
    const read = readingOf(type.ofType, within)
    return read && orNull((value) => listed(value).map((item) => read(item)))
  }
  if (isLeafType(type)) return orNull((value) => told(type.coerceInputValue(value)))
  return within.includes(type) ? undefined : readingFields(type, [...within, type])
}

function readingFields(type: GraphQLInputObjectType, within: readonly GraphQLInputType[]): Read | undefined {
  const fields = Object.values(type.getFields()).map((field) => plainField(field, within))
  if (type.isOneOf || !fields.every(isThere)) return undefined
  return orNull((value) => {
    const given = fieldsOf(value)
    const read = new NewFields()
    let known = 0
    for (const field of fields) {
      const value = given[field.name]
      if (value !== undefined) {
        known += 1
        read[field.name] = field.read(value)
      } else if (field.otherwise !== undefined) read[field.name] = field.otherwise
      else if (field.isRequired) throw new NotPlainError()
    }
    if (Object.keys(given).length !== known) throw new NotPlainError()
    return read
  })
}

function plainField(field: GraphQLInputField, within: readonly GraphQLInputType[]) {
  const read = field.default === undefined ? readingOf(field.type, within) : undefined
  return read && { name: field.name, read, otherwise: field.defaultValue, isRequired: isRequiredInputField(field) }
}

function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new NotPlainError()
  return value as Fields
}

/** What a leaf can't read it refuses by an error, or by nothing. */
function told(value: unknown): unknown {
  if (value === undefined) throw new NotPlainError()
  return value
}
