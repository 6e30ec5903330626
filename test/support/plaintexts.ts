// The search for secrets where none must be: in all tables, in whatever form they could have got there.
import type { Database } from '#database/connect.ts'
import { parseToken } from '#secret/token.ts'

export type Table = { readonly name: string; readonly bytes: Buffer }

/** Every table there is, each as the text of its rows and the raw bytes of its bytea columns. Asked of the owner. */
export async function readAllTables({ pool }: Database): Promise<readonly Table[]> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_|^information_schema$' ORDER BY 1`,
  )
  const read: Table[] = []
  for (const { name } of tables) {
    const { rows } = await pool.query<object & { as_text: string }>(`SELECT t.*, t::text AS as_text FROM ${name} t`)
    const parts = rows.flatMap(({ as_text, ...row }) => [
      Buffer.from(as_text),
      ...Object.values(row).filter(Buffer.isBuffer),
    ])
    read.push({ name, bytes: Buffer.concat(parts) })
  }
  return read
}

/** What a plaintext can look like in a table. Without its hint, which is stored so that people can recognise it. */
export function formsOf(plaintext: string): readonly string[] {
  const hint = parseToken(plaintext)?.hint ?? ''
  const secret = plaintext.slice(hint.length)
  const hex = Buffer.from(secret).toString('hex')
  // The characters that stay the same whatever follows, wherever in a group of three bytes the text begins.
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]).toString('base64')
    return text.slice(shift === 0 ? 0 : shift + 1, Math.floor(((secret.length + shift) * 4) / 3) - 1)
  })
  return [
    secret,
    hex,
    hex.toUpperCase(),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ]
}

export function tablesWith(tables: readonly Table[], text: string): readonly string[] {
  return tables.filter(({ bytes }) => bytes.includes(text)).map(({ name }) => name)
}

/** Of every table there is, by name: equal where nothing at all was written. Asked of the owner. */
export async function checksums({ pool }: Database): Promise<Readonly<Record<string, string>>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname !~ '^pg_|^information_schema$' ORDER BY 1`,
  )
  const sums = tables.map(
    ({ name }) =>
      `SELECT '${name}' AS name, md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text COLLATE "C"), '')) AS sum FROM ${name} t`,
  )
  const { rows } = await pool.query<{ name: string; sum: string }>(sums.join(' UNION ALL '))
  return Object.fromEntries(rows.map(({ name, sum }) => [name, sum]))
}
