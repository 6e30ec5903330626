// Instants as the log writes them: RFC 3339 in UTC with milliseconds and four-digit years, so that they compare as
// strings, survive JSON unchanged and mean the same to every reader of the log.

/** For example `2026-03-01T09:30:00.000Z`. */
export type Instant = string

export const SECOND_MS = 1_000
export const DAY_MS = 86_400_000

/** The latest instant that four-digit years can write. */
export const INSTANT_MAX: Instant = '9999-12-31T23:59:59.999Z'

export function instantOf(epochMs: number): Instant {
  return new Date(epochMs).toISOString()
}

export function epochMsOf(instant: Instant): number {
  return Date.parse(instant)
}

/** Capped at INSTANT_MAX, so that no sum leaves the comparable range. */
export function plusMs(instant: Instant, ms: number): Instant {
  const sum = epochMsOf(instant) + ms
  return sum > epochMsOf(INSTANT_MAX) ? INSTANT_MAX : instantOf(sum)
}

/** An end is reached at its very instant: `now >= end`. Null never ends. */
export function reached(end: Instant | null, now: Instant): boolean {
  return end !== null && now >= end
}

/** The earlier of two ends, null being never. */
export function earlier(a: Instant | null, b: Instant | null): Instant | null {
  if (a === null) return b
  if (b === null) return a
  return a < b ? a : b
}

export function later(a: Instant, b: Instant): Instant {
  return a > b ? a : b
}
