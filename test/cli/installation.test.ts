import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { type Installation, openInstallation } from '#cli/installation.ts'
import { type Config, readConfig } from '#config.ts'
import { InstallationError } from '#database/open.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { recordingLogger } from '#test/support/log.ts'
import { onServer, urlOf } from '#test/support/server.ts'

// Each starts a PostgreSQL of its own, some twice.
const silent = pino({ level: 'silent' })
const opened: Installation[] = []
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'keyledger-installation-'))
})

afterEach(async () => {
  for (const installation of opened.splice(0)) await installation.close()
  await rm(folder, { recursive: true, force: true })
})

function configOf(variables: Record<string, string>): Config {
  const read = readConfig(variables)
  if (!read.ok) throw new Error(read.problems.join('\n'))
  return read.config
}

async function open(variables: Record<string, string> = {}, maintenance = false): Promise<Installation> {
  const config = configOf({ KEYLEDGER_DATA_DIR: path.join(folder, 'data'), ...variables })
  const installation = await openInstallation(config, { log: silent, maintenance })
  opened.push(installation)
  return installation
}

async function openAndClose(variables?: Record<string, string>, maintenance?: boolean): Promise<Installation> {
  const installation = await open(variables, maintenance)
  await opened.pop()?.close()
  return installation
}

