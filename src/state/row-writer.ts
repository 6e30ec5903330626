// Writes rows of any state table with statements of fixed text, which stay prepared: one a row, by value, for a command, which
// writes few; one for all rows, as JSON, for a rebuild.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'

/** A row as JSON: bytea as `\x…`, instants as text. */
export type Row = Readonly<Record<string, unknown>>

export type TableSpec = {
  readonly name: 'account' | 'keyspace' | 'key' | 'code' | 'rotation' | 'link' | 'policy' | 'user'
  /** The primary key, the shard first. */
  readonly key: readonly [shard: 'shard', id: string]
  /** The column that holds the id of the stream a row folds. */
  readonly stream: string
  readonly columns: readonly string[]
  /** Those of them that are jsonb. */
  readonly json?: readonly string[]
}

export type TableRows = { readonly table: TableSpec; readonly rows: readonly Row[] }

/** For a command: by value a row is half the work for the server that it is as JSON. `areNew`: none of them is there yet. */
export function writeEach({ table, rows }: TableRows, areNew: boolean): readonly CompiledQuery<unknown>[] {
  const text = areNew ? textOf('insert row', table) : textOf('upsert row', table)
  return rows.map((row) =>
    statement(
      text,
      table.columns.map((column) => parameterOf(table, column, row[column])),
    ),
  )
}

/** Inserts rows that are not there yet. */
export function insert({ table, rows }: TableRows, schema: string): CompiledQuery<unknown> {
  return statement(textOf('insert rows', table, schema), [JSON.stringify(rows)])
}

/** Inserts rows, or puts them in the place of those with the same key. */
export function upsert({ table, rows }: TableRows, schema: string): CompiledQuery<unknown> {
  return statement(textOf('upsert rows', table, schema), [JSON.stringify(rows)])
}

/** pg would write an array as PostgreSQL's own, and not as JSON. */
function parameterOf(table: TableSpec, column: string, value: unknown): unknown {
  return value !== null && table.json?.includes(column) ? JSON.stringify(value) : value
}

type Form = 'insert row' | 'upsert row' | 'insert rows' | 'upsert rows'

const texts = new Map<string, string>()

function textOf(form: Form, table: TableSpec, schema = 'state'): string {
  const name = `${form} ${schema}.${table.name}`
  const text = texts.get(name) ?? makeText(form, table, `${schema}.${table.name}`)
  texts.set(name, text)
  return text
}

function makeText(form: Form, { columns, key }: TableSpec, name: string): string {
  const list = columns.join(', ')
  const rows = form.endsWith('rows')
    ? `SELECT ${list} FROM jsonb_populate_recordset(null::${name}, $1)`
    : `VALUES (${columns.map((_, index) => `$${index + 1}`).join(', ')})`
  const insertion = `INSERT INTO ${name} (${list}) ${rows}`
  if (form.startsWith('insert')) return insertion
  const assignments = columns
    .filter((column) => !key.includes(column))
    .map((column) => `${column} = excluded.${column}`)
  return `${insertion} ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${assignments.join(', ')}`
}
