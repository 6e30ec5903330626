// Whole tables from one database to another, exactly: every column travels as the text that PostgreSQL itself makes and reads
// of a value, by way of this process, a batch at a time. What tables and columns there are, the catalog says: a table that
// a later migration adds is copied without anyone having to think of it.
import pg from 'pg'
import { type Database, send, statement } from './connect.ts'
import type { Transaction } from './transaction.ts'

export type TableToCopy = {
  /** With its schema, such as `log.event`. */
  readonly name: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** The columns of its primary key: the order in which it is read. */
  readonly key: readonly string[]
}

/** The values of a row as PostgreSQL's text, by the names of their columns. */
export type TextRow = Readonly<Record<string, string | null>>

/** Sends a statement within a transaction. */
export type Run = Transaction['run']

/** Bounds memory: an event of the largest size is some 200 kB as text. An ordinary one is 2, and larger batches gain little. */
const BATCH_ROWS = 250

/**
 * Under these settings a value becomes the same text on every server, and the text the same value again. The timeouts, because
 * what is set for a database or its users must not end a transaction that takes hours.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  datestyle: 'ISO, MDY',
  intervalstyle: 'iso_8601',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  transaction_timeout: '0',
}

/** Work that reads the database as it is at one moment, whatever is written meanwhile; it can write nothing itself. */
export async function inSnapshot<T>(database: Database, work: (run: Run) => Promise<T>): Promise<T> {
  const client = await database.pool.connect()
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    return await work((query) => send(client, query))
  } finally {
    await client.query('ROLLBACK').then(
      () => client.release(),
      () => client.release(true),
    )
  }
}

/** For the rest of the transaction. */
export async function setForCopying(run: Run): Promise<void> {
  await run(
    // Only those that this version of PostgreSQL has.
    statement(
      `SELECT set_config(s.name, u.value, true) FROM unnest($1::text[], $2::text[]) AS u (name, value)
         JOIN pg_settings s ON lower(s.name) = u.name`,
      [Object.keys(SETTINGS), Object.values(SETTINGS)],
    ),
  )
}

/** The tables of some schemas, by name. Every table of ours has a primary key. */
export function tablesIn(run: Run, schemas: readonly string[]): Promise<readonly TableToCopy[]> {
  return run(
    statement<TableToCopy>(
      `SELECT format('%I.%I', n.nspname, c.relname) COLLATE "C" AS name,
              (SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod))
                                ORDER BY a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
              (SELECT jsonb_agg(a.attname ORDER BY k.ordinal)
                 FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, ordinal)
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum) AS key
         FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        WHERE c.relkind = 'r' AND n.nspname = ANY ($1) ORDER BY name`,
      [schemas],
    ),
  )
}

/** All rows in batches, in the order of the primary key. Of one table at a time. */
export async function* readTable(run: Run, { name, columns, key }: TableToCopy): AsyncGenerator<readonly TextRow[]> {
  const texts = columns.map((column) => `t.${quote(column.name)}::text AS ${quote(column.name)}`)
  const order = key.map((column) => `t.${quote(column)}`)
  await run(
    statement(`DECLARE copying CURSOR FOR SELECT ${texts.join(', ')} FROM ${name} t ORDER BY ${order.join(', ')}`, []),
  )
  for (;;) {
    const rows = await run(statement<TextRow>(`FETCH ${BATCH_ROWS} FROM copying`, []))
    if (rows.length === 0) break
    yield rows
  }
  await run(statement('CLOSE copying', []))
}

export async function insertRows(run: Run, { name, columns }: TableToCopy, rows: readonly TextRow[]): Promise<void> {
  const names = columns.map((column) => quote(column.name)).join(', ')
  const values = columns.map((column) => `u.${quote(column.name)}::${column.type}`).join(', ')
  const arrays = columns.map((_, index) => `$${index + 1}::text[]`).join(', ')
  await run(
    statement(
      `INSERT INTO ${name} (${names}) SELECT ${values} FROM unnest(${arrays}) AS u (${names})`,
      columns.map((column) => rows.map((row) => row[column.name] ?? null)),
    ),
  )
}

/** How many rows, and a value that a change to any of them changes: to find mistakes, not forgeries. */
export type Summary = { readonly rows: bigint; readonly fingerprint: bigint }

export async function summarise(run: Run, { name, columns }: TableToCopy): Promise<Summary> {
  const values = columns.map((column) => `t.${quote(column.name)}`).join(', ')
  const [summary] = await run(
    statement<Summary>(
      `SELECT count(*) AS rows,
              coalesce(bit_xor(('x' || left(md5(ROW(${values})::text), 16))::bit(64)::bigint), 0) AS fingerprint
         FROM ${name} t`,
      [],
    ),
  )
  return summary ?? { rows: 0n, fingerprint: 0n }
}

function quote(name: string): string {
  return pg.escapeIdentifier(name)
}
