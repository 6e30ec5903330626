// Writes rows of any state table with one statement of fixed text, so that a command's write and a rebuild's are the same
// code and stay prepared whatever the number of rows.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'

/** A row as JSON: bytea as `\x…`, instants as text. */
export type Row = Readonly<Record<string, unknown>>

export type TableSpec = {
  readonly name: 'account' | 'keyspace' | 'key' | 'code' | 'rotation' | 'policy' | 'user'
  /** The primary key, the shard first. */
  readonly key: readonly [shard: 'shard', id: string]
  /** The column that holds the id of the stream a row folds. */
  readonly stream: string
  readonly columns: readonly string[]
}

export type TableRows = { readonly table: TableSpec; readonly rows: readonly Row[] }

/** Inserts rows that are not there yet. */
export function insert({ table, rows }: TableRows, schema: string): CompiledQuery<unknown> {
  return statement(insertText(table, schema), [JSON.stringify(rows)])
}

/** Inserts rows, or puts them in the place of those with the same key. */
export function upsert({ table, rows }: TableRows, schema = 'state'): CompiledQuery<unknown> {
  return statement(upsertText(table, schema), [JSON.stringify(rows)])
}

const texts = new Map<string, string>()

function upsertText(table: TableSpec, schema: string): string {
  const name = `${schema}.${table.name}`
  const known = texts.get(name)
  if (known !== undefined) return known
  const assignments = table.columns.filter((column) => !table.key.includes(column)).map((c) => `${c} = excluded.${c}`)
  const text = `${insertText(table, schema)} ON CONFLICT (${table.key.join(', ')}) DO UPDATE SET ${assignments.join(', ')}`
  texts.set(name, text)
  return text
}

function insertText(table: TableSpec, schema: string): string {
  const name = `${schema}.${table.name}`
  const columns = table.columns.join(', ')
  return `INSERT INTO ${name} (${columns}) SELECT ${columns} FROM jsonb_populate_recordset(null::${name}, $1)`
}
