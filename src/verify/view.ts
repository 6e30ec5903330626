// How current an answer has to be, and the waiting for it. A view is of one operation: what it needs is waited for once.
import { CATCH_UP_MAX_MS, type Feed } from '#log/feed.ts'
import type { Subscribers } from '#log/subscribers.ts'
import type { ServingServices } from '#usage/services.ts'
import type { CodeFinder } from './code-finder.ts'
import { before, type Deadline, deadlineIn } from './deadline.ts'
import type { IdentityTokens } from './identity-token.ts'
import type { KeyspaceFinder } from './keyspace-finder.ts'
import type { UserFinder } from './user-finder.ts'

/** What a request is verified with: the feed keeps what the finder remembers current. */
export type VerifyingServices = ServingServices & {
  readonly feed: Feed
  readonly codes: CodeFinder
  readonly keyspaces: KeyspaceFinder
  readonly users: UserFinder
  readonly subscribers: Subscribers
  /** How old a BOUNDED answer may be. */
  readonly stalenessMs: number
  /** How long an operation may wait in all for what it has to know. */
  readonly waitsMaxMs: number
  /** Null where there is no identity provider: then nobody signs in by a token. */
  readonly identityTokens: IdentityTokens | null
}

/** STRONG: has seen every change that was acknowledged before it was asked. BOUNDED: before that, less the bound. */
export type Consistency = 'STRONG' | 'BOUNDED'

/** Below a second, within which an answer is given, be it UNAVAILABLE: a caller who waits longer would rather be told. */
export const WAITS_MAX_MS = 900

/** Its deadline is for all that the operation waits for in turn: counted from when it first waits. */
export type View = Deadline & {
  /**
   * Resolves when what is known is current; what is then taken at once is. Undefined where it is already: verifying what is known
   * waits for nothing then. Rejects with UnavailableError.
   */
  current(consistency: Consistency): Promise<void> | undefined
}

/** For an operation that begins now. */
export function viewOf({ feed, stalenessMs, waitsMaxMs }: VerifyingServices): View {
  const deadline = deadlineIn(waitsMaxMs)
  let caughtUp: Promise<void> | undefined
  let isCaughtUp = false
  return {
    leftMs: deadline.leftMs,
    current(consistency) {
      // Without a wait between: what is taken next is as old as this says.
      if (isCaughtUp || (consistency === 'BOUNDED' && feed.ageMs() <= stalenessMs)) return undefined
      // A timer for each operation only where others waited before: the feed's own time is shorter than all of ours.
      caughtUp ??= (deadline.leftMs() > CATCH_UP_MAX_MS ? feed.catchUp() : before(deadline, feed.catchUp)).then(() => {
        isCaughtUp = true
      })
      return caughtUp
    },
  }
}
