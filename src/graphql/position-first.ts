// `Account.position` promises that the answer includes everything up to it. Reads of one operation run side by side, so the
// position must be read before all others: read after them, it would vouch for an event that they have missed.
import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core'
import { BREAK, type GraphQLFieldResolver, type GraphQLResolveInfo, TypeInfo, visit, visitWithTypeInfo } from 'graphql'
import type { Context } from './context.ts'

export const POSITION_PLUGIN = 'position'

declare global {
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      position: PositionPlugin<Types>
    }
  }
}

type Resolver = GraphQLFieldResolver<unknown, object>

/** Of every query a caller other than root can see but one account. Root's `account(id)` says which, others of root don't. */
export class PositionPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override wrapResolve(resolve: Resolver, field: PothosOutputFieldConfig<Types>): Resolver {
    if (field.kind !== 'Query' && field.kind !== 'Subscription') return resolve
    const named = field.name === 'account' ? 'id' : field.kind === 'Subscription' ? 'accountId' : undefined
    return (parent, args, context, info) => {
      if (!asksForPosition(info)) return resolve(parent, args, context, info)
      const { caller, loaders } = context as Context
      const own = caller === undefined || caller.kind === 'ROOT' ? undefined : caller.accountId
      const accountId = own ?? (named && String(args[named]))
      if (accountId === undefined) return resolve(parent, args, context, info)
      return loaders.accountPosition.load(accountId).then(() => resolve(parent, args, context, info))
    }
  }
}

/** After a mutation: before anything of its payload is read. */
export async function readPositionFirst({ loaders }: Context, info: GraphQLResolveInfo, accountId: string) {
  if (asksForPosition(info)) await loaders.accountPosition.load(accountId)
}

const asking = new WeakMap<GraphQLResolveInfo['operation'], boolean>()

function asksForPosition({ operation, fragments, schema }: GraphQLResolveInfo): boolean {
  const known = asking.get(operation)
  if (known !== undefined) return known
  const types = new TypeInfo(schema)
  let asks = false
  const visitor = visitWithTypeInfo(types, {
    Field({ name }) {
      if (name.value !== 'position' || types.getParentType()?.name !== 'Account') return undefined
      asks = true
      return BREAK
    },
  })
  for (const definition of [operation, ...Object.values(fragments)]) visit(definition, visitor)
  asking.set(operation, asks)
  return asks
}

SchemaBuilder.registerPlugin(POSITION_PLUGIN, PositionPlugin)
