// Answers that are not GraphQL's: small JSON documents with one form for everything that is refused.
import { type IncomingMessage, type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { requestIdOf } from './request-id.ts'

/**
 * An answer that names its request, whoever gives it. The id is told with the other headers, at the end: one that is set before
 * makes node:http take all of them one by one, which costs as much as verifying a key.
 */
export class IdentifiedResponse extends ServerResponse {
  readonly requestId: string

  constructor(request: IncomingMessage) {
    super(request)
    this.requestId = requestIdOf(request)
  }

  override writeHead(status: number, first?: string | Head, second?: Head): this {
    if (first === undefined || isNamed(first))
      return super.writeHead(status, { 'x-request-id': this.requestId, ...first })
    // Only node's own answers come like this, to what it refuses by itself: a request without a Host, say.
    this.setHeader('x-request-id', this.requestId)
    return typeof first === 'string' ? super.writeHead(status, first, second) : super.writeHead(status, first)
  }
}

type Head = OutgoingHttpHeaders | OutgoingHttpHeader[]

function isNamed(head: string | Head): head is OutgoingHttpHeaders {
  return typeof head === 'object' && !Array.isArray(head)
}

/** Sends `body` as JSON. Nothing from here may be kept by a cache: it is true only now, or holds a secret. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(
    response,
    status,
    { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
    JSON.stringify(body),
  )
}

/** In the form of GraphQL's errors, so that a client reads every refusal in the same way. */
export function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { errors: [{ message, extensions: { code } }] })
}

type Whole = {
  readonly response: ServerResponse
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** Sends a whole answer, when this turn of the event loop ends. One whose client has gone is dropped. */
export function send(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Buffer,
): void {
  answers.push({ response, status, headers, body })
  if (answers.length === 1) setImmediate(sendAll)
}

let answers: Whole[] = []

/**
 * The answers of one turn, one right after the other. Each written as soon as it is known wakes its reader up, and a server that
 * is busy spends a fifth of its time on that.
 */
function sendAll(): void {
  const whole = answers
  answers = []
  for (const { response, status, headers, body } of whole) {
    if (response.headersSent || response.destroyed) continue
    response.writeHead(status, {
      'x-content-type-options': 'nosniff',
      ...headers,
      'content-length': Buffer.byteLength(body),
    })
    response.end(response.req.method === 'HEAD' ? undefined : body)
  }
}
