// better-auth beside us: installed into its own folder when it is needed, with tables of its own in the same PostgreSQL.
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import type { Installation } from './installation.ts'
import { type Started, startProcess } from './processes.ts'

const FOLDER = path.join(import.meta.dirname, '../better-auth')
const DATABASE = 'better_auth'
const CHUNK_KEYS = 10_000
/** Its own keys: letters only. */
const KEY_LENGTH = 64
const ID_LENGTH = 32
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

export type BetterAuth = { readonly server: Started; readonly keys: readonly string[] }

/**
 * Its server, with `keyCount` keys. One it makes by its own API; the others are that row again, with ids, keys and digests of
 * their own in its format, because a million calls would take hours.
 */
export async function startBetterAuth({ database }: Installation, keyCount: number): Promise<BetterAuth> {
  install()
  await database.owner.pool.query(`CREATE DATABASE ${DATABASE}`)
  const { host, port, user } = database.owner.pool.options
  const url = `postgres://${user}@localhost/${DATABASE}?host=${host}&port=${port}`
  const server = await startProcess([path.join(FOLDER, 'server.mjs')], {
    DATABASE_URL: url,
    POOL_SIZE: String(database.serving.pool.options.max),
    BETTER_AUTH_SECRET: randomBytes(32).toString('hex'),
  })
  const first = server.printed.map((line) => /^key: (\w+)$/.exec(line)?.[1]).find((key) => key !== undefined)
  if (first === undefined) throw new Error('better-auth made no key')
  return { server, keys: [first, ...(await copyKey(url, first, keyCount - 1))] }
}

function install(): void {
  const read = (file: string) => JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8'))
  const installed = 'node_modules/.package-lock.json'
  const versionsOf = ({ packages }: { packages: object }) =>
    Object.entries(packages).map(([name, { version }]) => `${name} ${version}`)
  const wanted = versionsOf(read('package-lock.json')).filter((text) => text.startsWith('node_modules/'))
  if (existsSync(path.join(FOLDER, installed)) && versionsOf(read(installed)).join() === wanted.join()) return
  console.log('installing better-auth …')
  // Its peer dependencies name several frameworks of which it needs none.
  execFileSync('npm', ['ci', '--legacy-peer-deps', '--ignore-scripts'], { cwd: FOLDER, stdio: 'pipe' })
}

const COPY = `
  INSERT INTO apikey
  SELECT (jsonb_populate_record(made, jsonb_build_object('id', n.id, 'key', n.digest, 'start', n.start))).*
    FROM apikey made, unnest($1::text[], $2::text[], $3::text[]) AS n (id, digest, start)
   WHERE made.key = $4`

async function copyKey(url: string, first: string, count: number): Promise<readonly string[]> {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  const keys = Array.from({ length: count }, () => lettersOf(KEY_LENGTH))
  try {
    for (let at = 0; at < count; at += CHUNK_KEYS) {
      const chunk = keys.slice(at, at + CHUNK_KEYS)
      const ids = chunk.map(() => lettersOf(ID_LENGTH))
      const starts = chunk.map((key) => key.slice(0, 6))
      const { rowCount } = await pool.query(COPY, [ids, chunk.map(digestOf), starts, digestOf(first)])
      if (rowCount !== chunk.length) throw new Error("better-auth's digests are made in another way")
    }
    await pool.query('VACUUM (ANALYZE) apikey')
  } finally {
    await pool.end()
  }
  return keys
}

/** As its `defaultKeyHasher` makes them. */
function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}

function lettersOf(length: number): string {
  return Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join('')
}
