// Deny by default: every field must say what it needs, or it doesn't compile, and is only resolved for those who have it. The
// caller is judged when a field of the root is asked for, hence before any other.
// A field of a type of ours that slips through all the same (as `any`, say) fails the build of the schema.
import SchemaBuilder, {
  BasePlugin,
  type FieldNullability,
  type InputFieldMap,
  type InputShapeFromFields,
  type PothosOutputFieldConfig,
  type SchemaTypes,
  type TypeParam,
} from '@pothos/core'
import type { GraphQLFieldResolver } from 'graphql'
import type { Caller } from '#domain/caller.ts'
import { invariant } from '#domain/invariant.ts'
import type { Consistency } from '#verify/view.ts'
import { type Context, judgeCaller, judgeCallerAnew } from './context.ts'
import { demand, holds, type Need, type Right } from './needs.ts'

export const ACCESS_PLUGIN = 'access'

declare global {
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      access: AccessPlugin<Types>
    }

    export interface FieldOptions<
      Types extends SchemaTypes = SchemaTypes,
      ParentShape = unknown,
      Type extends TypeParam<Types> = TypeParam<Types>,
      Nullable extends FieldNullability<Type> = FieldNullability<Type>,
      Args extends InputFieldMap = InputFieldMap,
      ResolveShape = unknown,
      ResolveReturnShape = unknown,
    > {
      /** Several: each of them. */
      needs: Need | readonly [Right, ...Right[]]
      /** Of queries and mutations: rights that together will do as well, where these arguments ask for less. */
      orNeeds?: (args: InputShapeFromFields<Args>) => readonly Right[] | undefined
      /** As currently as this the caller is judged; STRONG unless given. Of fields of the root. */
      consistencyOf?: (args: InputShapeFromFields<Args>) => Consistency
    }
  }
}

type Resolver = GraphQLFieldResolver<unknown, object>

export class AccessPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(field: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    const { needs } = field.pothosOptions
    invariant(needs !== undefined, `${field.parentType}.${field.name} says what it needs`)
    return { ...field, extensions: { ...field.extensions, needs } }
  }

  override wrapResolve(resolve: Resolver, field: PothosOutputFieldConfig<Types>): Resolver {
    const { needs, orNeeds, consistencyOf } = field.pothosOptions
    if (needs === 'parent') return resolve
    const demandAll = demanding(needs)
    const demandEither = (caller: Caller | undefined, args: object) => {
      const instead = orNeeds?.(args as never)
      if (caller === undefined || !instead?.every((right) => holds(caller, right))) demandAll(caller)
    }
    switch (field.parentType) {
      case 'Query':
        return async (parent, args, context, info) => {
          demandEither(await judgeCaller(context as Context, consistencyOf?.(args as never)), args)
          return resolve(parent, args, context, info)
        }
      case 'Mutation':
        return async (parent, args, context, info) => {
          demandEither(await judgeCallerAnew(context as Context), args)
          return resolve(parent, args, context, info)
        }
      // Each event: as judged for it before it was let out of its stream.
      case 'Subscription':
        return async (parent, args, context, info) => {
          demandAll(await judgeCaller(context as Context))
          return resolve(parent, args, context, info)
        }
      default:
        return (parent, args, context, info) => {
          demandAll((context as Context).caller)
          return resolve(parent, args, context, info)
        }
    }
  }

  override wrapSubscribe(subscribe: Resolver | undefined, field: PothosOutputFieldConfig<Types>): Resolver | undefined {
    const { needs } = field.pothosOptions
    if (subscribe === undefined || needs === 'parent') return subscribe
    const demandAll = demanding(needs)
    return async (parent, args, context, info) => {
      demandAll(await judgeCallerAnew(context as Context))
      return subscribe(parent, args, context, info)
    }
  }
}

/** Asks for each of the rights, and says which is lacking first. */
function demanding(needs: Right | readonly [Right, ...Right[]]): (caller: Caller | undefined) => void {
  const rights = typeof needs === 'string' ? [needs] : needs
  return (caller) => {
    for (const right of rights) demand(caller, right)
  }
}

SchemaBuilder.registerPlugin(ACCESS_PLUGIN, AccessPlugin)
