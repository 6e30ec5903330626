// Where a keyspace's keys are presented: the places of a request that whoever guards a service looks into, and no others.

export type PresentationPlace = 'HEADER' | 'QUERY' | 'FORM' | 'JSON'

/** Names of headers hold in any case, the others exactly. The header Authorization means its Bearer scheme. */
export type Presentation = { readonly place: PresentationPlace; readonly name: string }

export const PRESENTATION_PLACES: readonly PresentationPlace[] = ['HEADER', 'QUERY', 'FORM', 'JSON']

export const DEFAULT_PRESENTATIONS: readonly Presentation[] = [
  { place: 'HEADER', name: 'X-API-Key' },
  { place: 'HEADER', name: 'Authorization' },
]

const PRESENTATIONS_MAX = 10
const NAME_LENGTH_MAX = 100

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// What means something else to those who pass a request on: how it is framed, what it was, who sent it, and what is told of a
// key. A key that was looked for there would be a proxy's own credential, or its word about somebody.
const RESERVED_HEADER =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-.*|cookie|x-keyledger-.*|x-forwarded-.*|x-original-.*|x-key-(?:id|name|owner|acts-as|permissions))$/i
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** Why these can't be the places where keys are looked for; undefined where they can. */
export function faultOfPresentations(presentations: readonly Presentation[]): string | undefined {
  if (presentations.length === 0 || presentations.length > PRESENTATIONS_MAX)
    return `must be 1 to ${PRESENTATIONS_MAX} places`
  if (!presentations.every(isNamed))
    return (
      `must each have a name of 1 to ${NAME_LENGTH_MAX} characters, of a header that a client sends and that means nothing ` +
      'to proxies, or of text without control characters'
    )
  const distinct = new Set(presentations.map(placeKey))
  return distinct.size === presentations.length ? undefined : 'must not hold a place twice'
}

/** Equal for presentations that mean the same place. */
function placeKey({ place, name }: Presentation): string {
  return `${place} ${place === 'HEADER' ? name.toLowerCase() : name}`
}

function isNamed({ place, name }: Presentation): boolean {
  if (name.length === 0 || name.length > NAME_LENGTH_MAX) return false
  if (place === 'HEADER') return HEADER_NAME.test(name) && !RESERVED_HEADER.test(name)
  return name.isWellFormed() && !CONTROL.test(name)
}
