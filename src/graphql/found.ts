// Rows that must be there: what a row refers to, and what a mutation has just made.
import { invariant } from '#domain/invariant.ts'

/** Throws where there is none, which is a fault: things are never removed, and never cross accounts. */
export function found<Row>(row: Row | null | undefined): Row {
  invariant(row !== null && row !== undefined, 'what a row refers to is there')
  return row
}