async function refusal(opening: Promise<unknown>): Promise<string> {
  const error = await opening.then(
    () => new Error('it was opened'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(InstallationError)
  return (error as Error).message
}

const secretsFile = () => path.join(folder, 'data', 'secrets')

describe('an embedded installation', () => {
  test('is made in an empty folder, with secrets that only its user can read', async () => {
    const { keyring } = await open()
    expect((await stat(secretsFile())).mode & 0o777).toBe(0o600)
    expect(await readFile(secretsFile(), 'utf8')).toMatch(/^k1:[A-Za-z0-9+/]{43}=\n$/)
    expect(keyring.newest.id).toBe('k1')
  })

  test('serves as a user who can read the log but not change it', async () => {
    const { serving } = await open()
    expect((await serving.pool.query('SELECT current_user AS user')).rows).toEqual([{ user: 'keyledger' }])
    for (const statement of [
      'DELETE FROM log.event',
      'TRUNCATE log.event',
      'DROP TABLE state.key',
      'CREATE TABLE t ()',
    ])
      await expect(serving.pool.query(statement)).rejects.toMatchObject({ code: '42501' })
  })

  test('keeps its secrets from one start to the next', async () => {
    await openAndClose()
    const text = await readFile(secretsFile(), 'utf8')
    await openAndClose()
    expect(await readFile(secretsFile(), 'utf8')).toBe(text)
  })

  test('is joined, while it runs, by a command', async () => {
    const running = await open()
    await running.owner.pool.query('CREATE TABLE seen ()')
    const joined = await open({}, true)
    expect((await joined.owner.pool.query(`SELECT to_regclass('seen') IS NOT NULL AS seen`)).rows).toEqual([
      { seen: true },
    ])
    await opened.pop()?.close()
    expect((await running.serving.pool.query('SELECT 1 AS alive')).rows).toEqual([{ alive: 1 }])
  })

  test('survives the end of a connection that is held between two statements', async () => {
    const { serving, owner } = await open()
    const held = await serving.pool.connect()
    const { rows } = await held.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    // Unheard, this would end the process.
    const broken = new Promise((resolve) => held.once('end', resolve))
    await owner.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
    await broken
    await expect(held.query('SELECT 1')).rejects.toThrow()
    held.release(true)
    expect((await serving.pool.query('SELECT 1 AS alive')).rows).toEqual([{ alive: 1 }])
  })

  test('is never made by a command', async () => {
    expect(await refusal(open({}, true))).toContain('There is no data')
    await expect(stat(path.join(folder, 'data'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('refuses secrets that others can read', async () => {
    await openAndClose()
    await chmod(secretsFile(), 0o640)
    expect(await refusal(open())).toContain('chmod 600')
  })

  test('refuses a damaged file of secrets without showing it', async () => {
    await openAndClose()
    const text = await readFile(secretsFile(), 'utf8')
    await writeFile(secretsFile(), text.slice(0, -8))
    const message = await refusal(open())
    expect(message).toContain('is damaged')
    expect(message).not.toContain(text.slice(3, 12))
  })

  test('does not replace a lost file of secrets by a new one', async () => {
    await openAndClose()
    await rm(secretsFile())
    expect(await refusal(open())).toContain('is gone')
    await expect(stat(secretsFile())).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('takes configured secrets that have all that is in the file', async () => {
    await openAndClose()
    const kept = (await readFile(secretsFile(), 'utf8')).trim()
    const { keyring } = await openAndClose({ KEYLEDGER_SECRETS: `${newKeyringText('k2')},${kept}` })
    expect(keyring.newest.id).toBe('k2')
    // From then on both are in use.
    expect(await refusal(open())).toContain('The secret k2 is not configured')
  })

  test('refuses configured secrets that differ from the file', async () => {
    await openAndClose()
    const other = newKeyringText('k1')
    const message = await refusal(open({ KEYLEDGER_SECRETS: other }))
    expect(message).toContain('does not have the same k1')
    expect(message).not.toContain(other.slice(3))
  })

  test('makes no file where the secrets are configured', async () => {
    await openAndClose({ KEYLEDGER_SECRETS: newKeyringText('k1') })
    await expect(stat(secretsFile())).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('the secrets that the data was made under', () => {
  test('are refused when one has another value', async () => {
    await openAndClose({ KEYLEDGER_SECRETS: newKeyringText('k1') })
    const other = newKeyringText('k1')
    const message = await refusal(open({ KEYLEDGER_SECRETS: other }))
    expect(message).toContain('The secret k1 has another value')
    expect(message).not.toContain(other.slice(3))
  })

  test('are all missed at once, and a refused start registers none', async () => {
    const both = `${newKeyringText('k2')},${newKeyringText('k1')}`
    await openAndClose({ KEYLEDGER_SECRETS: both })
    const message = await refusal(open({ KEYLEDGER_SECRETS: newKeyringText('k3') }))
    expect(message).toContain('The secret k1 is not configured')
    expect(message).toContain('The secret k2 is not configured')
    const { keyring } = await openAndClose({ KEYLEDGER_SECRETS: both })
    expect(keyring.all.map((entry) => entry.id)).toEqual(['k2', 'k1'])
  })
})

describe('an installation on a PostgreSQL server', () => {
  const name = () => `keyledger_open_${randomBytes(4).toString('hex')}`
  const secrets = newKeyringText()

  test('is migrated by a user who may, and says who guards the log', async () => {
    const { url } = inject('testServer')
    const database = name()
    await onServer(url, `CREATE DATABASE ${database}`)
    const { log, logged } = recordingLogger()
    const config = configOf({ DATABASE_URL: urlOf(url, database), KEYLEDGER_SECRETS: secrets })
    try {
      const installation = await openInstallation(config, { log, maintenance: false })
      await installation.close()
      expect(installation.describe).toMatch(/^PostgreSQL \d+/)
      expect(logged.filter((entry) => entry.msg.includes('owns the schema'))).toHaveLength(1)
    } finally {
      await onServer(url, `DROP DATABASE ${database} WITH (FORCE)`)
    }
  })

  test('asks for an owner where its user may not migrate', async () => {
    const { url, servingUser, servingPassword } = inject('testServer')
    const database = name()
    await onServer(url, `CREATE DATABASE ${database}`)
    const asServing = { DATABASE_URL: urlOf(url, database, servingUser, servingPassword), KEYLEDGER_SECRETS: secrets }
    try {
      expect(await refusal(open(asServing))).toContain('keyledger migrate')
      await openAndClose({ DATABASE_URL: urlOf(url, database), KEYLEDGER_SECRETS: secrets })
      await openAndClose(asServing)
    } finally {
      await onServer(url, `DROP DATABASE ${database} WITH (FORCE)`)
    }
  })

  test('says which right its user lacks', async () => {
    const { url } = inject('testServer')
    const database = name()
    await onServer(url, `CREATE DATABASE ${database}`, `CREATE ROLE ${database} LOGIN PASSWORD 'x'`)
    try {
      await openAndClose({ DATABASE_URL: urlOf(url, database), KEYLEDGER_SECRETS: secrets })
      const asNobody = { DATABASE_URL: urlOf(url, database, database, 'x'), KEYLEDGER_SECRETS: secrets }
      expect(await refusal(open(asNobody))).toContain(`GRANT keyledger_serving TO "${database}"`)
      await onServer(url, `GRANT keyledger_serving TO ${database}`)
      await openAndClose(asNobody)
    } finally {
      await onServer(url, `DROP DATABASE ${database} WITH (FORCE)`, `DROP ROLE ${database}`)
    }
  })

  test('says where it could not connect to, without the password', async () => {
    const DATABASE_URL = 'postgres://someone:hunter2@127.0.0.1:1/keys'
    const message = await refusal(open({ DATABASE_URL, KEYLEDGER_SECRETS: secrets }))
    expect(message).toContain('127.0.0.1:1/keys')
    expect(message).not.toContain('hunter2')
  })
})
