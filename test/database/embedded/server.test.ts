// What one process sees of its embedded server: the database it gets, and what becomes of it over restarts and crashes.

import { execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { EmbeddedUnavailableError, ServerFailedError } from '#database/embedded/errors.ts'
import { findRunningServer } from '#database/embedded/running.ts'
import { type EmbeddedServer, startEmbeddedServer } from '#database/embedded/server.ts'
import { PATIENTLY } from '#test/support/wait.ts'

const isRoot = process.getuid?.() === 0
const isLinux = process.platform === 'linux'

vi.setConfig({ testTimeout: 60_000 })

function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'embedded-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const FAST = { fsync: 'off' } // where durability is not the subject

async function start(dataFolder: string, settings: Record<string, string> = FAST, lines: string[] = []) {
  const server = await startEmbeddedServer({ dataFolder, settings, log: (line) => lines.push(line) })
  onTestFinished(() => server.stop())
  return server
}

async function connect(server: EmbeddedServer): Promise<pg.Client> {
  const client = new pg.Client(server.connection('postgres', 'postgres'))
  client.on('error', () => {}) // a killed server; what was asked of it rejects
  await client.connect()
  return client
}

async function query(server: EmbeddedServer, ...statements: readonly string[]): Promise<Record<string, unknown>[]> {
  const client = await connect(server)
  try {
    let rows: Record<string, unknown>[] = []
    for (const statement of statements) rows = (await client.query(statement)).rows
    return rows
  } finally {
    await client.end()
  }
}

function postmasterPid(dataFolder: string): number {
  return Number.parseInt(readFileSync(path.join(dataFolder, 'postgres/postmaster.pid'), 'utf8'), 10)
}

function killServer(dataFolder: string): void {
  const postmaster = postmasterPid(dataFolder)
  const children = execFileSync('pgrep', ['-P', String(postmaster)], { encoding: 'utf8' })
  for (const pid of [postmaster, ...children.trim().split('\n').map(Number)]) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // it noticed that the postmaster is gone and ended before us
    }
  }
}

/** Command lines that name this server's socket folder: the postmaster's and the watchdog's. */
function processesOf(server: EmbeddedServer): readonly string[] {
  const all = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n')
  return all.filter((args) => args.includes(server.socketFolder))
}

