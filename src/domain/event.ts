// What deciders return and what the log gives back. Words: a fact is what was decided; an event is a fact with its place
// in a stream.
import type { Actor } from './actor.ts'
import type { Instant } from './instant.ts'

export type Fact<Type extends string, Data> = { readonly type: Type; readonly data: Data }

/** `at` is the command's `now`, by which the decision was made; `version` the stream's, dense from 1. */
export type Recorded<F> = F & { readonly at: Instant; readonly actor: Actor; readonly version: number }

/** The facts a command makes true (none where its end was already reached), or why it may not. */
export type Decision<F, R> =
  | { readonly kind: 'accepted'; readonly facts: readonly F[] }
  | { readonly kind: 'refused'; readonly refusal: R }

export function accept<F>(...facts: readonly F[]): Decision<F, never> {
  return { kind: 'accepted', facts }
}

export function refuse<const R>(refusal: R): Decision<never, R> {
  return { kind: 'refused', refusal }
}
