// What a checkpoint says: how large the tree was, and its root then (C2SP tlog-checkpoint).
import { HASH_BYTES } from '../tree/hash.ts'
import { assertCount } from '../tree/tiles.ts'

export type Checkpoint = { readonly origin: string; readonly size: number; readonly root: Buffer }

export function checkpointText({ origin, size, root }: Checkpoint): string {
  assertCount(size)
  return `${origin}\n${size}\n${root.toString('base64')}\n`
}

/** Undefined for any other text, and for one with extension lines: we sign none. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const [origin = '', sizeText = '', rootText = '', end, ...more] = text.split('\n')
  const size = parseCount(sizeText)
  const root = parseHash(rootText)
  if (origin === '' || size === undefined || root === undefined || end !== '' || more.length > 0) return undefined
  return { origin, size, root }
}

/** What a note says, whoever signed it. */
export function checkpointOfNote(note: string): Checkpoint | undefined {
  return parseCheckpoint(signedText(note))
}

export function signedText(note: string): string {
  return note.slice(0, note.lastIndexOf('\n\n') + 1)
}

/** Decimal, below 2^53, without leading zeros. */
export function parseCount(text: string): number | undefined {
  const count = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(count) ? count : undefined
}

/** A hash in canonical base64. */
export function parseHash(text: string): Buffer | undefined {
  const hash = Buffer.from(text, 'base64')
  return hash.length === HASH_BYTES && hash.toString('base64') === text ? hash : undefined
}
