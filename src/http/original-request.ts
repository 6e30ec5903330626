// What a proxy tells of the request that it asks about: the method and the URI that the client sent, in headers of two
// customs. Only as good as the proxy, which must overwrite both; where they can't both be right, neither is believed.
import { type Headers, onlyValue } from './headers.ts'

export type OriginalRequest = {
  readonly kind: 'told'
  /** Null where the proxy said nothing of it. */
  readonly endpoint: { readonly method: string; readonly path: string } | null
  /** Without the question mark; empty where there is none. */
  readonly query: string
  /** As told, for the access log; null where they were not. */
  readonly method: string | null
  readonly uri: string | null
}
export type Untold = { readonly kind: 'untold'; readonly why: string }

const CUSTOMS = [
  { method: 'x-forwarded-method', uri: 'x-forwarded-uri' },
  { method: 'x-original-method', uri: 'x-original-uri' },
] as const

const REPEATED = 'The proxy tells the original request twice.'
const DIFFERENT = 'The proxy tells the original request in two ways that differ.'
const HALF = 'The proxy must tell both the method and the URI of the original request.'

/**
 * With `endpointNeeded`, each custom must be followed wholly or not at all, and one of them must be: of a half that a proxy
 * does not set, the client would be the author.
 */
export function originalRequest(headers: Headers, endpointNeeded: boolean): OriginalRequest | Untold {
  const customs = CUSTOMS.map(({ method, uri }) => ({
    method: onlyValue(headers, method),
    uri: onlyValue(headers, uri),
  }))
  if (customs.some(({ method, uri }) => method === null || uri === null)) return { kind: 'untold', why: REPEATED }
  const methods = new Set(customs.flatMap(({ method }) => method ?? []))
  const uris = new Set(customs.flatMap(({ uri }) => uri ?? []))
  if (methods.size > 1 || uris.size > 1) return { kind: 'untold', why: DIFFERENT }
  const [method = ''] = methods
  const [uri = ''] = uris
  const told = { kind: 'told', query: queryOf(uri), method: method || null, uri: uri || null } as const
  if (!endpointNeeded) return { ...told, endpoint: null }
  const isHalf = customs.some((custom) => (custom.method === undefined) !== (custom.uri === undefined))
  if (isHalf || method === '' || uri === '') return { kind: 'untold', why: HALF }
  return { ...told, endpoint: { method, path: pathOf(uri) } }
}

function pathOf(uri: string): string {
  return uri.split('?', 1)[0] ?? ''
}

function queryOf(uri: string): string {
  return uri.slice(pathOf(uri).length + 1)
}
