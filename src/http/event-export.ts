// `GET /accounts/<id>/events.ndjson` and `.csv`: history by any filter as a file, from a position on. It holds a page at a time,
// however long it gets and however slowly it is read, and ends cleanly only when nothing was left out: an export that breaks off
// breaks its connection, and goes on from the last position that came.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { GraphQLError } from 'graphql'
import type { BaseLogger } from 'pino'
import { RETRY_AFTER_S, UnavailableError } from '#database/unavailable.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { reached } from '#domain/instant.ts'
import { type ApiServices, type Context, createContext, judgeCaller, judgeCallerAnew } from '#graphql/context.ts'
import { demand } from '#graphql/needs.ts'
import type { Subscriber } from '#log/subscribers.ts'
import { searchEvents } from '#queries/event-search.ts'
import type { EventRow } from '#queries/events.ts'
import { sendError, sendJson } from './answer.ts'
import { credentialOf } from './authorization.ts'
import { isDrained } from './event-stream.ts'
import { EXPORT_FORMATS, type ExportFormat } from './export-format.ts'
import { createTeller, type Teller } from './export-lines.ts'
import { type ExportQuery, readExportQuery } from './export-query.ts'
import { type RequestHandler, refuseMethod } from './server.ts'

export type EventExportParts = {
  readonly services: ApiServices
  readonly log: BaseLogger
  /** For tests. */
  readonly readerMaxMs?: number | undefined
}

const PATH = /^\/accounts\/([^/?]*)\/events\.(ndjson|csv)(?:\?(.*))?$/
/** Some 30 MB where all are as large as events can be, usually half a megabyte. */
const PAGE_SIZE = 500
/** Sent at once. */
const CHUNK_CHARACTERS = 65_536
const READER_MAX_MS = 60_000
/** Each holds a page of events, and the streams that it folds for what they changed. */
const EXPORTS_MAX = 8
const EXPORTS_OF_ACCOUNT_MAX = 2

const STATUSES: Readonly<Record<string, number>> = { UNAUTHENTICATED: 401, FORBIDDEN: 403 }

export function eventExportHandler({ services, log, readerMaxMs = READER_MAX_MS }: EventExportParts): RequestHandler {
  const running = new Map<Subscriber, string>()
  return async (request, response, requestId) => {
    const [, accountId = '', format, search = ''] = PATH.exec(request.url ?? '') ?? []
    if (format !== 'ndjson' && format !== 'csv') return sendError(response, 404, 'NOT_FOUND', 'There is nothing here.')
    if (request.method !== 'GET') return refuseMethod(response, 'GET')
    const context = createContext(services, {
      ...credentialOf(request),
      correlationId: requestId,
      audience: nobody,
    })
    try {
      demand(await judgeCaller(context), 'events.read')
      const query = readExportQuery(search)
      const head = await context.loaders.accountPosition.load(accountId)
      if (head === null) return sendError(response, 404, 'NOT_FOUND', 'There is no such account.')
      if (query.after > head)
        throw new BadQueryArgumentError([{ path: ['after'], message: `the account's last event is at ${head}` }])
      // By its end alone an older version's answer could not be told from one that broke off.
      if (isOld(request)) return sendError(response, 505, 'HTTP_VERSION_NOT_SUPPORTED', 'An export takes HTTP/1.1.')
      const ofAccount = [...running.values()].filter((id) => id === accountId).length
      const subscriber = services.subscribers.join(accountId)
      if (subscriber === 'stopping') throw new UnavailableError('This instance is shutting down')
      if (subscriber === 'too-many' || running.size >= EXPORTS_MAX || ofAccount >= EXPORTS_OF_ACCOUNT_MAX) {
        if (subscriber !== 'too-many') subscriber.leave()
        return refuseMore(response)
      }
      running.set(subscriber, accountId)
      try {
        await send({ context, subscriber, accountId, format, query, head, readerMaxMs }, response)
      } finally {
        running.delete(subscriber)
        subscriber.leave()
        if (!response.writableEnded && response.headersSent) {
          log.info({ requestId }, 'an export broke off')
          response.destroy()
        }
      }
    } catch (error) {
      if (response.headersSent) log.warn({ requestId, err: error }, 'an export could not go on')
      else refuse(response, error)
    }
  }
}

