// How current an answer has to be, and the waiting for it. A view is of one operation: what it needs is waited for once.
import type { Feed } from '#log/feed.ts'
import type { Subscribers } from '#log/subscribers.ts'
import type { ServingServices } from '#usage/services.ts'
import type { CodeFinder } from './code-finder.ts'
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
  /** Null where there is no identity provider: then nobody signs in by a token. */
  readonly identityTokens: IdentityTokens | null
}

/** STRONG: has seen every change that was acknowledged before it was asked. BOUNDED: before that, less the bound. */
export type Consistency = 'STRONG' | 'BOUNDED'

/**
 * Resolves when what is known is current; what is then taken at once is. Undefined where it is already: verifying what is known waits
 * for nothing then. Rejects with UnavailableError.
 */
export type View = (consistency: Consistency) => Promise<void> | undefined

/** For an operation that begins now. */
export function viewOf({ feed, stalenessMs }: VerifyingServices): View {
  let caughtUp: Promise<void> | undefined
  let isCaughtUp = false
  return (consistency) => {
    // Without a wait between: what is taken next is as old as this says.
    if (isCaughtUp || (consistency === 'BOUNDED' && feed.ageMs() <= stalenessMs)) return undefined
    caughtUp ??= feed.catchUp().then(() => {
      isCaughtUp = true
    })
    return caughtUp
  }
}
