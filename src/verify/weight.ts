// What takes how much of the heap, estimated: the cache of verification is bounded by it, so that nobody can fill the memory that all
// tenants share with few but large keys. Measured by test/verify/weight.test.ts: too much is a cache that keeps less than it could, too
// little a server that ends.
import type { ActingUser } from '#domain/caller.ts'
import type { Json } from '#domain/key/events.ts'
import type { MatchedCode } from './matched-code.ts'

/** What may be in memory once for many entries, and then counts once for all of them. */
export type Part = { readonly value: object; readonly bytes: number }

export type Weight = {
  /** Of what is the entry's alone. */
  readonly bytes: number
  readonly parts: readonly Part[]
}

/** A code with its standing, ids and instants, and the place it is found by. */
const CODE_BYTES = 500
/** What remembers a source, and its id: those that it shares with others it counts nevertheless, they are few. */
const SOURCE_BYTES = 180
/** To keep count of a smaller one would take as much as it does. */
const PART_BYTES_MIN = 512
const PART_COUNT_BYTES = 130
/** Of an object, a list or a text, beside what is in it. */
const HEADER_BYTES = 32
const REFERENCE_BYTES = 8
/** Without its lists. */
const GRANT_BYTES = 48

/** Of what was found for one question, and was read from so many sources. */
export function weightOf(found: readonly MatchedCode[], sources: number): Weight {
  const parts = new Map<object, number>()
  let bytes = sources * SOURCE_BYTES
  for (const code of found) {
    bytes += bytesOfCode(code)
    for (const value of partsOf(code)) parts.set(value, bytesOf(value))
  }
  const apart: Part[] = []
  for (const [value, each] of parts) {
    if (each < PART_BYTES_MIN) bytes += each
    else apart.push({ value, bytes: each + PART_COUNT_BYTES })
  }
  return { bytes, parts: apart }
}

/** Of a user who signs in by tokens, with the source that they are. */
export function weightOfUser({ permissions }: ActingUser): Weight {
  return { bytes: CODE_BYTES + SOURCE_BYTES + bytesOf(permissions), parts: [] }
}

/** Of a keyspace, with the source that it is. */
export function weightOfKeyspace({ presentations }: { readonly presentations: readonly Json[] }): Weight {
  return { bytes: CODE_BYTES + SOURCE_BYTES + bytesOf(presentations), parts: [] }
}

/** Without its parts. Through a link it has the name and the metadata of the code itself, which comes before it. */
function bytesOfCode({ name, owner, actsAs, metadata, permissions, key, link }: MatchedCode): number {
  const texts = link === null ? [name, owner, actsAs, metadata?.text] : []
  const lists = REFERENCE_BYTES * permissions.length + GRANT_BYTES * key.grants.length
  return texts.reduce((sum, text) => sum + (text == null ? 0 : bytesOf(text)), CODE_BYTES + lists)
}

/** What candidates.ts shares between codes. */
function partsOf({ tags, user, key }: MatchedCode): readonly (readonly Json[])[] {
  const granted = key.grants.flatMap(({ permissions, endpoints }) => [permissions, endpoints])
  return [tags, user?.permissions ?? [], ...granted]
}

function bytesOf(value: Json): number {
  if (typeof value === 'string') return HEADER_BYTES + value.length * bytesOfCharacter(value)
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce((sum: number, part: Json) => sum + REFERENCE_BYTES + bytesOf(part), HEADER_BYTES)
}

/** Some that fit into one byte are kept in two nevertheless, which depends on where the text comes from. */
function bytesOfCharacter(text: string): number {
  return /[\u0080-\uffff]/.test(text) ? 2 : 1
}
