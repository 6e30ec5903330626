// The credential of a request, for everything that takes one.
import type { IncomingMessage } from 'node:http'
import { onlyValueOf } from './headers.ts'

export type Credential = {
  /** The header Authorization. */
  readonly authorization: string | undefined
  /** The header X-Keyledger-Account: in which account a user signs in. */
  readonly accountId: string | undefined
}

/** Each undefined where it is repeated, as where it is absent. */
export function credentialOf(request: IncomingMessage): Credential {
  return {
    authorization: onlyValueOf(request, 'authorization') ?? undefined,
    accountId: onlyValueOf(request, 'x-keyledger-account') ?? undefined,
  }
}
