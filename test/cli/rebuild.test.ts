import { existsSync } from 'node:fs'
import path from 'node:path'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Installation, openInstallation } from '#cli/installation.ts'
import { type Config, readConfig } from '#config.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { createTestDatabase } from '#test/support/database.ts'
import { isAlive, keyledger, postgresOf, temporaryFolder, type Variables } from '#test/support/process.ts'
import { type TestServices, testServices } from '#test/support/services.ts'

// Each test starts processes.
const REBUILT =
  /^state was rebuilt from the log: (\d+) streams, (\d+) events, \d+ events per second; generation (\d+)\n$/

let place: Awaited<ReturnType<typeof temporaryFolder>>
let installation: Installation
let at: TestServices
let keyspaceId: string

beforeAll(async () => {
  place = await temporaryFolder()
  await open()
  keyspaceId = await at.createKeyspace((await at.createAccount()).accountId)
})
afterAll(async () => {
  await installation.close()
  await place.remove()
})

/** As a server does: until it is closed, commands join its database. */
async function open(): Promise<void> {
  const log = pino({ level: 'silent' })
  installation = await openInstallation(configOf({ KEYLEDGER_DATA_DIR: place.dataFolder }), { log, maintenance: false })
  at = testServices(installation.serving, { keyring: installation.keyring })
}

function configOf(variables: Variables): Config {
  const read = readConfig(variables)
  if (!read.ok) throw new Error(read.problems.join('\n'))
  return read.config
}

function rebuild(args: readonly string[] = [], variables: Variables = { KEYLEDGER_DATA_DIR: place.dataFolder }) {
  return keyledger(['rebuild', ...args], variables).ended
}

const check = () => rebuild(['--check'])

describe('beside a running server', () => {
  test('state is made anew while commands go on, and none is lost', async () => {
    let stopped = false
    let made = 0
    const writing = (async () => {
      for (; !stopped; made++) await at.createKey(keyspaceId)
    })()
    const [, streams, events, generation] = REBUILT.exec((await rebuild()).stdout) ?? []
    stopped = true
    await writing
    expect(made).toBeGreaterThan(0)
    expect(Number(streams)).toBeGreaterThanOrEqual(3)
    expect(Number(events)).toBeGreaterThanOrEqual(3)
    expect(generation).toBe('2')
    expect(await check()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^state equals the log: \d+ streams/),
    })
  })

  test('a check names the first difference and exits with 1, until a rebuild has removed it', async () => {
    const { keyId } = await at.createKey(keyspaceId)
    await installation.owner.pool.query('UPDATE state.key SET name = $2 WHERE key_id = $1', [keyId, 'another name'])
    const { code, stdout, stderr } = await check()
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(`state.key ${keyId} differs from the log in name`)
    expect(stderr).not.toContain('another name')
    expect((await rebuild()).code).toBe(0)
    expect((await check()).code).toBe(0)
  })

  test('a rebuild leaves the server its rights', async () => {
    expect((await rebuild()).code).toBe(0)
    await at.createKey(keyspaceId)
    expect((await check()).code).toBe(0)
  })
})

describe('without a server', () => {
  test('both work, on a database that is started and stopped for them', async () => {
    await installation.close()
    const before = postgresOf(place.dataFolder)
    expect(before).toBeUndefined()
    expect((await rebuild()).stdout).toMatch(REBUILT)
    expect((await check()).code).toBe(0)
    expect(postgresOf(place.dataFolder) ?? 0).toSatisfy((pid: number) => pid === 0 || !isAlive(pid))
    await open()
  })

  test('no data is made where there is none', async () => {
    const elsewhere = path.join(place.folder, 'elsewhere')
    const { code, stderr } = await rebuild([], { KEYLEDGER_DATA_DIR: elsewhere })
    expect({ code, made: existsSync(elsewhere) }).toEqual({ code: 1, made: false })
    expect(stderr).toContain('There is no data')
  })
})

test('on a PostgreSQL server, its owner rebuilds, and who may only serve may check', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const shared = { KEYLEDGER_SECRETS: newKeyringText(), LOG_LEVEL: 'silent' }
  const asOwner = { ...shared, DATABASE_URL: database.connection.connectionString }
  const asServer = { ...shared, DATABASE_URL: database.servingConnection.connectionString }
  expect((await rebuild([], asOwner)).stdout).toMatch(REBUILT)
  expect((await rebuild(['--check'], asServer)).code).toBe(0)
  const refused = await rebuild([], asServer)
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toMatch(/^A rebuild makes tables, which the user of DATABASE_URL may not\..*\n$/)
})
