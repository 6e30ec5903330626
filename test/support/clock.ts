// A clock that stands still until a test moves it, for the instance and for commands alike.
import type { Clock } from '#database/clock.ts'
import { type Instant, instantOf, plusMs } from '#domain/instant.ts'

export type TestClock = Clock & {
  /** Never backwards. */
  advance(ms: number): void
}

/** Starts at the present, because a few rows (idempotency keys) are dated by the database itself. */
export function createTestClock(start: Instant = instantOf(Date.now())): TestClock {
  let now = start
  return {
    now: () => now,
    fromDatabase: () => now,
    advance(ms) {
      now = plusMs(now, ms)
    },
  }
}
