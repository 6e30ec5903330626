// Reads a request's body, bounded, as the text it claims to be. Read here and not in Yoga, whose own limit pipes every body
// through another stream and costs almost half of all requests per second.
import type { IncomingMessage } from 'node:http'
import { UnavailableError } from '#database/unavailable.ts'

export type Body =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'too-long' }
  /** Not UTF-8: read leniently, a key or a name would silently become another one. */
  | { readonly kind: 'not-text' }

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Nearly every request fits in this. What is beyond is held by few at a time: anybody can send large bodies slowly over many
 * connections, and the credential is not looked at before the body is whole.
 */
const SMALL_BYTES = 16_384
const LARGE_BYTES_MAX = 128 * 1_048_576
/** Of all bodies that are being read, what is beyond the small part of each. */
let largeBytes = 0

/**
 * What comes beyond `bytesMax` is thrown away unseen, so that the client can read the answer and use its connection again;
 * the server's time limit for a whole request bounds that. Rejects when the client goes away, and with NoRoomError where too
 * many others send much.
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Body> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) {
    request.resume()
    return { kind: 'too-long' }
  }
  // Whoever went away before will not be heard of again.
  if (request.destroyed) throw new ClientGoneError()
  const taken = takeBytes(bytesMax)
  try {
    const whole = await new Promise<boolean>((resolve, reject) => {
      request.on('data', (chunk: Buffer) => {
        const refused = taken.add(chunk)
        if (refused === 'too-long') resolve(false)
        if (refused === 'no-room') reject(new NoRoomError())
      })
      request.on('end', () => resolve(true))
      request.on('error', () => reject(new ClientGoneError()))
      // It closes after it was read, too; making an error then would be much of what a small request costs.
      request.on('close', () => {
        if (!request.complete) reject(new ClientGoneError())
      })
    })
    return whole ? decode(taken.bytes()) : { kind: 'too-long' }
  } finally {
    taken.letGo()
  }
}

/**
 * The bytes of one body, until it is whole or they are let go: what comes after that is not taken. In one buffer and not in chunks,
 * which a client can make so small that each takes a hundred times what it holds.
 */
function takeBytes(bytesMax: number) {
  let buffer: Buffer | undefined = NOTHING
  let length = 0
  let large = 0

  /** False where there is no room for it. */
  function grow(capacity: number): boolean {
    const more = Math.max(0, capacity - SMALL_BYTES - large)
    if (more > 0 && largeBytes + more > LARGE_BYTES_MAX) return false
    large += more
    largeBytes += more
    return true
  }

  return {
    add(chunk: Buffer): 'too-long' | 'no-room' | undefined {
      if (buffer === undefined) return undefined
      const before = length
      length += chunk.length
      if (length > bytesMax) return 'too-long'
      if (before === 0) {
        // Nearly always there is no other.
        buffer = chunk
        return grow(length) ? undefined : 'no-room'
      }
      if (length > buffer.length) {
        const capacity = Math.min(bytesMax, Math.max(length, 2 * buffer.length, GROWN_BYTES_MIN))
        if (!grow(capacity)) return 'no-room'
        const grown = Buffer.allocUnsafeSlow(capacity)
        buffer.copy(grown, 0, 0, before)
        buffer = grown
      }
      chunk.copy(buffer, before)
      return undefined
    },
    bytes: () => (buffer ?? NOTHING).subarray(0, length),
    letGo(): void {
      buffer = undefined
      largeBytes -= large
      large = 0
    },
  }
}

const NOTHING = Buffer.alloc(0)
const GROWN_BYTES_MIN = 4_096

/** Nothing is the matter with the database, or with the request. */
export class NoRoomError extends UnavailableError {
  constructor() {
    super('Too many large requests are being read')
  }
}

/** The client closed the connection before its request was whole: nobody is left to answer. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError'
}

function decode(bytes: Buffer): Body {
  try {
    return { kind: 'text', text: decoder.decode(bytes) }
  } catch {
    return { kind: 'not-text' }
  }
}
