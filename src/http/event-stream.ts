// Writes what a subscription yields, as it happens: GraphQL over SSE in its mode of distinct connections, as Yoga does it. Not by
// Yoga's own stream: that asks for events ahead of a reader who is slow, when nobody can say yet whether they may be told.
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

export type EventStreamTimes = {
  /** Below the least that proxies wait for a sign of life. */
  readonly heartbeatMs: number
  /** A reader who takes nothing for longer is cut off. */
  readonly readerMaxMs: number
  /** For who was told at last that they are too slow, to read that. */
  readonly lastWordsMs: number
}

export const EVENT_STREAM_TIMES: EventStreamTimes = {
  heartbeatMs: 12_000,
  readerMaxMs: 20_000,
  lastWordsMs: 5_000,
}
export const EVENT_STREAM = 'text/event-stream'

const HEADERS = {
  'content-type': `${EVENT_STREAM}; charset=utf-8`,
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // nginx would keep back what there is until it has more.
  'x-accel-buffering': 'no',
}
const HEARTBEAT = ':\n\n'
const COMPLETE = 'event: complete\ndata:\n\n'

/**
 * Asks for a result only when all before it has been taken by the socket. `tooSlow` is called, once, when the reader takes nothing
 * any more; what is yielded then is the last word. Resolves when the response has ended.
 */
export async function sendEvents(
  response: ServerResponse,
  results: AsyncIterable<unknown>,
  { heartbeatMs, readerMaxMs, lastWordsMs }: EventStreamTimes,
  tooSlow: () => void,
): Promise<void> {
  if (response.destroyed) return
  response.writeHead(200, HEADERS)
  response.write(HEARTBEAT)
  const heart = setInterval(() => {
    if (!response.writableNeedDrain) response.write(HEARTBEAT)
  }, heartbeatMs)
  try {
    let isReading = true
    for await (const result of results) {
      response.write(`event: next\ndata: ${JSON.stringify(result)}\n\n`)
      if (!isReading || response.destroyed) break
      isReading = await isDrained(response, readerMaxMs)
      if (!isReading) tooSlow()
    }
    response.end(COMPLETE)
    if (isReading) return
    const deadline = setTimeout(() => response.destroy(), lastWordsMs)
    response.once('close', () => clearTimeout(deadline))
  } finally {
    clearInterval(heart)
    // An answer that broke off must not look whole.
    if (!response.writableEnded) response.destroy()
  }
}

/** False where the reader takes too long. */
export async function isDrained(response: ServerResponse, withinMs: number): Promise<boolean> {
  if (!response.writableNeedDrain || response.destroyed) return true
  const settled = new AbortController()
  const { signal } = settled
  try {
    return await Promise.race([
      once(response, 'drain', { signal }).then(() => true),
      once(response, 'close', { signal }).then(() => true),
      delay(withinMs, false, { signal }),
    ])
  } finally {
    settled.abort()
  }
}
