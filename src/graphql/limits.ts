// How much one operation may ask for. A cost is about what the server loads: plain fields are free, each thing counts 1, each
// list as many as it may hold; what reaches for the database beyond that costs more.
import { GraphQLError, type GraphQLField, type GraphQLOutputType, getNamedType, isLeafType } from 'graphql'

/** As many keys as one operation verifies, however they are spread over fields, aliases and batches. */
export const VERIFICATIONS_MAX = 100
/** Each is a digest and up to one lookup. */
export const VERIFICATION_COST = 100
/** Each is a transaction of its own, one after the other: as many as verifications. */
export const MUTATION_COST = 100
/** A statement that no other of the same operation can share. */
const STATEMENT_COST = 10
/** Counting walks up to 10 000 rows of an index. */
export const COUNT_COST = 20
/** Of what an event changed: all that came before it in its stream is read, once for all events of a stream. */
export const CHANGES_COST = { field: 10, multiplier: 2 }
/** A proof's hashes come from hundreds of others. */
export const PROOF_COST = { field: 40, multiplier: 1 }

const PAGE_DEFAULT = 50
const PAGE_MAX = 100

/**
 * `complexity`: 100 verifications with a little beside them (`viewer`, `__typename`), never 101; a page of 100 keys with their
 * codes and last rotations fits well. `depth`: the longest sensible way is account, keyspaces, keys, rotations, codes and who
 * issued them, which is 12 with its connections. `breadth` counts fields: there are some 150 in the whole schema.
 */
export const LIMITS = { complexity: VERIFICATIONS_MAX * VERIFICATION_COST + 50, depth: 15, breadth: 500 }

type Measured = { readonly depth: number; readonly breadth: number; readonly complexity: number }

const MEASURES = { Depth: 'depth', Breadth: 'breadth', Complexity: 'complexity' } as const

export function tooLarge(kind: keyof typeof MEASURES, measured: Measured): GraphQLError {
  const measure = MEASURES[kind]
  return new GraphQLError(
    `This operation is too large: its ${measure} is ${measured[measure]}, of at most ${LIMITS[measure]}. ` +
      'Ask for fewer fields or smaller pages, or split it.',
    { extensions: { code: 'OPERATION_TOO_LARGE' } },
  )
}

/** Of every field that does not say otherwise. */
export function costOf(_args: unknown, _context: unknown, field: { readonly type: GraphQLOutputType }): number {
  return isLeafType(getNamedType(field.type)) ? 0 : 1
}

/**
 * Of a field, and what an operation that has no other fields costs: always the same, whatever its arguments are. Once it was found
 * to be within the limits it needs not be measured again, which takes as long as finding a key.
 */
export function costsTheSame({ extensions }: Pick<GraphQLField<unknown, unknown>, 'extensions'>): boolean {
  const { complexity } = extensions
  return typeof complexity !== 'function' || complexity === costOf
}

type PageArguments = { readonly first?: number | null | undefined; readonly last?: number | null | undefined }

/** Of a connection: its page at full length. Lengths out of range are refused when the page is read. */
export function costOfPage({ first, last }: PageArguments) {
  return { field: STATEMENT_COST, multiplier: Math.min(Math.max(first ?? last ?? PAGE_DEFAULT, 1), PAGE_MAX) }
}

/** Of a list field that holds at most so many. */
export function costOfList(length: number) {
  return { field: 1, multiplier: length }
}

export const COST_OF_PAGE_MEMBER = { field: 1, multiplier: 1 }
export const FREE = { field: 0, multiplier: 1 }
