// A moment of the past: how much of the log had happened by then.
//
// Moments have milliseconds, events microseconds. A moment's own millisecond has passed: whoever asks by an instant they were shown,
// which is cut to milliseconds, must find the event that they were shown it of.
import { type Instant, plusMs } from '#domain/instant.ts'

/** By an instant; and an account's own events not by that but by their place in its history, where one is given. */
export type Moment = {
  readonly at: Instant
  /** Events of this account count up to this position, whenever they occurred. */
  readonly upTo: { readonly accountId: string; readonly position: bigint } | null
}

export function momentAt(at: Instant): Moment {
  return { at, upTo: null }
}

/** What occurred before this had happened at that moment; what occurred then, or later, had not. */
export function endOf(at: Instant): Instant {
  return plusMs(at, 1)
}
