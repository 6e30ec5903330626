// The part of a statement that makes it a stretch of a list: where it begins, its order and its length.
import { type Expression, type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import type { Cursor } from './cursor.ts'
import type { Walk } from './page.ts'

/** What a list is ordered by, ids breaking ties; columns with the type that a cursor's text stands for. */
export type Keyset = {
  readonly columns: readonly { readonly name: string; readonly type: 'timestamptz' | 'text' | 'bigint' }[]
  readonly descending: boolean
}

/** Narrows a query for a whole list to the rows of the walk. */
export function along<DB, TB extends keyof DB, Row>(
  query: SelectQueryBuilder<DB, TB, Row>,
  keyset: Keyset,
  walk: Walk,
): SelectQueryBuilder<DB, TB, Row> {
  const direction = goesUp(keyset, walk) ? 'asc' : 'desc'
  const placed = walk.from === null ? query : query.where(beyond(keyset, walk, walk.from))
  return keyset.columns
    .reduce((ordered, { name }) => ordered.orderBy(sql.ref(name), direction), placed)
    .limit(sql.lit(walk.limit))
}

/** One comparison of rows, which an index on the same columns answers as one range. */
export function beyond(keyset: Keyset, walk: Walk, from: Cursor): Expression<SqlBool> {
  const columns = keyset.columns.map(({ name }) => sql.ref(name))
  const values = keyset.columns.map(({ type }, index) => sql`${from[index]}::${sql.raw(type)}`)
  const operator = `${goesUp(keyset, walk) ? '>' : '<'}${walk.inclusive ? '=' : ''}`
  return sql<SqlBool>`(${sql.join(columns)}) ${sql.raw(operator)} (${sql.join(values)})`
}

export function goesUp(keyset: Pick<Keyset, 'descending'>, walk: Walk): boolean {
  return walk.forward !== keyset.descending
}
