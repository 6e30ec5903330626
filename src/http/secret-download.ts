// `GET /codes/<id>/secret.txt`: a kept secret as a text file. It is the command revealCode, hence the same right, rules and event;
// the one secret that is told over GET, by a URL that has none of it.
import type { ServerResponse } from 'node:http'
import type { CommandServices, Origin } from '#commands/command.ts'
import { revealCode } from '#commands/reveal-code.ts'
import { runCommand } from '#commands/run-command.ts'
import { DenialError } from '#domain/caller.ts'
import { invariant } from '#domain/invariant.ts'
import { type ErrorCode, errorOf } from '#graphql/refusals.ts'
import { authenticate } from '#verify/authenticate.ts'
import type { VerifyingServices } from '#verify/view.ts'
import { send, sendError } from './answer.ts'
import { credentialOf } from './authorization.ts'
import { type RequestHandler, refuseMethod } from './server.ts'

/** Of refusals that say who asks or what there is; any other says that the code, as it is now, can't be shown. */
const STATUSES: Partial<Record<ErrorCode, number>> = { NOT_FOUND: 404, GRANT_EXCEEDS_CALLER: 403 }

const PATH = /^\/codes\/([^/?]*)\/secret\.txt(?:\?|$)/

export function secretDownloadHandler(services: VerifyingServices): RequestHandler {
  return async (request, response, requestId) => {
    const codeId = PATH.exec(request.url ?? '')?.[1]
    if (codeId === undefined) return sendError(response, 404, 'NOT_FOUND', 'There is nothing here.')
    // HEAD too: it would be an event, and show nothing to anybody.
    if (request.method !== 'GET') return refuseMethod(response, 'GET')
    const { authorization, accountId } = credentialOf(request)
    const caller = await authenticate(services, authorization, accountId)
    if (caller === undefined) {
      response.setHeader('www-authenticate', 'Bearer')
      return sendError(response, 401, 'UNAUTHENTICATED', new DenialError('UNAUTHENTICATED').message)
    }
    try {
      await reveal(services, { caller, correlationId: requestId }, codeId, response)
    } catch (error) {
      if (!(error instanceof DenialError)) throw error
      sendError(response, 403, error.code, error.message)
    }
  }
}

async function reveal(
  services: CommandServices,
  origin: Origin,
  codeId: string,
  response: ServerResponse,
): Promise<void> {
  const outcome = await runCommand(services, origin, revealCode, { codeId })
  if (outcome.kind === 'refused') {
    const { code, message } = errorOf(outcome.refusal)
    return sendError(response, STATUSES[code] ?? 409, code, message)
  }
  const secret = outcome.secrets.get(codeId)
  invariant(secret !== undefined, 'what is revealed is in the answer')
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    // An id that was found is letters, digits and one underscore.
    'content-disposition': `attachment; filename="${codeId}.txt"`,
    'cache-control': 'no-store',
  }
  send(response, 200, headers, secret.reveal())
}
