// The credential of a request, for everything that takes one.
import type { IncomingMessage } from 'node:http'

/** The header Authorization; undefined where there are two: which of them counts would depend on who reads them. */
export function authorizationOf({ headersDistinct }: IncomingMessage): string | undefined {
  const [given, ...others] = headersDistinct.authorization ?? []
  return others.length === 0 ? given : undefined
}
