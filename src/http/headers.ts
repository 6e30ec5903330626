// The headers of a request, where a repeated one is seen to be repeated: which of its values counts would depend on who reads them.
import type { IncomingMessage } from 'node:http'

export type Headers = ReadonlyMap<string, readonly string[]>

/** All values of each header, by its name in lower case. */
export function headersOf(request: IncomingMessage): Headers {
  return new Map(Object.entries(request.headersDistinct).map(([name, values]) => [name, values ?? []]))
}

/** The one value of a header; undefined where it is absent, null where it is repeated. */
export function onlyValue(headers: Headers, name: string): string | undefined | null {
  const [value, ...others] = headers.get(name) ?? []
  return others.length > 0 ? null : value
}

/** The same of one request's header, named in lower case: cheaper for who needs few of them. */
export function onlyValueOf({ rawHeaders }: IncomingMessage, name: string): string | undefined | null {
  let value: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const other = rawHeaders[index]
    if (other?.length !== name.length || other.toLowerCase() !== name) continue
    if (value !== undefined) return null
    value = rawHeaders[index + 1]
  }
  return value
}
