// Finds the key in a request, in the places where its keyspace wants keys and nowhere else. A request in which two readers
// could find different keys presents none: who guards a service and the service itself must never mean different ones.
import { unreachable } from './invariant.ts'
import type { Presentation } from './keyspace/presentation.ts'

/** What a client sent, as far as keys can be in it. */
export type PresentingRequest = {
  /** All values of each header, by its name in lower case. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  /** Of the URI, as it was sent, without the question mark. */
  readonly query: string
  readonly body: PresentingBody
}

export type PresentingBody =
  /** Empty, not sent along, or of a type that keys are not looked for in. */
  { readonly kind: 'none' } | { readonly kind: 'form' | 'json'; readonly text: string }

export type PresentedKey =
  /** Whole, as it stands there; whether it is anyone's is another question. */
  | { readonly kind: 'presented'; readonly key: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unclear'; readonly why: string }

const BEARER = /^Bearer(?: +(.*))?$/is

const REPEATED = 'A key is given twice in one place.'
const DIFFERENT = 'Different keys are given in different places.'
const NOT_JSON = 'The body is not JSON.'
const NOT_TEXT = 'The key in the body is not text.'

/** An empty value presents nothing. The same key in several places is one. */
export function presentedKey(presentations: readonly Presentation[], request: PresentingRequest): PresentedKey {
  const found = presentations.map((presentation) => valuesAt(presentation, request))
  for (const values of found) {
    if ('unclear' in values) return { kind: 'unclear', why: values.unclear }
    if (values.length > 1) return { kind: 'unclear', why: REPEATED }
  }
  const keys = new Set(found.flatMap((values) => ('unclear' in values ? [] : values)).filter((key) => key !== ''))
  const [key, ...others] = keys
  if (key === undefined) return { kind: 'absent' }
  return others.length > 0 ? { kind: 'unclear', why: DIFFERENT } : { kind: 'presented', key }
}

type Values = readonly string[] | { readonly unclear: string }

function valuesAt({ place, name }: Presentation, { headers, query, body }: PresentingRequest): Values {
  switch (place) {
    case 'HEADER':
      return headerValues(headers, name.toLowerCase())
    case 'QUERY':
      return new URLSearchParams(query).getAll(name)
    case 'FORM':
      return body.kind === 'form' ? new URLSearchParams(body.text).getAll(name) : []
    case 'JSON':
      return body.kind === 'json' ? memberValues(body.text, name) : []
    default:
      return unreachable(place)
  }
}

function headerValues(headers: PresentingRequest['headers'], name: string): Values {
  const values = headers.get(name) ?? []
  // Another scheme beside is somebody else's business, but two headers of the name are ambiguous whatever they hold.
  if (name !== 'authorization' || values.length > 1) return values
  return values.flatMap((value) => {
    const bearer = BEARER.exec(value)
    return bearer === null ? [] : [bearer[1] ?? '']
  })
}

/** In valid JSON these are its tokens, and what is left between them is white space. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g

/**
 * The values of a member of the root object. From the text: of a member that is given twice, parsers keep whichever they
 * like. Members of objects further in are none of it.
 */
function memberValues(text: string, name: string): Values {
  try {
    JSON.parse(text)
  } catch {
    return { unclear: NOT_JSON }
  }
  const tokens = text.match(TOKEN) ?? []
  const values: unknown[] = []
  let depth = 0
  tokens.forEach((token, index) => {
    if (token === '{' || token === '[') depth += 1
    else if (token === '}' || token === ']') depth -= 1
    else if (depth === 1 && tokens[index + 1] === ':' && JSON.parse(token) === name)
      values.push(textOf(tokens[index + 2] ?? ''))
  })
  return values.every((value) => typeof value === 'string') ? values : { unclear: NOT_TEXT }
}

/** Of the token that a member's value begins with; null where that is no text. */
function textOf(token: string): string | null {
  return token.startsWith('"') ? String(JSON.parse(token)) : null
}
