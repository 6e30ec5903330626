// The schema builder: its types, scalars, plugins and limits. Defines no type of its own and is imported by all that do.
import SchemaBuilder from '@pothos/core'
import ComplexityPlugin, { type ComplexityErrorKind } from '@pothos/plugin-complexity'
import type { Instant } from '#domain/instant.ts'
import type { Json } from '#domain/key/events.ts'
import { ACCESS_PLUGIN } from './access-plugin.ts'
import type { Context } from './context.ts'
import { costOf, LIMITS, tooLarge } from './limits.ts'
import { PAST_PLUGIN } from './past.ts'
import { POSITION_PLUGIN } from './position-first.ts'
import { dateTime, json, position } from './scalars.ts'

// An interface, as Pothos advises: errors then name it instead of spelling it out.
export interface PothosTypes {
  Context: Context
  DefaultFieldNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Instant; Output: Instant }
    JSON: { Input: Json; Output: unknown }
    Position: { Input: bigint; Output: bigint }
  }
}

export const builder = new SchemaBuilder<PothosTypes>({
  // The first is asked first: who may not call learns nothing of limits, and nothing is read before both have passed.
  plugins: [ACCESS_PLUGIN, ComplexityPlugin, PAST_PLUGIN, POSITION_PLUGIN],
  defaultFieldNullability: false,
  complexity: {
    limit: ({ isWithinLimits }: Context) => (isWithinLimits ? {} : LIMITS),
    fieldComplexity: costOf,
    complexityError: (kind: `${ComplexityErrorKind}`, measured) => tooLarge(kind, measured),
  },
})

export type Types = typeof builder.$inferSchemaTypes

builder.scalarType('DateTime', dateTime)
builder.scalarType('JSON', json)
builder.scalarType('Position', position)

builder.queryType({ description: 'What can be read. Nothing here changes anything.' })
builder.subscriptionType({
  description: 'What is told as it happens, as server-sent events. It begins anew where it was left.',
})
builder.mutationType({
  description:
    'What can be changed. Each mutation is one transaction and, where it changes something, one or more events. An expected ' +
    'failure is a member of the result: select `... on Error { code message }`.',
})
