// Values as they come out of an export. Whoever made it may have written anything: what is read here is bounded, and of one spelling,
// so that two verifiers read the same.

/** Deeper than any value that Keyledger writes, and shallow enough for whoever walks through it. */
const NESTED_MAX = 128

/** JSON; throws for what is none, and for what is nested deeper than Keyledger ever writes. */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) throw new SyntaxError('It is nested too deeply.')
  return JSON.parse(text)
}

/** Bytes in canonical base64. Any other spelling is not what was exported, and stands for no bytes. */
export function bytesOf(text: unknown): Buffer {
  const bytes = Buffer.from(typeof text === 'string' ? text : '', 'base64')
  return bytes.toString('base64') === text ? bytes : Buffer.alloc(0)
}

/** A whole number below 2^53; undefined for anything else, strings of digits included. */
export function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined
}

function isTooDeep(text: string): boolean {
  if ((text.match(/[[{]/g)?.length ?? 0) <= NESTED_MAX) return false
  let depth = 0
  let isInString = false
  for (let at = 0; at < text.length && depth <= NESTED_MAX; at++) {
    const char = text[at]
    if (isInString && char === '\\') at++
    else if (char === '"') isInString = !isInString
    else if (!isInString && (char === '[' || char === '{')) depth++
    else if (!isInString && (char === ']' || char === '}')) depth--
  }
  return depth > NESTED_MAX
}
