// GraphQL over HTTP: Yoga speaks the protocol, this mounts it. Bodies are read and bounded here, and no answer may be cached:
// it may hold a secret, and a verdict is true only at its instant.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { _createLRUCache as createCache, createYoga } from 'graphql-yoga'
import type { BaseLogger } from 'pino'
import { type ApiServices, type Audience, type Context, createContext } from '#graphql/context.ts'
import { schema } from '#graphql/schema.ts'
import { send, sendError } from './answer.ts'
import { credentialOf } from './authorization.ts'
import { readBody } from './body.ts'
import { streamResults } from './event-results.ts'
import { EVENT_STREAM_TIMES, type EventStreamTimes, sendEvents } from './event-stream.ts'
import { createFastLane } from './fast-lane.ts'
import { graphiqlPage, sendGraphiql, wantsGraphiql } from './graphiql.ts'
import {
  answerWithExecuted,
  buildContext,
  explainBrokenVariables,
  forbidIntrospection,
  type GraphqlRequest,
  limitDocuments,
  refuseSecretsOverGet,
  tellErrors,
  tellerOf,
} from './graphql-plugins.ts'
import type { RequestHandler } from './server.ts'

export type GraphqlParts = {
  readonly services: ApiServices
  readonly log: BaseLogger
  readonly graphiql: boolean
  readonly introspection: boolean
  /** For tests. */
  readonly eventStreamTimes?: EventStreamTimes | undefined
}

export const BODY_BYTES_MAX = 1_048_576
/** Clients send the same few documents again and again; with their greatest length this bounds the cache to some 30 MiB. */
const DOCUMENTS_CACHED_MAX = 256
const ENDPOINT = '/graphql'

export function graphqlHandler(parts: GraphqlParts): RequestHandler {
  const yoga = mount(parts)
  const fastLane = createFastLane({
    path: ENDPOINT,
    schema,
    documentsMax: DOCUMENTS_CACHED_MAX,
    // Documents are the same for everyone: what Yoga's plugins ask of a request, they ask of one like this.
    enveloped: () => yoga.getEnveloped({ request: new Request(`http://keyledger${ENDPOINT}`, { method: 'POST' }) }),
  })
  const { eventStreamTimes = EVENT_STREAM_TIMES } = parts
  let page: Promise<string> | undefined
  return async (request, response, requestId) => {
    if (parts.graphiql && wantsGraphiql(request)) {
      page ??= graphiqlPage(ENDPOINT)
      return sendGraphiql(response, await page)
    }
    const hasBody = request.method === 'POST'
    if (hasBody && isEncoded(request)) {
      request.resume()
      return sendError(
        response,
        415,
        'UNSUPPORTED_MEDIA_TYPE',
        'Send the request as it is, without a Content-Encoding.',
      )
    }
    const body = hasBody ? await readBody(request, BODY_BYTES_MAX) : undefined
    if (body?.kind === 'too-long')
      return sendError(response, 413, 'PAYLOAD_TOO_LARGE', `A request's body has at most ${BODY_BYTES_MAX} bytes.`)
    if (body?.kind === 'not-text') return sendError(response, 400, 'BAD_REQUEST', "The request's body is not UTF-8.")
    let audience: ReturnType<typeof audienceOf> | undefined
    let events: AsyncIterable<unknown> | undefined
    const facts: GraphqlRequest = {
      ...credentialOf(request),
      requestId,
      audience() {
        audience ??= audienceOf(response)
        return audience
      },
      stream(results) {
        events = results
      },
    }
    const fast =
      body && (await fastLane.answer(request, body.text, (isWithinLimits) => contextOf(parts, facts, isWithinLimits)))
    if (fast?.kind === 'whole')
      return send(response, 200, { 'content-type': fast.type, 'cache-control': 'no-store' }, fast.text)
    const answer = await yoga.fetch(
      `http://keyledger${request.url}`,
      {
        method: request.method ?? 'GET',
        headers: headersOf(request),
        ...(body === undefined ? {} : { body: body.text }),
      },
      fast?.kind === 'executed' ? { ...facts, executed: fast.result } : facts,
    )
    if (events !== undefined)
      return sendEvents(response, events, eventStreamTimes, () => {
        parts.log.info({ requestId }, 'a subscription ends whose reader takes nothing of it')
        audience?.isTooSlow()
      })
    const answered = Buffer.from(await answer.arrayBuffer())
    if (answered.length === 0) return explainEmpty(response, answer.status)
    send(response, answer.status, { ...headersIn(answer), 'cache-control': 'no-store' }, answered)
  }
}

/** Compressed, and not the text that it would be taken for. */
function isEncoded({ headers }: IncomingMessage): boolean {
  const encoding = headers['content-encoding']
  return encoding !== undefined && encoding.trim().toLowerCase() !== 'identity'
}

/** Not how Yoga would have sent it in parts: it is sent whole, and two lengths of one answer are read differently by different readers. */
function headersIn({ headers }: Response): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => !OF_SENDING.has(name.toLowerCase())))
}

const OF_SENDING = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding'])

function contextOf({ services }: GraphqlParts, request: GraphqlRequest, isWithinLimits: boolean): Context {
  const { authorization, accountId, requestId, audience } = request
  return createContext(services, { authorization, accountId, correlationId: requestId, isWithinLimits, audience })
}

function mount(parts: GraphqlParts) {
  const { log, introspection } = parts
  const tell = tellerOf({ log, suggestions: introspection })
  return createYoga<GraphqlRequest>({
    schema,
    graphqlEndpoint: ENDPOINT,
    // Errors are masked by `tellErrors`, which knows the request.
    maskedErrors: false,
    logging: false,
    graphiql: false,
    landingPage: false,
    cors: false,
    batching: false,
    multipart: false,
    maxRequestBodySize: false,
    parserAndValidationCache: {
      documentCache: createCache({ max: DOCUMENTS_CACHED_MAX }),
      errorCache: createCache({ max: DOCUMENTS_CACHED_MAX }),
    },
    plugins: [
      answerWithExecuted(),
      buildContext((facts) => contextOf(parts, facts, false)),
      limitDocuments(),
      explainBrokenVariables(),
      refuseSecretsOverGet(),
      ...(introspection ? [] : [forbidIntrospection()]),
      tellErrors(tell),
      streamResults(tell),
    ],
  })
}

/** Of one answer: gone is whoever was to have it as soon as it has ended, one way or the other. */
function audienceOf(response: ServerResponse): Audience & { isTooSlow(): void } {
  const gone = new AbortController()
  const tooSlow = new AbortController()
  response.once('close', () => gone.abort())
  if (response.destroyed) gone.abort()
  return { gone: gone.signal, tooSlow: tooSlow.signal, isTooSlow: () => tooSlow.abort() }
}

/** Yoga refuses types that it does not speak without a word. */
function explainEmpty(response: ServerResponse, status: number): void {
  if (status === 415) sendError(response, status, 'UNSUPPORTED_MEDIA_TYPE', 'Send the request as application/json.')
  else if (status === 406)
    sendError(
      response,
      status,
      'NOT_ACCEPTABLE',
      'The answer is to be had as application/json, that of a subscription as text/event-stream.',
    )
  else sendError(response, status, 'BAD_REQUEST', 'This is no GraphQL request.')
}

/** Those that Yoga reads. The rest, credentials first of all, stays out of its sight. */
function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const { accept, 'content-type': contentType } = headers
  return {
    ...(accept === undefined ? {} : { accept }),
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
  }
}
