// Forward-auth: a proxy passes a request's head, and maybe its body, and lets the request through only where this answers 2xx.
// Whatever is not understood, contradicts itself or can't be checked now is answered with something else.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BaseLogger } from 'pino'
import { isUnavailable, RETRY_AFTER_S } from '#database/unavailable.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { type Caller, mayDo } from '#domain/caller.ts'
import type { Presentation } from '#domain/keyspace/presentation.ts'
import { presentedKey } from '#domain/presented-key.ts'
import { type VerificationCode, verdictMessage } from '#domain/verdict.ts'
import type { SeenAccess } from '#usage/accesses.ts'
import { authenticate } from '#verify/authenticate.ts'
import { type Verification, type VerifyQuestion, verifyKeys } from '#verify/verify-keys.ts'
import { type VerifyingServices, type View, viewOf } from '#verify/view.ts'
import { send, sendError } from './answer.ts'
import { ClientGoneError, NoRoomError } from './body.ts'
import { type Headers, headersOf, onlyValue } from './headers.ts'
import { originalRequest } from './original-request.ts'
import { presentingBody } from './presenting-body.ts'
import { seenAccess } from './seen-access.ts'
import type { RequestHandler } from './server.ts'

export type ForwardAuthParts = { readonly services: VerifyingServices; readonly log: BaseLogger }

/** What the proxy's configuration asks for, in the URL it calls. */
type Asked = { readonly keyspaceId: string; readonly permission: string | null; readonly ignoresEndpoint: boolean }

type Answer = (
  | { readonly kind: 'valid'; readonly verification: Verification }
  /** `bearer`: that is how a key could be presented. */
  | {
      readonly kind: 'denied'
      readonly status: 401 | 403 | 503
      readonly code: string
      readonly message: string
      readonly bearer: boolean
    }
) & { readonly seen?: SeenAccess | undefined }

/** Above this the header is left out: proxies refuse an answer whose headers take more than 4 or 8 KiB. */
const PERMISSIONS_LENGTH_MAX = 2_048

export function forwardAuthHandler({ services, log }: ForwardAuthParts): RequestHandler {
  const alarm = createAlarm(log)
  return async (request, response, requestId) => {
    const answer = await answerTo(services, request).catch((error: unknown) => {
      if (error instanceof ClientGoneError) throw error
      if (!isUnavailable(error)) log.error({ requestId, err: error }, 'a request could not be judged')
      else if (error instanceof NoRoomError) log.warn({ requestId, err: error }, 'a request could not be judged')
      else alarm.unavailable({ requestId, err: error })
      return verdict('UNAVAILABLE', false)
    })
    // A refusal may have needed no database.
    if (answer.kind === 'valid') alarm.judged()
    // Proxies keep the reason to themselves, so that here is where their operators can read it.
    if (answer.kind === 'denied') log.debug({ requestId, code: answer.code, reason: answer.message }, 'denied')
    tell(response, answer)
    // The proxy does not wait for it.
    if (answer.seen !== undefined) services.accesses.record(answer.seen)
  }
}

/** Told once when it begins, and once when it ends: as long as the database is away, every request would say the same. */
function createAlarm(log: BaseLogger) {
  let isAway = false
  return {
    unavailable(why: { readonly requestId: string; readonly err: unknown }): void {
      if (isAway) log.debug(why, 'a request could not be judged')
      else log.error(why, 'requests can not be judged now, and are answered 503')
      isAway = true
    },
    judged(): void {
      if (isAway) log.warn('requests are judged again')
      isAway = false
    },
  }
}

async function answerTo(services: VerifyingServices, request: IncomingMessage): Promise<Answer> {
  const headers = headersOf(request)
  const asked = askedBy(request.url ?? '')
  const view = viewOf(services)
  const caller = await authenticate(
    services,
    onlyValue(headers, 'x-keyledger-authorization') ?? undefined,
    onlyValue(headers, 'x-keyledger-account') ?? undefined,
    view,
  )
  if (caller === undefined)
    return denied('UNAUTHENTICATED', "The proxy's X-Keyledger-Authorization does not hold a valid credential.")
  if (!mayDo(caller, 'keys.verify'))
    return denied('FORBIDDEN', "The proxy's credential lacks the permission keys.verify.")
  if ('why' in asked) return denied('INVALID_INPUT', asked.why)
  // Only then: for nobody's request nothing is read. It is as current as the caller's judgement.
  const keyspace = await services.keyspaces.find(asked.keyspaceId, view)
  if (keyspace === undefined || (caller.kind !== 'ROOT' && caller.accountId !== keyspace.accountId))
    return denied('NOT_FOUND', 'There is no such keyspace.')
  return judge({ services, view, request, headers, caller, asked, presentations: keyspace.presentations })
}

type Case = {
  readonly services: VerifyingServices
  readonly view: View
  readonly request: IncomingMessage
  readonly headers: Headers
  readonly caller: Caller
  readonly asked: Asked
  readonly presentations: readonly Presentation[]
}

