// What thousands of codes have alike (account, keyspace, tags, permissions, policies) is in memory once. Each comes out of the
// database as an object of its own, and together they would take more than all that is a code's alone.
import type { Json } from '#domain/key/events.ts'

/** Gives a value that is equal, the same one for all who ask as long as it is remembered; it can not be changed. */
export type Sharing = <Value extends Json>(value: Value) => Value

/** Of all that is remembered, as JSON: some 10 MB. Then it begins anew, so that what is seldom does not pile up. */
const CHARACTERS_MAX = 4_000_000

export function createSharing(charactersMax = CHARACTERS_MAX): Sharing {
  const known = new Map<string, Json>()
  let characters = 0
  return (value) => {
    const text = JSON.stringify(value)
    const before = known.get(text)
    // Of the same JSON, hence of the same type.
    if (before !== undefined) return before as typeof value
    characters += text.length
    if (characters > charactersMax) {
      known.clear()
      characters = text.length
    }
    // As PostgreSQL's texts are parsed, a list of two has room for seventeen, and texts hold on to the one that they were cut out of.
    const compact = frozen(JSON.parse(text)) as typeof value
    known.set(text, compact)
    return compact
  }
}

function frozen(value: Json): Json {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) frozen(part)
    Object.freeze(value)
  }
  return value
}
