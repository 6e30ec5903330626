// Owner and server as two users of one database, the role that the second one needs being made last: an owner who may make no
// roles, as most are. A server of its own, because roles are a whole server's.
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openInstallation } from '#cli/installation.ts'
import { readConfig } from '#config.ts'
import { InstallationError } from '#database/open.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { type OwnPostgres, postgresFolders, startOwnPostgres } from '#test/support/own-postgres.ts'
import { onServer } from '#test/support/server.ts'
import { testServices } from '#test/support/services.ts'

const log = pino({ level: 'silent' })
const secrets = newKeyringText()

describe.each(Object.entries(await postgresFolders()))('on %s', (_name, bin) => {
  let server: OwnPostgres
  beforeAll(async () => {
    server = await startOwnPostgres(bin)
    await onServer(server.urlOf('postgres', 'postgres'), 'CREATE ROLE owner LOGIN', 'CREATE DATABASE keys OWNER owner')
  })
  afterAll(() => server.stop())

  const open = async (user: string, maintenance: boolean) => {
    const read = readConfig({ DATABASE_URL: server.urlOf(user, 'keys'), KEYLEDGER_SECRETS: secrets })
    if (!read.ok) throw new Error(read.problems.join('\n'))
    return openInstallation(read.config, { log, maintenance })
  }
  /** What `keyledger migrate` does, and what `keyledger start` begins with. */
  const migrate = async () => (await open('owner', true)).close()
  const serve = () => open('server', false)

  test('the role that is made after the tables is granted what it needs by the next migrate', async () => {
    await migrate()
    const made = ['CREATE ROLE keyledger_serving NOLOGIN', 'CREATE ROLE server LOGIN IN ROLE keyledger_serving']
    await onServer(server.urlOf('postgres', 'keys'), ...made)
    await expect(serve()).rejects.toThrow(InstallationError)
    await migrate()

    const { serving, keyring, close } = await serve()
    try {
      const at = testServices(serving, { keyring })
      const { accountId } = await at.createAccount()
      const { keyId } = await at.createKey(await at.createKeyspace(accountId))
      const { rows } = await serving.pool.query(
        'SELECT current_user AS user, key_id FROM state.key WHERE key_id = $1',
        [keyId],
      )
      expect(rows).toEqual([{ user: 'server', key_id: keyId }])
      for (const forbidden of ['DELETE FROM log.event', 'UPDATE log.event SET type = type', 'DROP TABLE state.key'])
        await expect(serving.pool.query(forbidden)).rejects.toMatchObject({ code: '42501' })
    } finally {
      await close()
    }
  })
})