async function judge({ services, view, request, headers, caller, asked, presentations }: Case): Promise<Answer> {
  const bearer = presentations.some(({ place, name }) => place === 'HEADER' && name.toLowerCase() === 'authorization')
  const original = originalRequest(headers, !asked.ignoresEndpoint)
  if (original.kind === 'untold') return denied('INVALID_INPUT', original.why, bearer)
  const upstreamUser = onlyValue(headers, 'x-forwarded-user')
  if (upstreamUser === null) return denied('INVALID_INPUT', 'The proxy tells two users.', bearer)
  const body = await presentingBody(request, headers, presentations)
  if (body.kind === 'unclear') return denied('MALFORMED', body.why, bearer)
  const presented = presentedKey(presentations, { headers, query: original.query, body })
  if (presented.kind === 'absent') return denied('UNAUTHENTICATED', 'No key was presented.', bearer)
  if (presented.kind === 'unclear') return denied('MALFORMED', presented.why, bearer)
  const { keyspaceId, permission } = asked
  const { key } = presented
  const question = { key, keyspaceId, permission, endpoint: original.endpoint, upstreamUser }
  // A body may take its time, an empty one, too: what was known of the key before it came is not current any more.
  const current = request.readableEnded ? viewOf(services) : view
  const verification = await verified({ services, view: current, caller }, bearer, question)
  if ('kind' in verification) return verification
  const seen = seenAccess({ verification, headers, original, body, presented: key, presentations })
  return verification.valid ? { kind: 'valid', verification, seen } : { ...verdict(verification.code, bearer), seen }
}

async function verified(
  { services, view, caller }: Pick<Case, 'services' | 'view' | 'caller'>,
  bearer: boolean,
  question: VerifyQuestion,
): Promise<Verification | Answer> {
  try {
    const [verification] = await verifyKeys(services, caller, [question], view)
    return verification ?? verdict('UNAVAILABLE', bearer)
  } catch (error) {
    if (!(error instanceof BadQueryArgumentError)) throw error
    const issues = error.issues.map(({ message }) => message).join('; ')
    return denied('INVALID_INPUT', `The permission asked for can't be read: ${issues}.`, bearer)
  }
}

/**
 * Parameters that are unknown or repeated are refused, rather than passed over: a mistyped `permission` would ask for nothing.
 */
function askedBy(url: string): Asked | { readonly why: string } {
  const parameters = [...new URLSearchParams(url.split('?').slice(1).join('?'))]
  const values = new Map(parameters)
  if (values.size < parameters.length) return { why: 'A parameter is given twice.' }
  const { keyspace, permission = null, endpoints, ...others } = Object.fromEntries(values)
  if (keyspace === undefined) return { why: 'The parameter keyspace is missing.' }
  if (endpoints !== undefined && endpoints !== 'ignore') return { why: 'The parameter endpoints can only be ignore.' }
  if (Object.keys(others).length > 0)
    return { why: 'There are only the parameters keyspace, permission and endpoints.' }
  return { keyspaceId: keyspace, permission, ignoresEndpoint: endpoints === 'ignore' }
}

function denied(code: string, message: string, bearer = false): Answer {
  return { kind: 'denied', status: 401, code, message, bearer }
}

function verdict(code: VerificationCode, bearer: boolean): Answer {
  return { kind: 'denied', status: statusOf(code), code, message: verdictMessage(code), bearer }
}

function statusOf(code: VerificationCode): 401 | 403 | 503 {
  if (code === 'UNAVAILABLE') return 503
  return code === 'UPSTREAM_USER_REQUIRED' || code === 'INSUFFICIENT_PERMISSIONS' ? 403 : 401
}

function tell(response: ServerResponse, answer: Answer): void {
  if (answer.kind === 'valid') {
    send(response, 200, headersAbout(answer.verification), '')
    return
  }
  if (answer.status === 503) response.setHeader('retry-after', RETRY_AFTER_S)
  if (answer.status === 401) response.setHeader('www-authenticate', answer.bearer ? 'Bearer' : 'ApiKey')
  sendError(response, answer.status, answer.code, answer.message)
}

/** Texts of people's choice are percent-encoded UTF-8, so that no name can end a header or begin another. */
function headersAbout({ keyId, name, owner, actsAs, permissions }: Verification): Record<string, string> {
  const granted = permissions.join(',')
  return {
    'cache-control': 'no-store',
    'x-key-id': keyId ?? '',
    'x-key-name': encodeURIComponent(name ?? ''),
    // Empty for nobody, not absent: a proxy that copies what there is would leave what the client sent.
    'x-key-owner': encodeURIComponent(owner ?? ''),
    'x-key-acts-as': encodeURIComponent(actsAs ?? ''),
    ...(granted.length > PERMISSIONS_LENGTH_MAX ? {} : { 'x-key-permissions': granted }),
  }
}
