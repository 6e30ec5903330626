// Faults by really killing things: the server and PostgreSQL itself, again and again, under load. A handful of times here;
// `npm run kills` does it 20 and 10 times.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clusterFolder } from '#database/embedded/cluster.ts'
import { readPostmasterFile } from '#database/embedded/running.ts'
import { type Acknowledged, expectWhole, keepMutating } from '../support/acknowledged.ts'
import { type Client, clientOf } from '../support/app.ts'
import { rootKeyIn, type ServerProcess, startServerProcess } from '../support/server-process.ts'

const FULL = process.env.KILLS === 'full'
const SERVER_KILLS = FULL ? 20 : 3
const POSTGRES_KILLS = FULL ? 10 : 2
const WORKERS = 8
const ACKNOWLEDGED_BEFORE_KILL = 40

let dataFolder: string
let server: ServerProcess
let rootKey: string
let keyspaceId: string

/** Of whichever server runs. */
const client: Client = {
  execute: (...given) => clientOf(server.url, rootKey).execute(...given),
  ask: (...given) => clientOf(server.url, rootKey).ask(...given),
}

beforeEach(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'keyledger-kills-'))
  server = await startServerProcess({ KEYLEDGER_DATA_DIR: dataFolder }, /^ {2}curl /)
  rootKey = rootKeyIn(server.printed)
  const { accounts } = await client.ask<{ accounts: { nodes: { keyspace: { id: string } }[] } }, object>(
    '{ accounts { nodes { keyspace(name: "default") { id } } } }',
  )
  keyspaceId = accounts.nodes[0]?.keyspace.id ?? ''
}, 60_000)
afterEach(async () => {
  await server.end('SIGTERM')
  await rm(dataFolder, { recursive: true, force: true })
}, 60_000)

async function underLoad(kills: number, kill: () => Promise<void>): Promise<void> {
  const acknowledged: Acknowledged[] = []
  for (let round = 0; round < kills; round++) {
    const mutating = keepMutating(Array(WORKERS).fill(client), keyspaceId)
    await mutating.more(ACKNOWLEDGED_BEFORE_KILL)
    await kill()
    server = await startServerProcess({ KEYLEDGER_DATA_DIR: dataFolder })
    await mutating.more(WORKERS)
    acknowledged.push(...(await mutating.stop()))
    await expectWhole(client, acknowledged)
    await expectCheckClean()
  }
}

async function expectCheckClean(): Promise<void> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, KEYLEDGER_DATA_DIR: dataFolder, LOG_LEVEL: 'silent' }
  await promisify(execFile)('node', ['src/cli/keyledger.ts', 'rebuild', '--check'], { env })
}

describe('under load of mutations', () => {
  test(`kill -9 of the server loses and doubles nothing, ${SERVER_KILLS} times`, async () => {
    await underLoad(SERVER_KILLS, () => server.end('SIGKILL'))
  }, 600_000)

  test(`kill -9 of PostgreSQL itself loses and doubles nothing, ${POSTGRES_KILLS} times`, async () => {
    await underLoad(POSTGRES_KILLS, async () => {
      const exited = once(server.process, 'exit')
      const postmaster = readPostmasterFile(clusterFolder(resolve(dataFolder)))
      expect(postmaster).toBeDefined()
      process.kill(postmaster?.pid ?? 0, 'SIGKILL')
      // The server can't go on without it, and says so by ending.
      await exited
    })
  }, 600_000)
})
