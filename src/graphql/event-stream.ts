// One subscription: the events of an account from a position on, each let out only to a caller who may read it at that moment.
// What waits here is a position and a page; a reader who falls behind is read for from the log.
import { setTimeout as delay } from 'node:timers/promises'
import { GraphQLError } from 'graphql'
import { isUnavailable, RETRY_AFTER_S } from '#database/unavailable.ts'
import { reached } from '#domain/instant.ts'
import type { Subscriber } from '#log/subscribers.ts'
import type { EventRow } from '#queries/events.ts'
import { readEventsAfter } from '#queries/events-after.ts'
import { type Context, judgeCallerAnew } from './context.ts'
import { demand } from './needs.ts'

export type EventStreamParts = {
  readonly context: Context
  readonly subscriber: Subscriber
  readonly accountId: string
  readonly after: bigint
  /** Null for all. */
  readonly types: readonly string[] | null
}

/** While the database is away, and not all at the same moment. */
const RETRY_MS = 250

const ENDS = {
  rewound: {
    code: 'HISTORY_REWOUND',
    message:
      'The database was set back to an earlier state: what was read before may have changed. Read the account anew, then subscribe again.',
  },
  stopping: {
    code: 'UNAVAILABLE',
    message: 'This instance is shutting down. Subscribe again from `extensions.position`.',
    retryAfter: RETRY_AFTER_S,
  },
  slow: {
    code: 'READER_TOO_SLOW',
    message: 'What was sent was not read in time. Subscribe again from `extensions.position`.',
  },
} as const

/** Rejects, once, with the error that ends it, which has the position to go on from. */
export function eventStream(parts: EventStreamParts): AsyncIterableIterator<EventRow> {
  const { context, subscriber } = parts
  const walk = walkOf(parts)
  let over = false
  const leave = () => {
    over = true
    subscriber.leave()
  }
  // However the answer ends: of a stream that nobody ever began to read nothing else would tell.
  const { gone } = context.audience()
  gone.addEventListener('abort', leave, { once: true })
  if (gone.aborted) leave()
  context.repeatEvent = walk.repeat
  return {
    async next() {
      if (over) return { done: true, value: undefined }
      try {
        const event = await nextEvent(parts, walk, () => over)
        return event === undefined ? { done: true, value: undefined } : { done: false, value: event }
      } catch (error) {
        leave()
        throw endedAt(walk.position(), error)
      }
    },
    async return() {
      leave()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

type Walk = ReturnType<typeof walkOf>

async function nextEvent(parts: EventStreamParts, walk: Walk, isOver: () => boolean): Promise<EventRow | undefined> {
  const { context, subscriber } = parts
  const { clock } = context.services
  while (!isOver()) {
    try {
      // Whose time is over is judged first, however long the database may let a read wait.
      if (walk.mustRead() && !reached(context.credentialEndsAt, clock.now())) await walk.read()
      const caller = await judgeCallerAnew(context)
      // A token counts for a minute longer where it is presented, for clocks that differ; a stream ends when it says.
      demand(reached(context.credentialEndsAt, clock.now()) ? undefined : caller, 'events.read')
      throwIfEnded(parts)
      const event = walk.take()
      if (event !== undefined) return event
    } catch (error) {
      throwIfEnded(parts)
      if (!isUnavailable(error)) throw error
      if (reached(context.credentialEndsAt, clock.now())) demand(undefined, 'events.read')
      await delay(RETRY_MS * (1 + Math.random()))
      continue
    }
    if (walk.isBehind()) continue
    await subscriber.news(context.credentialEndsAt)
    walk.somethingIsNew()
  }
  return undefined
}

function throwIfEnded({ context, subscriber }: EventStreamParts): void {
  const end = context.audience().tooSlow.aborted ? 'slow' : subscriber.ended()
  if (end !== undefined) throw new EndError(end)
}

class EndError extends Error {
  readonly end: keyof typeof ENDS

  constructor(end: keyof typeof ENDS) {
    super(end)
    this.end = end
  }
}

function endedAt(position: bigint, error: unknown): unknown {
  const at = { position: position.toString() }
  if (error instanceof EndError) {
    const { message, ...extensions } = ENDS[error.end]
    return new GraphQLError(message, { extensions: { ...extensions, ...at } })
  }
  if (!(error instanceof GraphQLError)) return error
  return new GraphQLError(error.message, { extensions: { ...error.extensions, ...at } })
}

/** How far the account has been read and told. */
function walkOf({ context, accountId, after, types }: EventStreamParts) {
  let page: readonly EventRow[] = []
  let readUpTo = after
  let mayHoldMore = true
  /** All up to here was told, or is of no type that is wanted. */
  let position = after
  let last: { readonly event: EventRow; readonly positionBefore: bigint } | undefined
  return {
    position: () => position,
    mustRead: () => page.length === 0 && mayHoldMore,
    isBehind: () => page.length > 0 || mayHoldMore,
    somethingIsNew() {
      mayHoldMore = true
    },
    async read(): Promise<void> {
      const found = await readEventsAfter(context.services.subscribers.read, accountId, readUpTo, types)
      if (found.kind === 'rewound') throw new EndError('rewound')
      page = found.events
      readUpTo = found.upTo
      mayHoldMore = !found.isLast
      if (page.length === 0) position = readUpTo
    },
    take(): EventRow | undefined {
      const [event, ...rest] = page
      if (event === undefined) return undefined
      last = { event, positionBefore: position }
      page = rest
      position = rest.length === 0 ? readUpTo : event.position
      return event
    },
    /** The event that was taken last is to come again. */
    repeat(): void {
      if (last === undefined) return
      page = [last.event, ...page]
      position = last.positionBefore
      last = undefined
    },
  }
}
