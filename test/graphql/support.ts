// What the tests of the schema share: ways through it, and contexts for what must be decided before anything is read.
import {
  type ExecutionResult,
  type GraphQLField,
  type GraphQLNamedType,
  getNamedType,
  graphql,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isScalarType,
  parse,
  subscribe,
} from 'graphql'
import type { Caller } from '#domain/caller.ts'
import type { Context } from '#graphql/context.ts'
import type { Need } from '#graphql/needs.ts'
import { schema } from '#graphql/schema.ts'
import type { View } from '#verify/view.ts'

export type FieldOfSchema = {
  readonly of: string
  readonly name: string
  readonly field: GraphQLField<unknown, unknown>
}

export const types: readonly GraphQLNamedType[] = Object.values(schema.getTypeMap()).filter(
  (type) => !isIntrospectionType(type),
)

/** Every field of every type that answers are made of. */
export const fields: readonly FieldOfSchema[] = types
  .filter((type) => isObjectType(type) || isInterfaceType(type))
  .flatMap((type) =>
    Object.entries(type.getFields()).map(([name, field]) => ({ of: type.name, name, field: field as never })),
  )

export function fieldsOf(typeName: string): readonly FieldOfSchema[] {
  return fields.filter(({ of }) => of === typeName)
}

export function needOf({ field }: FieldOfSchema): Need | readonly Need[] | undefined {
  return field.extensions.needs as Need | readonly Need[] | undefined
}

/** Each of the rights. */
export function needsOf(field: FieldOfSchema): readonly Need[] {
  return [needOf(field) ?? []].flat()
}

const CURRENT: View = { current: () => undefined, leftMs: () => 1 }

/** For callers and operations that must be turned away first: whatever is touched throws. */
export function untouchable(caller: Caller | undefined): Context {
  const refuse = (name: string) =>
    new Proxy(
      {},
      {
        get: (_target, member) => {
          throw new Error(`touched ${name}.${String(member)}`)
        },
      },
    ) as never
  return {
    services: refuse('services'),
    caller,
    prove: async () => caller && { caller, endsAt: null },
    judgements: {},
    credentialEndsAt: null,
    audience: refuse('audience'),
    repeatEvent: undefined,
    correlationId: 'test',
    isWithinLimits: false,
    newView: () => CURRENT,
    view: CURRENT,
    reader: refuse('reader'),
    loaders: refuse('loaders'),
    startOver: () => undefined,
  }
}

export const ROOT: Caller = { kind: 'ROOT' }

export function callerWith(...permissions: readonly string[]): Caller {
  const [keyId, codeId] = ['key_000000000000000000000x', 'code_000000000000000000000x']
  return { kind: 'KEY', keyId, codeId, accountId: 'acct_000000000000000000000x', permissions }
}

export function ask(source: string, contextValue: Context, variableValues: Record<string, unknown> = {}) {
  if (!source.startsWith('subscription')) return graphql({ schema, source, contextValue, variableValues })
  // Of those that are let in nothing is asked for.
  return subscribe({ schema, document: parse(source), contextValue, variableValues }) as Promise<ExecutionResult>
}

/** A document that asks for one root field with made-up values for what is required. */
export function documentFor({ of, name, field }: FieldOfSchema): string {
  const given = field.args.filter(isRequiredArgument)
  const args = given.map((arg) => `${arg.name}: ${literalFor(getNamedType(arg.type))}`)
  const type = getNamedType(field.type)
  const selection = isScalarType(type) ? '' : ' { __typename }'
  return `${of.toLowerCase()} { ${name}${args.length > 0 ? `(${args.join(', ')})` : ''}${selection} }`
}

function literalFor(type: GraphQLNamedType): string {
  if (isEnumType(type)) return String(type.getValues()[0]?.name)
  if (type.name === 'DateTime') return '"2026-01-01T00:00:00Z"'
  if (type.name === 'Position') return '"1"'
  if (!isInputObjectType(type)) return '"x"'
  const required = Object.values(type.getFields()).filter(isRequiredInputField)
  return `{ ${required.map((field) => `${field.name}: ${literalFor(getNamedType(field.type))}`).join(', ')} }`
}
