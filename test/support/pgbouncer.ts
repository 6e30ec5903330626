// PgBouncer as docs/operating.md configures it, between a server under test and its database.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, vi } from 'vitest'
import { freePort, programNamed } from './machine.ts'
import { PATIENTLY } from './wait.ts'

export const pgbouncer = programNamed('pgbouncer')

export type PgBouncer = {
  readonly url: string
  /** Ends all connections at once. */
  kill(): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

export type PgBouncerOptions = {
  readonly connection: pg.ConnectionConfig
  /** Connections to the server, which all clients share. */
  readonly poolSize: number
}

export async function startPgBouncer({ connection, poolSize }: PgBouncerOptions): Promise<PgBouncer> {
  const { host, port, user, database, password } = new pg.Client(connection)
  const folder = await mkdtemp(join(tmpdir(), 'keyledger-pgbouncer-'))
  const listening = await freePort()
  const page = await readFile(`${import.meta.dirname}/../../docs/operating.md`, 'utf8')
  const printed = /```ini\n(\[databases\][^`]+)```/.exec(page)?.[1] ?? ''
  const users = join(folder, 'users')
  const settings = Object.entries({
    'host=10.0.0.5 port=5432 dbname=keyledger': `host=${host} port=${port} dbname=${database}`,
    'listen_port = 6432': `listen_port = ${listening}`,
    '/etc/pgbouncer/userlist.txt': users,
    'default_pool_size = 20': `default_pool_size = ${poolSize}`,
  }).reduce((text, [from, to]) => {
    expect(text).toContain(from)
    return text.replace(from, to)
  }, printed)
  await writeFile(users, `"${user}" "${password ?? ''}"\n`)
  await writeFile(join(folder, 'pgbouncer.ini'), `${settings}unix_socket_dir =\n`)
  await chmod(folder, 0o755)
  // It refuses root.
  const identity = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  const url = `postgres://${user}:${password ?? ''}@127.0.0.1:${listening}/keyledger`

  let running: ChildProcess | undefined
  async function start(): Promise<void> {
    running = spawn(pgbouncer ?? '', ['-q', join(folder, 'pgbouncer.ini')], { ...identity, stdio: 'ignore' })
    await vi.waitFor(async () => {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
      await client.connect()
      await client.query('SELECT 1').finally(() => client.end())
    }, PATIENTLY)
  }
  async function kill(): Promise<void> {
    const exited = running && once(running, 'exit')
    running?.kill('SIGKILL')
    await exited
  }
  await start()
  return {
    url,
    start,
    kill,
    async close() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
