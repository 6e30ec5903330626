// Time comes from two places: a verdict uses the instance's own clock, a command the database's, read with its locks. Tests
// put another clock in.
import { type Instant, instantOf } from '#domain/instant.ts'

export type Clock = {
  /** The instance's clock. */
  now(): Instant
  /** What a command takes the database's clock to say. */
  fromDatabase(databaseNow: Instant): Instant
}

export const systemClock: Clock = {
  now: createNow(),
  fromDatabase: (databaseNow) => databaseNow,
}

/** Writes each millisecond once: many verdicts fall into one. */
function createNow(): () => Instant {
  let writtenMs = 0
  let written = instantOf(writtenMs)
  return () => {
    const nowMs = Date.now()
    if (nowMs !== writtenMs) written = instantOf(nowMs)
    writtenMs = nowMs
    return written
  }
}
