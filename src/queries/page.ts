// Pages of a list by keyset: each begins where a cursor points, so that it costs the same however deep it lies and
// stays put while rows are added before it.
import { type ArgumentIssue, BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { type Cursor, type CursorField, decodeCursor, encodeCursor, type ListIdentity } from './cursor.ts'

/** As given by the client; null is absent. `after` goes with `first` (the default), `before` with `last`. */
export type PageRequest = {
  readonly first?: number | null | undefined
  readonly after?: string | null | undefined
  readonly last?: number | null | undefined
  readonly before?: string | null | undefined
}

export type PageInfo = {
  /** A row follows the page in the list. With `last`, only looked for where `before` was given. */
  readonly hasNextPage: boolean
  /** A row precedes the page in the list. With `first`, only looked for where `after` was given. */
  readonly hasPreviousPage: boolean
  /** Of the page's row that comes first in the list, which `before` continues from. */
  readonly startCursor: string | null
  /** Of the page's row that comes last in the list, which `after` continues from. */
  readonly endCursor: string | null
}

export type Edge<Row> = { readonly cursor: string; readonly node: Row }

export type Page<Row> = {
  readonly edges: readonly Edge<Row>[]
  readonly pageInfo: PageInfo
  /** Of the whole list, counted when it is asked for; null above COUNT_MAX. */
  totalCount(): Promise<number | null>
}

/** A stretch of a list: rows beyond `from` (null: from the list's end), in the order in which one walks. */
export type Walk = {
  /** In the list's order; false: against it. */
  readonly forward: boolean
  readonly from: Cursor | null
  /** The row that the cursor points at belongs to the stretch. */
  readonly inclusive: boolean
  /** Of LIMITS: at least as many rows as are wanted, where there are so many. */
  readonly limit: number
}

export type List<Row> = {
  readonly identity: ListIdentity
  readonly fields: readonly CursorField[]
  cursorOf(row: Row): Cursor
  read(walk: Walk): Promise<readonly Row[]>
  /** All rows, or any number above COUNT_MAX. Absent: the list has no total. */
  count?(): Promise<number>
  /** With `last`, edges come in the order of the walk: the list's last row first. */
  readonly lastComesFirst?: boolean
}

const FIRST_DEFAULT = 50
const FIRST_MAX = 100
/** Above it a count costs more than it tells. */
export const COUNT_MAX = 10_000

// Written into the text of statements: for a LIMIT it does not know, the planner assumes a tenth of all rows, and sorts
// them. A few sizes, so that there are few texts; the odd row too many is cheaper than planning anew.
const LIMITS = [1, 11, 51, FIRST_MAX + 1] as const

/** Throws BadQueryArgumentError, before anything is read, where the request is not one for a page of this list. */
export async function pageOf<Row>(list: List<Row>, request: PageRequest): Promise<Page<Row>> {
  const { forward, count, from } = readRequest(list, request)
  const [rows, behind] = await Promise.all([
    list.read({ forward, from, inclusive: false, limit: limitFor(count + 1) }),
    // Usually the very row that the cursor was made from.
    from === null ? [] : list.read({ forward: !forward, from, inclusive: true, limit: 1 }),
  ])
  const walked = rows
    .slice(0, count)
    .map((node) => ({ cursor: encodeCursor(list.identity, list.cursorOf(node)), node }))
  const listed = forward ? walked : walked.toReversed()
  const more = rows.length > count
  return {
    edges: list.lastComesFirst ? walked : listed,
    pageInfo: {
      hasNextPage: forward ? more : behind.length > 0,
      hasPreviousPage: forward ? behind.length > 0 : more,
      startCursor: listed.at(0)?.cursor ?? null,
      endCursor: listed.at(-1)?.cursor ?? null,
    },
    async totalCount() {
      const total = (await list.count?.()) ?? null
      return total === null || total > COUNT_MAX ? null : total
    },
  }
}

/** The least of LIMITS that is enough. */
function limitFor(rows: number): number {
  return LIMITS.find((limit) => limit >= rows) ?? FIRST_MAX + 1
}

type Asked = { readonly forward: boolean; readonly count: number; readonly from: Cursor | null }

function readRequest(list: Pick<List<never>, 'identity' | 'fields'>, request: PageRequest): Asked {
  const first = request.first ?? undefined
  const last = request.last ?? undefined
  const issues: ArgumentIssue[] = []
  const complain = (argument: keyof PageRequest, message: string) => {
    issues.push({ path: [argument], message })
    return null
  }
  const cursor = (argument: 'after' | 'before', partner: 'first' | 'last', refused: boolean) => {
    const text = request[argument] ?? undefined
    if (text === undefined) return null
    if (refused) return complain(argument, `goes with ${partner} only`)
    return (
      decodeCursor(list.identity, list.fields, text) ??
      complain(argument, 'is a foreign cursor: not of this list in this order')
    )
  }
  for (const [argument, count] of [
    ['first', first],
    ['last', last],
  ] as const) {
    if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= FIRST_MAX))
      complain(argument, `must be a whole number from 1 to ${FIRST_MAX}`)
  }
  if (first !== undefined && last !== undefined) complain('last', 'can not be given together with first')
  const after = cursor('after', 'first', last !== undefined)
  const before = cursor('before', 'last', last === undefined)
  if (issues.length > 0) throw new BadQueryArgumentError(issues)
  return last === undefined
    ? { forward: true, count: first ?? FIRST_DEFAULT, from: after }
    : { forward: false, count: last, from: before }
}
