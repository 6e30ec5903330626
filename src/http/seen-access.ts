// What forward-auth sees of a use, for the access log: the original request as the proxy told it. It sees no response.
import { isIP } from 'node:net'
import type { PresentingBody } from '#domain/presented-key.ts'
import { METHOD } from '#usage/access-input.ts'
import type { SeenAccess } from '#usage/accesses.ts'
import type { Verification } from '#verify/verify-keys.ts'
import { type Headers, onlyValue } from './headers.ts'
import type { OriginalRequest } from './original-request.ts'

export type SeenRequest = {
  readonly verification: Verification
  readonly headers: Headers
  readonly original: OriginalRequest
  /** As far as it was read. */
  readonly body: PresentingBody
} & Pick<SeenAccess, 'presented' | 'presentations'>

/** Undefined where nobody's key was presented, or one of which nothing is to be logged. */
export function seenAccess(request: SeenRequest): SeenAccess | undefined {
  const { verification, headers, original, body, presented, presentations } = request
  const { keyId, codeId, accountId, name, logging, code, checkedAt } = verification
  if (keyId === null || accountId === null || logging === null) return undefined
  if (!logging.request && !logging.response) return undefined
  return {
    key: { keyId, accountId, name: name ?? '', logging },
    presentations,
    presented,
    entry: {
      keyId,
      codeId,
      at: checkedAt,
      verdict: code,
      method: METHOD.test(original.method ?? '') ? original.method : null,
      path: original.uri,
      clientIp: clientAddress(headers),
      userAgent: onlyValue(headers, 'user-agent') ?? null,
      requestBody: body.kind === 'none' ? null : body.text,
    },
  }
}

/** The last of X-Forwarded-For: what stands before it is what the client said, or another proxy. */
function clientAddress(headers: Headers): string | null {
  const last = headers.get('x-forwarded-for')?.at(-1)?.split(',').at(-1)?.trim() ?? ''
  // Some proxies add the port, and brackets to tell it from the address.
  const [, bracketed, plain] = /^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$/.exec(last) ?? []
  const address = bracketed ?? plain ?? last
  return isIP(address) === 0 ? null : address
}