describe('the embedded server', () => {
  test('is a durable UTF-8 database in UTC that listens on a closed unix socket and nothing else', async () => {
    const dataFolder = path.join(temporaryFolder(), 'data')
    const server = await start(dataFolder, {})
    const names = ['fsync', 'listen_addresses', 'TimeZone', 'max_connections', 'server_encoding', 'data_checksums']
    const settings = await query(server, 'SELECT name, setting FROM pg_settings')
    const found = new Map(settings.map(({ name, setting }) => [name, setting]))
    expect(names.map((name) => found.get(name))).toEqual(['on', '', 'UTC', '200', 'UTF8', 'on'])
    expect(await query(server, "SELECT datcollate AS c FROM pg_database WHERE datname = 'postgres'")).toEqual([
      { c: 'C' },
    ])
    expect(await query(server, 'SELECT inet_server_addr() AS tcp')).toEqual([{ tcp: null }])
    for (const folder of [dataFolder, path.join(dataFolder, 'postgres'), server.socketFolder])
      expect([folder, (statSync(folder).mode & 0o777).toString(8)]).toEqual([folder, '700'])
  })

  test('finds what was committed before a clean shutdown, and has nothing to recover', async () => {
    const dataFolder = temporaryFolder()
    const first = await start(dataFolder, {})
    await query(first, 'CREATE TABLE t (n int)', 'INSERT INTO t VALUES (7)')
    await Promise.all([first.stop(), first.stop()])
    const pending = Symbol('it was asked for')
    expect(await Promise.race([first.exited, new Promise((resolve) => setImmediate(resolve, pending))])).toBe(pending)
    expect(existsSync(first.socketFolder)).toBe(false)
    expect(processesOf(first)).toEqual([])

    const lines: string[] = []
    const second = await start(dataFolder, {}, lines)
    expect(await query(second, 'SELECT n FROM t')).toEqual([{ n: 7 }])
    expect(lines.join('\n')).toContain('database system was shut down at')
    expect(lines.join('\n')).not.toMatch(/not properly shut down|recovery/)
  })

  test('loses no committed row when its processes are killed, ten times over', async () => {
    const dataFolder = temporaryFolder()
    let server = await start(dataFolder, {})
    await query(server, 'CREATE TABLE t (n int PRIMARY KEY)')
    const acknowledged = new Set<number>()
    let last = 0
    const write = async (client: pg.Client) => {
      for (;;) {
        const n = ++last
        await client.query('INSERT INTO t VALUES ($1)', [n])
        acknowledged.add(n)
        // The other writers have a statement under way at this moment.
        if (acknowledged.size % 20 === 0) killServer(dataFolder)
      }
    }
    for (let round = 1; round <= 10; round++) {
      const clients = await Promise.all(Array.from({ length: 4 }, () => connect(server)))
      const ends = await Promise.allSettled(clients.map(write))
      expect(ends.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
      expect(await server.exited).toContain('ready to accept connections')
      const { socketFolder } = server
      server = await start(dataFolder, {})
      expect(existsSync(socketFolder)).toBe(false)
      const rows = new Set((await query(server, 'SELECT n FROM t')).map(({ n }) => n))
      expect([...acknowledged].filter((n) => !rows.has(n))).toEqual([])
      expect(acknowledged.size).toBeGreaterThanOrEqual(20 * round)
    }
  })

  test('tells with the end of its log when it ended by itself, and leaves no watchdog', async () => {
    const dataFolder = temporaryFolder()
    const server = await start(dataFolder)
    process.kill(postmasterPid(dataFolder), 'SIGINT')
    expect(await server.exited).toMatch(/received fast shutdown request.*database system is shut down$/s)
    expect(processesOf(server)).toEqual([])
    expect(existsSync(server.socketFolder)).toBe(false)
    await server.stop() // and stopping it is still allowed
  })

  test('works in a folder far deeper than a socket path may be long, and lets settings override its own', async () => {
    const dataFolder = path.join(temporaryFolder(), 'x'.repeat(100), "it's a folder", 'y'.repeat(100))
    const server = await start(dataFolder, { fsync: 'off', max_connections: '10' })
    expect(await query(server, 'SHOW fsync')).toEqual([{ fsync: 'off' }])
    expect(await query(server, 'SHOW max_connections')).toEqual([{ max_connections: '10' }])
  })

  test('writes no values of rows or statements to its log', async () => {
    const lines: string[] = []
    const server = await start(temporaryFolder(), FAST, lines)
    await query(server, 'CREATE TABLE t (n text PRIMARY KEY)', "INSERT INTO t VALUES ('topsecret')")
    await expect(query(server, "INSERT INTO t VALUES ('topsecret')")).rejects.toThrow(/duplicate key/)
    await server.stop()
    expect(lines.join('\n')).toContain('duplicate key value violates unique constraint')
    expect(lines.join('\n')).not.toContain('topsecret')
  })

  test.skipIf(!isLinux)("does not get our environment, which holds the deployment's secrets", async () => {
    vi.stubEnv('KEYLEDGER_SECRETS', 'do-not-tell')
    vi.stubEnv('PGPORT', '7777')
    onTestFinished(() => void vi.unstubAllEnvs())
    const dataFolder = temporaryFolder()
    await start(dataFolder)
    const environment = readFileSync(`/proc/${postmasterPid(dataFolder)}/environ`, 'utf8')
    expect(environment).toContain('TZ=UTC')
    expect(environment).not.toMatch(/KEYLEDGER|do-not-tell|PGPORT/)
  })

  test("is not kept from starting by a dead server's pid that now is another process's", async () => {
    const dataFolder = temporaryFolder()
    const server = await start(dataFolder)
    killServer(dataFolder)
    await server.exited
    const pidFile = path.join(dataFolder, 'postgres/postmaster.pid')
    // Of the server's own user, since PostgreSQL itself ignores those of other users.
    const stranger = spawn('sleep', ['60'], isRoot ? { uid: 65_534, gid: 65_534 } : {})
    onTestFinished(() => void stranger.kill())
    writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(stranger.pid)))
    expect(findRunningServer(dataFolder)).toBeUndefined()
    expect(await query(await start(dataFolder), 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(stranger.exitCode).toBeNull()
  })

  test('waits for the last processes of a killed server, and then goes on', async () => {
    const dataFolder = temporaryFolder()
    const server = await start(dataFolder)
    const client = await connect(server)
    const backend = (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid
    process.kill(backend, 'SIGSTOP')
    process.kill(postmasterPid(dataFolder), 'SIGKILL')
    const lines: string[] = []
    const starting = start(dataFolder, FAST, lines)
    await vi.waitUntil(() => lines.some((line) => line.includes('is still in use')), PATIENTLY)
    process.kill(backend, 'SIGCONT')
    expect(await query(await starting, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })
})

/** One file where the database would be, owned by whoever runs it. */
function writeCluster(dataFolder: string, name: string, content: string): void {
  const cluster = path.join(dataFolder, 'postgres')
  mkdirSync(cluster)
  if (isRoot) chownSync(cluster, 65_534, 65_534)
  writeFileSync(path.join(cluster, name), content)
}

describe('a start that cannot succeed says what to do', () => {
  test('a data folder that is none', async () => {
    const file = path.join(temporaryFolder(), 'file')
    writeFileSync(file, '')
    const failing = startEmbeddedServer({ dataFolder: path.join(file, 'below') })
    await expect(failing).rejects.toThrow(EmbeddedUnavailableError)
    await expect(failing).rejects.toThrow(/KEYLEDGER_DATA_DIR/)
  })

  test('a folder in which something else stands where the database would be', async () => {
    const dataFolder = temporaryFolder()
    writeCluster(dataFolder, 'notes.txt', 'mine')
    const failing = startEmbeddedServer({ dataFolder, settings: FAST })
    await expect(failing).rejects.toThrow(EmbeddedUnavailableError)
    await expect(failing).rejects.toThrow(/holds something else.*KEYLEDGER_DATA_DIR/)
    expect(readFileSync(path.join(dataFolder, 'postgres/notes.txt'), 'utf8')).toBe('mine')
  })

  test('data of another major version', async () => {
    const dataFolder = temporaryFolder()
    writeCluster(dataFolder, 'PG_VERSION', '15\n')
    await expect(startEmbeddedServer({ dataFolder, settings: FAST })).rejects.toThrow(
      /written by PostgreSQL 15, and this program brings version 18.*KEYLEDGER_DATA_DIR/,
    )
  })

  test('a setting that PostgreSQL refuses, in its own words', async () => {
    const failing = startEmbeddedServer({
      dataFolder: temporaryFolder(),
      settings: { ...FAST, max_connections: 'many' },
    })
    await expect(failing).rejects.toThrow(/invalid value for parameter "max_connections"/)
    await expect(failing).rejects.toThrow(ServerFailedError)
  })
})
