// Sealing as operators see it: real servers, their logs, and the file that checkpoints are kept in.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { readRecord } from '#audit/anchor/anchor.ts'
import { newRootKey } from '#secret/ids.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { keyledger } from '#test/support/process.ts'
import { type ServerProcess, startServerProcess } from '#test/support/server-process.ts'

const AUDIT_KEY = Buffer.alloc(32, 'system').toString('base64')
const ROOT_KEY = newRootKey().reveal()

let database: TestDatabase
let folder: string
let common: Readonly<Record<string, string>>

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(path.join(tmpdir(), 'keyledger-sealing-'))
  common = {
    DATABASE_URL: database.connection.connectionString,
    KEYLEDGER_SECRETS: newKeyringText(),
    KEYLEDGER_ROOT_KEY: ROOT_KEY,
  }
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await database.drop()
})

function sealingTo(file: string) {
  const KEYLEDGER_AUDIT_FILE = path.join(folder, file)
  return { ...common, KEYLEDGER_AUDIT_KEY: AUDIT_KEY, KEYLEDGER_AUDIT_HOST: 'keys.example.org', KEYLEDGER_AUDIT_FILE }
}

async function start(settings: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const server = await startServerProcess(settings)
  onTestFinished(() => server.end('SIGKILL'))
  return server
}

async function createAccount({ url }: ServerProcess): Promise<void> {
  const query = 'mutation { createAccount(input: { name: "a" }) { ... on CreateAccountSuccess { account { id } } } }'
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  })
  expect(await response.text()).toContain('acct_')
}

async function eventCount(): Promise<number> {
  const { rows } = await database.owner.pool.query('SELECT count(*)::int AS count FROM log.event')
  return rows[0].count
}

async function lastRecord(file: string) {
  const lines = (await readFile(path.join(folder, file), 'utf8')).trim().split('\n')
  return readRecord(lines.at(-1) ?? '')
}

async function expectAllSealed(): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await database.owner.pool.query('SELECT size::int FROM audit.log')
      expect(rows).toEqual([{ size: (await eventCount()) + 1 }])
    },
    { timeout: 60_000 },
  )
}

test('a server that is stopped has sealed all that it acknowledged, and told of it outside', async () => {
  const server = await start(sealingTo('stopped'))
  for (let n = 0; n < 3; n++) await createAccount(server)
  await server.end('SIGTERM')
  const record = await lastRecord('stopped')
  expect(record).toMatchObject({ origin: 'keys.example.org/audit/1', size: (await eventCount()) + 1 })
  const sealed = Object.values(record?.heads ?? {}).reduce((sum, head) => sum + head, 0)
  expect(sealed).toBe(await eventCount())
})

test('of two servers the other seals what is appended after one was killed', { timeout: 180_000 }, async () => {
  const servers = [await start(sealingTo('shared')), await start(sealingTo('shared'))] as const
  for (const [doomed, other] of [servers, [await start(sealingTo('shared')), servers[1]] as const]) {
    await createAccount(doomed)
    await expectAllSealed()
    await doomed.end('SIGKILL')
    await createAccount(other)
    await expectAllSealed()
  }
})

test('several workers seal as one', { timeout: 120_000 }, async () => {
  const server = await start({ ...sealingTo('workers'), KEYLEDGER_WORKERS: '2' })
  await createAccount(server)
  await expectAllSealed()
  await server.end('SIGTERM')
  expect(await lastRecord('workers')).toMatchObject({ size: (await eventCount()) + 1 })
})

test.each([
  ['a server without a key says that it seals nothing', () => common, /does not seal history/],
  [
    'a server that keeps checkpoints nowhere else says so',
    () => ({ ...common, KEYLEDGER_AUDIT_KEY: AUDIT_KEY, KEYLEDGER_AUDIT_HOST: 'keys.example.org' }),
    /nowhere but in the database/,
  ],
])('%s', async (_what, settings, warning) => {
  const server = keyledger(['start'], { ...settings(), PORT: '0', LOG_LEVEL: 'warn' })
  await server.says(/Keyledger is ready/)
  server.child.kill('SIGTERM')
  const { code, stdout, stderr } = await server.ended
  expect(code).toBe(0)
  expect(stdout + stderr).toMatch(warning)
})

test('no server prints what it signs by', async () => {
  const server = keyledger(['start'], { ...sealingTo('quiet'), PORT: '0', LOG_LEVEL: 'trace' })
  await server.says(/Keyledger is ready/)
  server.child.kill('SIGTERM')
  const { stdout, stderr } = await server.ended
  expect(stdout + stderr).not.toContain(AUDIT_KEY.slice(0, 20))
})
