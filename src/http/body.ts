// Reads a request's body, bounded, as the text it claims to be. Read here and not in Yoga, whose own limit pipes every body
// through another stream and costs almost half of all requests per second.
import type { IncomingMessage } from 'node:http'

export type Body =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'too-long' }
  /** Not UTF-8: read leniently, a key or a name would silently become another one. */
  | { readonly kind: 'not-text' }

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * What comes beyond `bytesMax` is thrown away unseen, so that the client can read the answer and use its connection again;
 * the server's time limit for a whole request bounds that. Rejects when the client goes away.
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Body> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) {
    request.resume()
    return { kind: 'too-long' }
  }
  // Whoever went away before will not be heard of again.
  if (request.destroyed) throw new ClientGoneError()
  const chunks: Buffer[] = []
  let bytes = 0
  const whole = await new Promise<boolean>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= bytesMax) chunks.push(chunk)
      else resolve(false)
    })
    request.on('end', () => resolve(true))
    request.on('error', () => reject(new ClientGoneError()))
    // It closes after it was read, too; making an error then would be much of what a small request costs.
    request.on('close', () => {
      if (!request.complete) reject(new ClientGoneError())
    })
  })
  return whole ? decode(Buffer.concat(chunks)) : { kind: 'too-long' }
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
