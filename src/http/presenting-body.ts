// The body of a request that a key may be in. What can't be read whole and without doubt is not guessed at: the service behind
// might find another key in it.
import type { IncomingMessage } from 'node:http'
import type { Presentation } from '#domain/keyspace/presentation.ts'
import type { PresentingBody } from '#domain/presented-key.ts'
import { readBody } from './body.ts'
import { type Headers, onlyValue } from './headers.ts'

export type UnclearBody = { readonly kind: 'unclear'; readonly why: string }

export const PRESENTING_BYTES_MAX = 65_536

const NONE = { kind: 'none' } as const
const KINDS: ReadonlyMap<string, 'form' | 'json'> = new Map([
  ['application/x-www-form-urlencoded', 'form'],
  ['application/json', 'json'],
])
const PLACES = { form: 'FORM', json: 'JSON' } as const
const UTF8 = /^charset="?utf-?8"?$/

/** Left alone where the keyspace looks for no key in bodies of its type. Rejects when the client goes away. */
export async function presentingBody(
  request: IncomingMessage,
  headers: Headers,
  presentations: readonly Presentation[],
): Promise<PresentingBody | UnclearBody> {
  const contentType = onlyValue(headers, 'content-type')
  const looksIntoBodies = presentations.some(({ place }) => place === 'FORM' || place === 'JSON')
  if (contentType === null) return looksIntoBodies ? unclear('The body is said to be of two types.') : NONE
  const [type = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim().toLowerCase())
  const kind = KINDS.get(type)
  if (kind === undefined || !presentations.some(({ place }) => place === PLACES[kind])) return NONE
  const body = await readBody(request, PRESENTING_BYTES_MAX)
  if (body.kind === 'too-long') return unclear(`The body has more than ${PRESENTING_BYTES_MAX} bytes.`)
  if (body.kind === 'not-text') return unclear('The body is not UTF-8.')
  // Proxies that keep the body to themselves pass its type on all the same.
  if (body.text === '') return NONE
  if (parameters.some((parameter) => parameter.startsWith('charset') && !UTF8.test(parameter)))
    return unclear('The body is said not to be UTF-8.')
  if (headers.has('content-encoding')) return unclear('The body is compressed.')
  return { kind, text: body.text }
}

function unclear(why: string): UnclearBody {
  return { kind: 'unclear', why }
}
