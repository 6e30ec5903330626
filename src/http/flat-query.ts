// Executes the plainest queries: fields of the root, and below each nothing but leaves. Verification is asked with such a one,
// thousands of times a second, and a general executor spends more on it than verifying does. Whatever is not as plain, or does
// not go as it should, is left to the general one: a query changes nothing and can be asked again.
import {
  type DocumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getArgumentValues,
  getNamedType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql'
import { costsTheSame } from '#graphql/limits.ts'
import { readingVariables, type Variables, type VariableValues } from './flat-input.ts'
import { demanded, isThere, listed, NewFields, orNull } from './flat-values.ts'

export type FlatQuery = {
  /**
   * The data that the query answers; undefined where the general executor is to be asked, for what it answers or for the errors
   * it tells. Never rejects.
   */
  answer(context: object, variables: Variables): Promise<object | undefined>
  /** Whatever its variables are. */
  readonly costsTheSame: boolean
}

/** Undefined for what is not that plain: mutations, fragments, directives, unions, fields below fields. */
export function flatQueryOf(schema: GraphQLSchema, { definitions }: DocumentNode): FlatQuery | undefined {
  const [operation, ...others] = definitions
  const root = schema.getQueryType()
  if (operation?.kind !== Kind.OPERATION_DEFINITION || others.length > 0 || root == null) return undefined
  if (operation.operation !== OperationTypeNode.QUERY || operation.directives?.length) return undefined
  const fields = plainFields(operation.selectionSet, root)
  const parts = fields?.map((field) => rootPart(schema, operation, root, field))
  if (parts === undefined || !parts.every(isThere)) return undefined
  const readVariables = readingVariables(schema, operation.variableDefinitions ?? [])
  return {
    // What is below the fields of the root has no arguments.
    costsTheSame: fields?.every(({ field }) => costsTheSame(field)) ?? false,
    async answer(context, variables) {
      try {
        const variableValues = readVariables(variables)
        if (variableValues === undefined) return undefined
        // All of them before the first is asked: what fails later must not leave behind what nobody waits for.
        const questions = parts.map((part) => part.questionOf(variableValues))
        const values = await Promise.all(questions.map(async (ask) => ask(context)))
        return Object.fromEntries(parts.map(({ key, complete }, index) => [key, complete(values[index])]))
      } catch {
        return undefined
      }
    },
  }
}

/** Of a value as its resolver gave it. Throws where the general executor would tell an error. */
type Complete = (value: unknown) => unknown

type RootPart = {
  readonly key: string
  /** Throws for arguments that are not the field's. */
  readonly questionOf: (variableValues: VariableValues) => (context: object) => unknown
  readonly complete: Complete
}

type Plain = { readonly key: string; readonly node: FieldNode; readonly field: GraphQLField<unknown, unknown> }

/** Undefined where there is anything but fields of the type, each under a name of its own, or one with a directive. */
function plainFields(selections: SelectionSetNode, type: GraphQLObjectType): readonly Plain[] | undefined {
  const known = type.getFields()
  const plain = selections.selections.map((node) => {
    const field = node.kind === Kind.FIELD && !node.directives?.length ? known[node.name.value] : undefined
    if (node.kind !== Kind.FIELD || field === undefined) return undefined
    return { key: (node.alias ?? node.name).value, node, field }
  })
  if (!plain.every(isThere)) return undefined
  return new Set(plain.map(({ key }) => key)).size === plain.length ? plain : undefined
}

function rootPart(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  parentType: GraphQLObjectType,
  { key, node, field }: Plain,
): RootPart | undefined {
  const complete = completing(field.type, node)
  const { resolve } = field
  if (complete === undefined || resolve === undefined) return undefined
  const of = {
    fieldName: field.name,
    fieldNodes: [node],
    returnType: field.type,
    parentType,
    path: { prev: undefined, key, typename: parentType.name },
    schema,
    fragments: {},
    rootValue: undefined,
    operation,
  }
  return {
    key,
    complete,
    questionOf: (variableValues) => {
      const args = getArgumentValues(field, node, variableValues)
      const info = { ...of, variableValues } as unknown as GraphQLResolveInfo
      return (context) => resolve(undefined, args, context, info)
    },
  }
}

/** Undefined where what is selected of the type is not plain. */
function completing(type: GraphQLOutputType, node: FieldNode): Complete | undefined {
  if (isNonNullType(type)) {
    const complete = completing(type.ofType, node)
    return complete && ((value) => demanded(complete(value)))
  }
  if (isListType(type)) {
    const complete = completing(type.ofType, node)
    return complete && orNull((value) => listed(value).map(complete))
  }
  if (isLeafType(type)) return leafCompleting(type)
  return isObjectType(type) && node.selectionSet !== undefined ? objectCompleting(type, node.selectionSet) : undefined
}

function leafCompleting(type: GraphQLLeafType): Complete {
  return orNull((value) => demanded(type.coerceOutputValue(value)))
}

/** Of leaves that are members of the thing itself: what a resolver has to find out may take its time, or fail. */
function objectCompleting(type: GraphQLObjectType, selections: SelectionSetNode): Complete | undefined {
  const fields = plainFields(selections, type)
  const parts = fields?.map(({ key, node, field }) => {
    const { name, args, resolve } = field
    const isMember = isLeafType(getNamedType(field.type)) && args.length === 0 && resolve === undefined
    const complete = isMember ? completing(field.type, node) : undefined
    return complete && { key, name, complete }
  })
  if (parts === undefined || !parts.every(isThere)) return undefined
  return orNull((value) => {
    const source = value as Variables
    const object = new NewFields()
    for (const { key, name, complete } of parts) object[key] = complete(source[name])
    return object
  })
}
