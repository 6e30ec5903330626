// Last use across the ends of a server: one that drains loses none, one that is killed the last 5 s of it and nothing else.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Client, clientOf } from '../support/app.ts'
import { rootKeyIn, type ServerProcess, startServerProcess } from '../support/server-process.ts'

let dataFolder: string
let server: ServerProcess
let client: Client
let rootKey: string
let key: { readonly id: string; readonly secret: string }

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'keyledger-last-use-'))
  await start(/^ {2}curl /)
  rootKey = rootKeyIn(server.printed)
  client = clientOf(server.url, rootKey)
  const { accounts } = await client.ask<{ accounts: { nodes: { keyspace: { id: string } }[] } }, object>(
    '{ accounts { nodes { keyspace(name: "default") { id } } } }',
  )
  const { createKey } = await client.ask<{ createKey: { key: { id: string }; issued: { secret: string }[] } }, object>(
    `mutation ($id: ID!) { createKey(input: { keyspaceId: $id, name: "used" }) {
      ... on CreateKeySuccess { key { id } issued { secret } } } }`,
    { id: accounts.nodes[0]?.keyspace.id },
  )
  key = { id: createKey.key.id, secret: createKey.issued[0]?.secret ?? '' }
}, 60_000)
afterAll(async () => {
  await server.end('SIGTERM')
  await rm(dataFolder, { recursive: true, force: true })
}, 60_000)

async function start(awaited?: RegExp): Promise<void> {
  server = await startServerProcess({ KEYLEDGER_DATA_DIR: dataFolder }, awaited)
}

async function restartAfter(signal: NodeJS.Signals): Promise<void> {
  await server.end(signal)
  await start()
  client = clientOf(server.url, rootKey)
}

async function verify(): Promise<string> {
  const { verifyKey } = await client.ask<{ verifyKey: { code: string; checkedAt: string } }, object>(
    'query ($key: String!) { verifyKey(input: { key: $key }) { code checkedAt } }',
    { key: key.secret },
  )
  expect(verifyKey.code).toBe('VALID')
  return verifyKey.checkedAt
}

async function lastUsedAt(): Promise<string | null> {
  const told = await client.ask<{ key: { lastUsedAt: string | null; codes: { lastUsedAt: string | null }[] } }, object>(
    'query ($id: ID!) { key(id: $id) { lastUsedAt codes { lastUsedAt } } }',
    { id: key.id },
  )
  expect(told.key.codes.map((code) => code.lastUsedAt)).toEqual([told.key.lastUsedAt])
  return told.key.lastUsedAt
}

test('a server that is told to stop writes the uses it has noted', { timeout: 60_000 }, async () => {
  expect(await lastUsedAt()).toBeNull()
  const at = await verify()
  await restartAfter('SIGTERM')
  expect(await lastUsedAt()).toBe(at)
})

test('kill -9 loses no use that is older than 5 s, and nothing else', { timeout: 60_000 }, async () => {
  const at = await verify()
  await expect.poll(lastUsedAt).toBe(at)
  await verify()
  await restartAfter('SIGKILL')
  expect(await lastUsedAt()).toBe(at)
  expect((await verify()) > at).toBe(true)
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, KEYLEDGER_DATA_DIR: dataFolder, LOG_LEVEL: 'silent' }
  await promisify(execFile)('node', ['src/cli/keyledger.ts', 'rebuild', '--check'], { env })
})
