// `/audit/<n>/checkpoint` and `/audit/<n>/tile/…`: the audit log as https://c2sp.org/tlog-tiles has it, for clients and witnesses that
// are not ours. Hashes of salted entries tell nothing but how many there are, so nobody is asked who they are; the entries
// themselves are every account's, and root's alone to read.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { newestNote, publishedEntries, publishedTile } from '#audit/store/published.ts'
import { parseTilePath, type TileId } from '#audit/tree/tiles.ts'
import { send as sendStatement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { UnavailableError } from '#database/unavailable.ts'
import { DenialError } from '#domain/caller.ts'
import { authenticate } from '#verify/authenticate.ts'
import type { VerifyingServices } from '#verify/view.ts'
import { send, sendError } from './answer.ts'
import { credentialOf } from './authorization.ts'
import { type RequestHandler, refuseMethod } from './server.ts'

const PATH = /^\/audit\/([1-9]\d{0,4})\/(checkpoint|tile\/[^?]*)(?:\?|$)/
/** What anybody may ask for must not fill the queue for connections of the database. */
const READS_MAX = 64
const LOG_NUMBER_MAX = 32_767

const PUBLIC = 'public, max-age=31536000, immutable'
const PRIVATE = 'private, max-age=31536000, immutable'

export function auditLogHandler(services: VerifyingServices): RequestHandler {
  const reading: Reading = { run: (query) => sendStatement(services.database.pool, query) }
  let reads = 0
  return async (request, response) => {
    const [, number = '', what = ''] = PATH.exec(request.url ?? '') ?? []
    const logNumber = Number(number)
    const tile = parseTilePath(what)
    if (logNumber < 1 || logNumber > LOG_NUMBER_MAX || (tile === undefined && what !== 'checkpoint'))
      return sendNothing(response)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuseMethod(response, 'GET, HEAD')
    if (reads >= READS_MAX) throw new UnavailableError('Too many read the audit log')
    reads += 1
    try {
      if (tile === undefined) await sendCheckpoint(reading, logNumber, response)
      else if (isHashes(tile)) await sendHashes(reading, logNumber, tile, response)
      else if (await isRoot(services, request, response)) await sendEntries(reading, logNumber, tile, response)
    } finally {
      reads -= 1
    }
  }
}

type Tile = NonNullable<ReturnType<typeof parseTilePath>>
type Hashes = TileId & { readonly width: number }

function isHashes(tile: Tile): tile is Tile & Hashes {
  return tile.level !== 'entries'
}

/** Whoever is not has been answered. */
async function isRoot(
  services: VerifyingServices,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const { authorization, accountId } = credentialOf(request)
  const caller = await authenticate(services, authorization, accountId)
  if (caller?.kind === 'ROOT') return true
  if (caller === undefined) {
    response.setHeader('www-authenticate', 'Bearer')
    sendError(response, 401, 'UNAUTHENTICATED', new DenialError('UNAUTHENTICATED').message)
  } else sendError(response, 403, 'FORBIDDEN', 'This needs the root key: the entries are those of all accounts.')
  return false
}

async function sendCheckpoint(reading: Reading, logNumber: number, response: ServerResponse): Promise<void> {
  const note = await newestNote(reading, logNumber)
  if (note === undefined) return sendNothing(response)
  send(response, 200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }, note)
}

async function sendHashes(reading: Reading, logNumber: number, tile: Hashes, response: ServerResponse): Promise<void> {
  sendImmutable(response, PUBLIC, await publishedTile(reading, logNumber, tile))
}

async function sendEntries(reading: Reading, logNumber: number, tile: Tile, response: ServerResponse): Promise<void> {
  sendImmutable(response, PRIVATE, await publishedEntries(reading, logNumber, tile))
}

function sendImmutable(response: ServerResponse, cacheControl: string, bytes: Buffer | undefined): void {
  if (bytes === undefined) sendNothing(response)
  else send(response, 200, { 'content-type': 'application/octet-stream', 'cache-control': cacheControl }, bytes)
}

function sendNothing(response: ServerResponse): void {
  sendError(response, 404, 'NOT_FOUND', 'There is nothing here, or not yet.')
}
