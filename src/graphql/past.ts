// Things as they were. What is read by way of a thing of the past is of the same moment: its fields are resolved with loaders and a
// reader of that moment. A field must say that it can be (`past`); any other is refused, so that nobody is told what is now for what was.
import SchemaBuilder, {
  BasePlugin,
  type FieldNullability,
  type InputFieldMap,
  type PothosOutputFieldConfig,
  type SchemaTypes,
  type TypeParam,
} from '@pothos/core'
import type { GraphQLFieldResolver } from 'graphql'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Instant } from '#domain/instant.ts'
import type { AsItWas } from '#history/past-rows.ts'
import type { Loaders } from '#queries/loaders.ts'
import { createPastLoaders } from '#queries/past-loaders.ts'
import type { Reader } from '#queries/reader.ts'
import type { Context } from './context.ts'
import { demand } from './needs.ts'

export const PAST_PLUGIN = 'past'

declare global {
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      past: PastPlugin<Types>
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
      /** It follows from its parent's row, its arguments, loaders and reader alone, and so can be told of the past too. */
      past?: true
    }
  }
}

type Resolver = GraphQLFieldResolver<unknown, object>

export class PastPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(field: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    return { ...field, extensions: { ...field.extensions, past: isTold(field) } }
  }

  override wrapResolve(resolve: Resolver, field: PothosOutputFieldConfig<Types>): Resolver {
    if (isExposed(field) || field.kind === 'Query' || field.kind === 'Mutation' || field.kind === 'Subscription') {
      return resolve
    }
    const told = isTold(field)
    return (parent, args, context, info) => {
      const at = (parent as AsItWas<object>).asOf
      if (at === undefined) return resolve(parent, args, context, info)
      if (!told) throw untold(field.name)
      return resolve(parent, args, contextAt(context as Context, at), info)
    }
  }
}

type Field = {
  readonly extensions?: Readonly<Record<string, unknown>> | null | undefined
  readonly pothosOptions: { readonly past?: true }
}

/** A member of the row itself. */
function isExposed(field: Field): boolean {
  return field.extensions?.pothosExposedField !== undefined
}

function isTold(field: Field): boolean {
  return isExposed(field) || field.pothosOptions.past === true
}

function untold(name: string): BadQueryArgumentError {
  const message = 'is known only as it is now, and can not be told of a past moment: ask for it without `at`'
  return new BadQueryArgumentError([{ path: [name], message }])
}

SchemaBuilder.registerPlugin(PAST_PLUGIN, PastPlugin)

/** A thing that is read as it was: folding its events, and those of what it leads to, is the work of many reads. */
export const PAST_COST = 100

/** The argument of a query that finds a thing by its id. */
export const AT =
  'Show it as it was at this instant, by all events up to the end of its millisecond; absent or null: as it is. Takes events.read ' +
  'as well. Null where it was not there yet. What can be read by way of it is of the same instant; what is known only as it is now ' +
  '(lists, counts, last use) is refused with INVALID_INPUT, and people and actors are called what they are called now. Not in the future; ' +
  'to the last seconds, changes that are still being written may yet be added.'

export function costOfThing({ at }: { readonly at?: Instant | null | undefined }): number {
  return at == null ? 1 : PAST_COST
}

/** What a query is resolved with: of now, or of the moment that is asked for. Throws FORBIDDEN, and BadQueryArgumentError for the future. */
export function asOf(context: Context, at: Instant | null | undefined): Pick<Context, 'loaders' | 'reader'> {
  if (at == null) return context
  demand(context.caller, 'events.read')
  checkPast(context, ['at'], at)
  return contextAt(context, at)
}

/** `path` leads to the argument. Throws BadQueryArgumentError. */
export function checkPast({ reader }: Pick<Context, 'reader'>, path: readonly string[], at: Instant): void {
  if (at <= reader.now) return
  throw new BadQueryArgumentError([{ path, message: 'is in the future, of which nothing is known' }])
}

/** By the loaders of the caller as judged: other loaders, other callers. */
const contexts = new WeakMap<Loaders, Map<Instant, Context>>()

function contextAt(context: Context, at: Instant): Context {
  const known = contexts.get(context.loaders) ?? new Map<Instant, Context>()
  contexts.set(context.loaders, known)
  const past = known.get(at) ?? pastOf(context, at)
  known.set(at, past)
  return past
}

function pastOf(context: Context, at: Instant): Context {
  const reader: Reader = { ...context.reader, now: at, past: true }
  const loaders = createPastLoaders(reader, context.caller, context.loaders)
  return Object.create(context, { reader: { value: reader }, loaders: { value: loaders } }) as Context
}
