// The credential of a request, for everything that takes one.
import type { IncomingMessage } from 'node:http'
import { headersOf, onlyValue } from './headers.ts'

export type Credential = {
  /** The header Authorization. */
  readonly authorization: string | undefined
  /** The header X-Keyledger-Account: in which account a user signs in. */
  readonly accountId: string | undefined
}

/** Each undefined where it is repeated, as where it is absent. */
export function credentialOf(request: IncomingMessage): Credential {
  const headers = headersOf(request)
  return {
    authorization: onlyValue(headers, 'authorization') ?? undefined,
    accountId: onlyValue(headers, 'x-keyledger-account') ?? undefined,
  }
}
