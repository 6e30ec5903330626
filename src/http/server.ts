// The HTTP server: which path leads where, how long a client may take, and how to stop without dropping a request.
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { isUnavailable, RETRY_AFTER_S } from '#database/unavailable.ts'
import { IdentifiedResponse, sendError, sendJson } from './answer.ts'
import { ClientGoneError } from './body.ts'
import { type Connections, connectionsOf, IDLE_GRACE_MS } from './connections.ts'
import type { Readiness } from './health.ts'
import { newRequestId } from './request-id.ts'

export type RequestHandler = (request: IncomingMessage, response: ServerResponse, requestId: string) => Promise<void>

export type HttpServerParts = {
  readonly graphql: RequestHandler
  /** Of every path below /codes/. */
  readonly secretDownload: RequestHandler
  /** Of every path below /accounts/. */
  readonly eventExport: RequestHandler
  readonly forwardAuth: RequestHandler
  /** Of every path below /audit/. */
  readonly auditLog: RequestHandler
  readonly readiness: () => Promise<Readiness>
  readonly log: Logger
  /** For tests. */
  readonly idleGraceMs?: number | undefined
}

export type HttpServer = {
  /** Rejects with the system's error where the address can't be had. Gives the port, also where any was asked for. */
  listen(at: { readonly host: string; readonly port: number }): Promise<number>
} & Pick<Connections, 'drain' | 'isDraining'>

// A request is at most 1 MiB: 30 s is a slow phone's, and no client holds a connection for longer by sending slowly. The
// socket's own limit is for clients that don't read what they asked for. Proxies keep connections open for a minute.
const TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
  keepAliveTimeout: 65_000,
} as const
const SOCKET_IDLE_MS = 120_000

export function createHttpServer(parts: HttpServerParts): HttpServer {
  const options = { ...TIMEOUTS, ServerResponse: IdentifiedResponse }
  const server = createServer(options, (request, response) => {
    const { requestId } = response
    const isAdmitted = connections.admit(response)
    if (parts.log.isLevelEnabled('debug')) logWhenDone(request, response, requestId, parts.log)
    route(parts, isAdmitted, request, response, requestId).catch((error: unknown) => {
      if (error instanceof ClientGoneError) return
      if (isUnavailable(error)) {
        parts.log.warn({ requestId, err: error }, 'a request could not be answered now')
        response.setHeader('retry-after', RETRY_AFTER_S)
        return sendError(response, 503, 'UNAVAILABLE', 'This can not be answered now. Try again.')
      }
      parts.log.error({ requestId, err: error }, 'a request failed')
      sendError(response, 500, 'INTERNAL_SERVER_ERROR', 'Unexpected error.')
    })
  })
  const connections = connectionsOf(server, parts.idleGraceMs ?? IDLE_GRACE_MS)
  server.timeout = SOCKET_IDLE_MS
  server.on('clientError', refuseConnection)
  return {
    listen: ({ host, port }) => listen(server, host, port),
    drain: connections.drain,
    isDraining: connections.isDraining,
  }
}

async function route(
  { graphql, secretDownload, eventExport, forwardAuth, auditLog, readiness }: HttpServerParts,
  isAdmitted: boolean,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const [path] = (request.url ?? '').split('?', 1)
  if (path === '/health/live' || path === '/health/ready') {
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuseMethod(response, 'GET, HEAD')
    if (path === '/health/live') return sendJson(response, 200, { live: true })
    const state = await readiness()
    return sendJson(response, state.ready ? 200 : 503, state)
  }
  // Of a client that sends without waiting for answers, and will not see this one.
  if (!isAdmitted) return sendError(response, 503, 'UNAVAILABLE', 'This instance is shutting down.')
  if (path === '/graphql') return graphql(request, response, requestId)
  if (path?.startsWith('/codes/')) return secretDownload(request, response, requestId)
  if (path?.startsWith('/accounts/')) return eventExport(request, response, requestId)
  if (path?.startsWith('/audit/')) return auditLog(request, response, requestId)
  if (path === '/forward-auth') return forwardAuth(request, response, requestId)
  return sendError(response, 404, 'NOT_FOUND', 'There is nothing here. GraphQL is at /graphql.')
}

export function refuseMethod(response: ServerResponse, allow: string): void {
  response.setHeader('allow', allow)
  sendError(response, 405, 'METHOD_NOT_ALLOWED', `Only ${allow} can be asked for here.`)
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

/** The path without its query, which may hold what a client should have sent elsewhere. */
function logWhenDone(request: IncomingMessage, response: ServerResponse, requestId: string, log: Logger): void {
  const startedAt = performance.now()
  response.on('close', () => {
    const [path] = (request.url ?? '').split('?', 1)
    const durationMs = Math.round(performance.now() - startedAt)
    const { method } = request
    log.debug(
      { requestId, method, path, status: response.statusCode, whole: response.writableEnded, durationMs },
      'request',
    )
  })
}

const STATUS_OF_PARSE_ERROR: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** What could not be read as a request at all. Node's own answer lacks the id. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = STATUS_OF_PARSE_ERROR[error.code ?? ''] ?? 400
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n` +
      `X-Request-Id: ${newRequestId()}\r\n\r\n`,
  )
}
