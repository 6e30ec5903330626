// Writes rows of any state table with one statement of fixed text, so that a command's write and a rebuild's are the same
// code and stay prepared whatever the number of rows.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'

/** A row as JSON: bytea as `\x…`, instants as text. */
export type Row = Readonly<Record<string, unknown>>

export type TableSpec = {
  readonly name: 'account' | 'keyspace' | 'key' | 'code' | 'rotation'
  /** The primary key, the shard first. */
  readonly key: readonly [shard: 'shard', id: string]
  readonly columns: readonly string[]
}

export type TableRows = { readonly table: TableSpec; readonly rows: readonly Row[] }

/** Inserts rows, or puts them in the place of those with the same key. */
export function upsert({ table, rows }: TableRows, schema = 'state'): CompiledQuery<unknown> {
  return statement(upsertText(table, schema), [JSON.stringify(rows)])
}

const texts = new Map<string, string>()

function upsertText(table: TableSpec, schema: string): string {
  const name = `${schema}.${table.name}`
  const known = texts.get(name)
  if (known !== undefined) return known
  const columns = table.columns.join(', ')
  const assignments = table.columns.filter((column) => !table.key.includes(column)).map((c) => `${c} = excluded.${c}`)
  const text = `INSERT INTO ${name} (${columns}) SELECT ${columns} FROM jsonb_populate_recordset(null::${name}, $1)
    ON CONFLICT (${table.key.join(', ')}) DO UPDATE SET ${assignments.join(', ')}`
  texts.set(name, text)
  return text
}
