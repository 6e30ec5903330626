// Specifications of deciders: given these events, when this is asked, then these facts (or this refusal).
import { expect } from 'vitest'
import type { Actor } from '#domain/actor.ts'
import type { Decision, Fact, Recorded } from '#domain/event.ts'
import type { Instant } from '#domain/instant.ts'

export const SOMEONE: Actor = { kind: 'KEY', id: 'key-of-someone' }

/** The three pure functions of a stream. */
export type Decider<Command, State, F, Refusal> = {
  readonly initial: State
  readonly evolve: (state: State, event: Recorded<F>) => State
  readonly decide: (command: Command, state: State) => Decision<F, Refusal>
}

/** Facts as the log would give them back; `given` numbers them. */
export function at<F extends Fact<string, unknown>>(instant: Instant, ...facts: readonly F[]): readonly Recorded<F>[] {
  return facts.map((fact) => ({ ...fact, at: instant, actor: SOMEONE, version: 0 }))
}

/** Folds from nothing; versions are dense from 1. */
export function fold<Command, State, F, Refusal>(
  { initial, evolve }: Decider<Command, State, F, Refusal>,
  events: readonly Recorded<F>[],
): State {
  return events.reduce((state, event, index) => evolve(state, { ...event, version: index + 1 }), initial)
}

export function givenFor<Command, State, F, Refusal>(decider: Decider<Command, State, F, Refusal>) {
  return (...history: readonly (readonly Recorded<F>[])[]) => ({
    when(command: Command) {
      const state = fold(decider, history.flat())
      const decided = () => decider.decide(command, state)
      return {
        // biome-ignore lint/suspicious/noThenProperty: the third word of given, when, then; nobody awaits it.
        then(facts: readonly F[]): void {
          expect(decided()).toEqual({ kind: 'accepted', facts })
        },
        thenRefused(refusal: Refusal): void {
          expect(decided()).toEqual({ kind: 'refused', refusal })
        },
        /** A defect of whoever asked. */
        thenImpossible(why: string): void {
          expect(decided).toThrow(`Invariant broken: ${why}`)
        },
      }
    },
  })
}
