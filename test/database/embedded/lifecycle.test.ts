// The server belongs to the process that started it: these tests kill, interrupt and race such processes.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, type TestContext, test, vi } from 'vitest'
import { findRunningServer } from '#database/embedded/running.ts'
import { startEmbeddedServer } from '#database/embedded/server.ts'

vi.setConfig({ testTimeout: 60_000 })

const SERVER_MODULE = new URL('../../../src/database/embedded/server.ts', import.meta.url)

// Prints one line when its server is up ({host, port, …} or the error's name), and then lives until told to end.
const HOST_PROGRAM = `
import { startEmbeddedServer } from ${JSON.stringify(SERVER_MODULE)}
process.on('SIGINT', () => console.log('"draining"'))
try {
  const server = await startEmbeddedServer({ dataFolder: process.argv[1], settings: { fsync: 'off' } })
  console.log(JSON.stringify(server.connection('postgres', 'postgres')))
  process.stdin.on('data', async () => {
    await server.stop()
    process.exit()
  })
  if (process.argv[2] === 'forgetful') process.stdin.destroy()
} catch (error) {
  console.log(JSON.stringify(error.name))
}
`

type Host = { readonly child: ChildProcess; nextLine(): Promise<unknown>; readonly exited: Promise<unknown> }

/** Another process with a server on this folder, leader of a process group as under a terminal. */
function host({ onTestFinished }: TestContext, dataFolder: string, mode = ''): Host {
  const child = spawn(process.execPath, ['--input-type=module', '-e', HOST_PROGRAM, dataFolder, mode], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, exited, nextLine: async () => JSON.parse((await lines.next()).value ?? 'null') }
}

function signalGroup({ child }: Host, signal: NodeJS.Signals): void {
  process.kill(-Number(child.pid), signal)
}

function temporaryFolder({ onTestFinished }: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'embedded-test-'))
  onTestFinished(async () => {
    // By now the processes are gone, but a server may still be shutting down.
    await until(() => !existsSync(path.join(folder, 'postgres/postmaster.pid')))
    rmSync(folder, { recursive: true })
  })
  return folder
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10)
}

function isMentionedByAnyProcess(text: string): boolean {
  return execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).includes(text)
}

// Mostly waiting, so all at once.
describe.concurrent('a process and its server', () => {
  test('a process that is killed with -9 takes its server along, and the next start does not have to be told', async (context) => {
    const dataFolder = temporaryFolder(context)
    const first = host(context, dataFolder)
    const connection = (await first.nextLine()) as { host: string; port: number }
    const client = new pg.Client({ ...connection, user: 'postgres', database: 'postgres' })
    const cutOff = new Promise((resolve) => client.on('error', resolve))
    await client.connect()
    await client.query('CREATE TABLE t AS SELECT 7 AS n')
    expect(isMentionedByAnyProcess(connection.host)).toBe(true)

    first.child.kill('SIGKILL')
    // At once: the server is still shutting down, which a start waits for.
    const server = await startEmbeddedServer({ dataFolder })
    context.onTestFinished(() => server.stop())
    await cutOff
    const again = new pg.Client(server.connection('postgres', 'postgres'))
    await again.connect()
    expect((await again.query('SELECT n FROM t')).rows).toEqual([{ n: 7 }])
    await again.end()
    await until(() => !isMentionedByAnyProcess(connection.host))
    expect(existsSync(connection.host)).toBe(false)
  })

  test('a process killed with -9 while its server starts leaves none either', async (context) => {
    const dataFolder = temporaryFolder(context)
    await (await startEmbeddedServer({ dataFolder, settings: { fsync: 'off' } })).stop()
    for (let round = 0; round < 5; round++) {
      const starting = host(context, dataFolder)
      // Its first act, long before it is ready.
      await until(() => existsSync(path.join(dataFolder, 'postgres/postmaster.pid')))
      starting.child.kill('SIGKILL')
      await until(() => !existsSync(path.join(dataFolder, 'postgres/postmaster.pid')))
    }
    await until(() => !isMentionedByAnyProcess(path.join(dataFolder, 'postgres')))
  })

  test('a first start killed in the midst of making the database does not matter to the next', async (context) => {
    const dataFolder = temporaryFolder(context)
    const first = host(context, dataFolder)
    const fresh = () => readdirSync(dataFolder).find((name) => name.startsWith('postgres.new-'))
    await until(() => existsSync(path.join(dataFolder, fresh() ?? 'none', 'base')))
    signalGroup(first, 'SIGKILL') // initdb too
    await first.exited
    expect(fresh()).toBeDefined()

    const server = await startEmbeddedServer({ dataFolder, settings: { fsync: 'off' } })
    await server.stop()
    expect(readdirSync(dataFolder)).toEqual(['postgres'])
  })

  test('Ctrl-C in the terminal does not end the server before its process has drained and says so', async (context) => {
    const running = host(context, temporaryFolder(context))
    const connection = (await running.nextLine()) as { host: string; port: number }
    const client = new pg.Client({ ...connection, user: 'postgres', database: 'postgres' })
    await client.connect()
    signalGroup(running, 'SIGINT')
    signalGroup(running, 'SIGINT')
    expect(await running.nextLine()).toBe('draining')
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await client.end()
    const late = new pg.Client({ ...connection, user: 'postgres', database: 'postgres' })
    await late.connect()
    await late.end()
    running.child.stdin?.write('end\n')
    expect(await running.exited).toBe(0)
    expect(isMentionedByAnyProcess(connection.host)).toBe(false)
  })

  test('a process that forgets its server ends all the same, and the server with it', async (context) => {
    const running = host(context, temporaryFolder(context), 'forgetful')
    const connection = (await running.nextLine()) as { host: string; port: number }
    expect(await running.exited).toBe(0)
    await until(() => !isMentionedByAnyProcess(connection.host))
    expect(existsSync(connection.host)).toBe(false)
  })

  test('of two processes that start on one new folder at once, one serves and the other is refused', async (context) => {
    const dataFolder = temporaryFolder(context)
    const answers = await Promise.all(
      [host(context, dataFolder), host(context, dataFolder)].map((each) => each.nextLine()),
    )
    expect(answers).toContain('FolderInUseError')
    const winner = answers.find((answer) => answer !== 'FolderInUseError') as { host: string; port: number }
    const { host: socketFolder, port } = winner
    expect(findRunningServer(dataFolder)).toEqual({ host: socketFolder, port })
    expect(readdirSync(dataFolder)).toEqual(['postgres'])
    const client = new pg.Client({ ...winner, user: 'postgres', database: 'postgres' })
    await client.connect()
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await client.end()
  })
})
