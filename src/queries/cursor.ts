// Cursors: opaque to clients, but not secret and not signed, so that nothing in one is believed. They are bound to the list
// they come from: in another one, or in another order, they would mean a place that was never asked for.
import { epochMsOf, instantOf } from '#domain/instant.ts'

/** Kind of list, scope, order. */
export type ListIdentity = readonly [kind: string, scope: string, order: string]

/** What a place in a list consists of: the value it is ordered by and, where that can be shared, the id that breaks ties. */
export type CursorField = 'instant' | 'instant or null' | 'text' | 'number'
export type Cursor = readonly (string | null)[]

/** Folded names are the longest values; an honest cursor is far shorter. */
const CURSOR_LENGTH_MAX = 16_384
/** As many digits as never leave bigint. */
const NUMBER = /^\d{1,18}$/
const INSTANT = /^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\d{3})?Z$/

export function encodeCursor(identity: ListIdentity, cursor: Cursor): string {
  return Buffer.from(JSON.stringify([...identity, ...cursor]), 'utf8').toString('base64url')
}

/** Undefined for whatever is not a cursor of this very list, with values of the fields' types. */
export function decodeCursor(identity: ListIdentity, fields: readonly CursorField[], text: string): Cursor | undefined {
  if (text.length > CURSOR_LENGTH_MAX) return undefined
  const parts = parsed(text)
  if (parts?.length !== identity.length + fields.length) return undefined
  if (!identity.every((part, index) => parts[index] === part)) return undefined
  const values: unknown[] = parts.slice(identity.length)
  return values.every((value, index) => isOf(fields[index], value)) ? (values as Cursor) : undefined
}

/** Whether PostgreSQL reads it as the instant it seems to be: in RFC 3339, UTC, of a day that exists. */
export function isInstant(value: unknown): value is string {
  if (typeof value !== 'string' || !INSTANT.test(value)) return false
  const milliseconds = `${value.slice(0, 23)}Z`
  const epochMs = epochMsOf(milliseconds)
  return !Number.isNaN(epochMs) && instantOf(epochMs) === milliseconds
}

/** PostgreSQL's text can't hold NUL and refuses a whole statement for one. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0')
}

function parsed(text: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isOf(field: CursorField | undefined, value: unknown): boolean {
  switch (field) {
    case 'instant':
      return isInstant(value)
    case 'instant or null':
      return value === null || isInstant(value)
    case 'text':
      return isText(value)
    case 'number':
      return typeof value === 'string' && NUMBER.test(value)
    default:
      return false
  }
}
