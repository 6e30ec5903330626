// Who waits in this process for what happens in an account. The one reader of the log wakes them; they read by themselves, by
// position, so that one who waits costs a few hundred bytes, and no event is kept in memory for anybody.
import type { CompiledQuery } from 'kysely'
import type { Clock } from '#database/clock.ts'
import type { Database } from '#database/connect.ts'
import { watchedConnection } from '#database/watched-connection.ts'
import { type Instant, reached } from '#domain/instant.ts'
import type { Feed } from './feed.ts'

/** Why a subscriber has to end: the log is not the one it has read, or the process stops. */
export type SubscriberEnd = 'rewound' | 'stopping'

export type Subscriber = {
  /** Undefined as long as it may go on. */
  ended(): SubscriberEnd | undefined
  /**
   * Resolves when something may be new since it was asked last: an event of the account, another root key, an end, or that
   * `at` has come. Whatever came between two calls is not lost. Never rejects.
   */
  news(at: Instant | null): Promise<void>
  leave(): void
}

export type Subscribers = {
  join(accountId: string): Subscriber | 'too-many' | 'stopping'
  /**
   * Reads for them, a few at a time over one connection: however many an event wakes, they take nothing from requests. Rejects with
   * UnavailableError where there is no answer in time.
   */
  read<Row>(query: CompiledQuery<Row>): Promise<readonly Row[]>
  /** Ends all, and lets nobody join any more. */
  stop(): void
}

export type SubscribersParts = {
  readonly database: Database
  readonly feed: Pick<Feed, 'follow' | 'surroundings'>
  readonly clock: Clock
}

/** Each holds a connection and some 60 KB with all that belongs to it, measured with a thousand. */
export const SUBSCRIBERS_MAX = 2_000
/** No account takes all of them. */
export const SUBSCRIBERS_OF_ACCOUNT_MAX = 200
/** How late an end is noticed that no event tells: a credential's, by the clock, and the root key's. */
const LOOK_INTERVAL_MS = 250

const READING_MAX = 8
/** Each walks through some thousand events at most. */
const READ_MAX_MS = 2_000

type Waiting = { fresh: boolean; until: Instant | null; wake: (() => void) | undefined; end: SubscriberEnd | undefined }

export function createSubscribers({ database, feed, clock }: SubscribersParts): Subscribers {
  const connection = watchedConnection(database)
  const inTurn = turns(READING_MAX)
  const byAccount = new Map<string, Set<Waiting>>()
  let count = 0
  let stopped = false
  let rootKeys = rootKeysOf(feed)

  const following = feed.follow({
    onEvents(events) {
      for (const accountId of new Set(events.map((event) => event.accountId)))
        for (const one of byAccount.get(accountId) ?? []) wake(one)
    },
    onReset(why) {
      for (const one of all()) {
        if (why === 'rewound') one.end ??= 'rewound'
        wake(one)
      }
    },
  })
  const timer = setInterval(look, LOOK_INTERVAL_MS).unref()

  function* all(): Iterable<Waiting> {
    for (const ofAccount of byAccount.values()) yield* ofAccount
  }

  function look(): void {
    const known = rootKeysOf(feed)
    const now = clock.now()
    const changed = known !== rootKeys
    rootKeys = known
    for (const one of all()) if (changed || reached(one.until, now)) wake(one)
  }

  function leave(accountId: string, one: Waiting): void {
    const ofAccount = byAccount.get(accountId)
    if (ofAccount?.delete(one)) count -= 1
    if (ofAccount?.size === 0) byAccount.delete(accountId)
    wake(one)
  }

  return {
    join(accountId) {
      if (stopped) return 'stopping'
      const ofAccount = byAccount.get(accountId) ?? new Set()
      if (count >= SUBSCRIBERS_MAX || ofAccount.size >= SUBSCRIBERS_OF_ACCOUNT_MAX) return 'too-many'
      const one: Waiting = { fresh: true, until: null, wake: undefined, end: undefined }
      byAccount.set(accountId, ofAccount.add(one))
      count += 1
      return {
        ended: () => one.end,
        news: (at) => news(one, at),
        leave: () => leave(accountId, one),
      }
    },
    read: (query) => inTurn(() => connection.ask(query, READ_MAX_MS)),
    stop() {
      stopped = true
      clearInterval(timer)
      following.stop()
      for (const one of all()) {
        one.end ??= 'stopping'
        wake(one)
      }
      connection.close()
    },
  }
}

/** Runs so many pieces of work at once, the others in the order in which they came. */
function turns(max: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running < max) running += 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}

function wake(one: Waiting): void {
  one.fresh = true
  one.wake?.()
}

async function news(one: Waiting, at: Instant | null): Promise<void> {
  if (!one.fresh) {
    const { promise, resolve } = Promise.withResolvers<void>()
    one.wake = resolve
    one.until = at
    await promise
    one.wake = undefined
    one.until = null
  }
  one.fresh = false
}

function rootKeysOf(feed: SubscribersParts['feed']): string | undefined {
  return feed
    .surroundings()
    ?.rootKeyDigests.map((digest) => digest.toString('hex'))
    .join()
}
