// The credential of a request, for everything that takes one.
import type { IncomingMessage } from 'node:http'

export type Credential = {
  /** The header Authorization. */
  readonly authorization: string | undefined
  /** The header X-Keyledger-Account: in which account a user signs in. */
  readonly accountId: string | undefined
}

/** Each undefined where there are two: which of them counts would depend on who reads them. */
export function credentialOf({ headersDistinct }: IncomingMessage): Credential {
  return {
    authorization: onlyOne(headersDistinct.authorization),
    accountId: onlyOne(headersDistinct['x-keyledger-account']),
  }
}

function onlyOne([given, ...others]: readonly string[] = []): string | undefined {
  return others.length === 0 ? given : undefined
}