function nobody(): never {
  throw new Error('Only subscriptions ask for their audience')
}

function isOld({ httpVersionMajor, httpVersionMinor }: IncomingMessage): boolean {
  return httpVersionMajor === 1 && httpVersionMinor === 0
}

function refuseMore(response: ServerResponse): void {
  response.setHeader('retry-after', RETRY_AFTER_S)
  sendError(response, 429, 'TOO_MANY_EXPORTS', 'Too many exports are under way here. Try again when one has ended.')
}

function refuse(response: ServerResponse, error: unknown): void {
  if (error instanceof BadQueryArgumentError) {
    const issues = error.issues.map(({ path, message }) => ({ path: path.filter((at) => at !== 'filter'), message }))
    const message = issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')
    sendJson(response, 400, { errors: [{ message, extensions: { code: 'INVALID_INPUT', issues } }] })
    return
  }
  const code = error instanceof GraphQLError ? String(error.extensions.code) : ''
  const status = STATUSES[code]
  if (!(error instanceof GraphQLError) || status === undefined) throw error
  if (status === 401) response.setHeader('www-authenticate', 'Bearer')
  sendError(response, status, code, error.message)
}

type Export = {
  readonly context: Context
  readonly subscriber: Subscriber
  readonly accountId: string
  readonly format: keyof typeof EXPORT_FORMATS
  readonly query: ExportQuery
  /** As far as it goes: what happens meanwhile is for the next one. */
  readonly head: bigint
  readonly readerMaxMs: number
}

/** Ends the response when all is sent, and only then. */
async function send(what: Export, response: ServerResponse): Promise<void> {
  const { context, accountId, query, head, readerMaxMs } = what
  const format: ExportFormat = EXPORT_FORMATS[what.format]
  const tell = createTeller(query.withChanges)
  let page = await readPage(what, query.after)
  response.writeHead(200, {
    'content-type': format.contentType,
    'content-disposition': `attachment; filename="events-${accountId}.${what.format}"`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-accel-buffering': 'no',
    'x-events-up-to': String(head),
  })
  if (query.withHeader) response.write(format.header)
  while (page.length > 0) {
    await judge(what)
    for await (const chunk of chunksOf(page, tell, context, format)) {
      if (response.destroyed) return
      if (response.writableNeedDrain) {
        if (!(await isDrained(response, readerMaxMs)) || response.destroyed) return
        // Long may have passed since.
        await judge(what)
      }
      response.write(chunk)
    }
    const last = page.at(-1)?.position ?? head
    // Names as they are now, and no memory of all that were ever told.
    context.startOver()
    page = page.length < PAGE_SIZE || last >= head ? [] : await readPage(what, last)
  }
  response.end()
}

async function readPage({ context, accountId, query, head }: Export, after: bigint): Promise<readonly EventRow[]> {
  const { read } = searchEvents(context.reader, { accountId }, query.filter)
  const rows = await read({ forward: true, from: [String(after)], inclusive: false, limit: PAGE_SIZE })
  return rows.filter(({ position }) => position <= head)
}

/** As for each event of a subscription: who may no longer read on is told no more. */
async function judge({ context, subscriber }: Export): Promise<void> {
  const end = subscriber.ended()
  if (end !== undefined) throw new UnavailableError(`An export ends: ${end}`)
  const caller = await judgeCallerAnew(context)
  demand(reached(context.credentialEndsAt, context.services.clock.now()) ? undefined : caller, 'events.read')
}

async function* chunksOf(
  page: readonly EventRow[],
  tell: Teller,
  context: Context,
  format: ExportFormat,
): AsyncIterable<string> {
  let chunk = ''
  for (const event of await tell(page, context)) {
    chunk += format.line(event)
    if (chunk.length < CHUNK_CHARACTERS) continue
    yield chunk
    chunk = ''
  }
  if (chunk !== '') yield chunk
}
