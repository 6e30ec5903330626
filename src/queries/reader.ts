// What every read is given, and the two ways to send a statement.
import { type Compilable, type CompiledQuery, type SelectQueryBuilder, sql } from 'kysely'
import type { Database } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'
import type { Keyring } from '#secret/keyring.ts'
import { COUNT_MAX } from './page.ts'

/**
 * `memberId`: the user whose own keys are all that is shown; null: there is no such bound.
 * `keyring` opens what users are called; `now` is one for the whole operation, so that all of an answer is judged by the same instant.
 * `past`: things are read as they were at `now`, a moment of the past; absent: as they are.
 */
export type Reader = {
  readonly database: Database
  readonly keyring: Keyring
  readonly now: Instant
  readonly memberId: string | null
  readonly past?: true
}

/** Sends a statement, answers its rows. */
export type Run = <Row>(reader: Reader, query: Compilable<Row> | CompiledQuery<Row>) => Promise<readonly Row[]>

/** As a named statement, parsed and in time planned once a connection: where one plan suits all values. */
export const runNamed: Run = async (reader, query) => {
  const { rows } = await reader.database.kysely.executeQuery(compiled(query))
  return rows
}

/**
 * Planned for the very values asked for. Which index suits a filter depends on them (a tag of every second key and one of
 * a single key want different ones), while a named statement may get one plan for all; and each set of filters is a text
 * of its own, of which a connection should not have to remember every one.
 */
export const runPlanned: Run = async <Row>(reader: Reader, query: Compilable<Row> | CompiledQuery<Row>) => {
  const { sql: text, parameters } = compiled(query)
  const { rows } = await reader.database.pool.query({ text, values: [...parameters] })
  return rows as readonly Row[]
}

function compiled<Row>(query: Compilable<Row> | CompiledQuery<Row>): CompiledQuery<Row> {
  return 'compile' in query ? query.compile() : query
}

/** Counts the rows of the queries, which must not overlap, and stops at one more than COUNT_MAX. */
export async function countOf<DB, TB extends keyof DB>(
  reader: Reader,
  run: Run,
  queries: readonly SelectQueryBuilder<DB, TB, unknown>[],
): Promise<number> {
  let total = 0
  for (const query of queries) {
    const rows = query.select(sql`1`.as('one')).limit(sql.lit(COUNT_MAX + 1))
    const [counted] = await run(
      reader,
      reader.database.kysely.selectFrom(rows.as('row')).select(sql<number>`count(*)::integer`.as('count')),
    )
    total += counted?.count ?? 0
    if (total > COUNT_MAX) break
  }
  return total
}
