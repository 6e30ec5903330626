// Servers behind PgBouncer in transaction mode, configured as docs/operating.md says: each of their connections has whichever of the
// server's is free, so that nothing of a session is kept from one transaction to the next, and hints between instances get lost.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { newRootKey } from '#secret/ids.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { checkState } from '#state/check.ts'
import { expectWhole, keepMutating } from '#test/support/acknowledged.ts'
import { type Client, clientOf } from '#test/support/app.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type Act, acting, createKeyWith } from '#test/support/linearizable.ts'
import { type PgBouncer, pgbouncer, startPgBouncer } from '#test/support/pgbouncer.ts'
import { type ServerProcess, startServerProcess } from '#test/support/server-process.ts'
import { subscribe } from '#test/support/subscribe.ts'
import { PATIENTLY } from '#test/support/wait.ts'

/** Fewer than the three that one instance keeps beside its pool and the pool's 20. */
const POOL_SIZE = 5
const TRIALS = 15
const rootKey = newRootKey().reveal()

let database: TestDatabase
let bouncer: PgBouncer
let behind: readonly [ServerProcess, ServerProcess]
let direct: ServerProcess
const settings = { KEYLEDGER_SECRETS: newKeyringText(), KEYLEDGER_ROOT_KEY: rootKey }
let accountId: string
let keyspaceId: string

const at = (server: ServerProcess): Client => clientOf(server.url, rootKey)
const actAt = (server: ServerProcess): Act => acting([at(server)])

async function verdictAt(server: ServerProcess, key: string, consistency = 'STRONG'): Promise<string> {
  const document = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { code } }'
  const { data, errors } = await at(server).execute<{ verifyKey: { code: string } }, object>(document, {
    input: { key, consistency },
  })
  return data?.verifyKey.code ?? String(errors[0]?.extensions?.code)
}

/** As often as it says that it can't say: of a busy machine that is an answer, too. */
async function told(server: ServerProcess, key: string): Promise<string> {
  return vi.waitFor(async () => {
    const code = await verdictAt(server, key)
    expect(code).not.toBe('UNAVAILABLE')
    return code
  }, PATIENTLY)
}

// .ci/run installs it, so that this is never skipped there.
describe.skipIf(pgbouncer === undefined)('behind PgBouncer in transaction mode (skipped where there is none)', () => {
  beforeAll(async () => {
    database = await createTestDatabase()
    bouncer = await startPgBouncer({ connection: database.servingConnection, poolSize: POOL_SIZE })
    const pooled = { ...settings, DATABASE_URL: bouncer.url, KEYLEDGER_PREPARED: 'off' }
    behind = [await startServerProcess(pooled), await startServerProcess(pooled)]
    const act = actAt(behind[0])
    accountId = (await act('createAccount', '{ account { id } }', { name: 'Acme' })).account.id
    keyspaceId = (await act('createKeyspace', '{ keyspace { id } }', { accountId, name: 'apps' })).keyspace.id
  })
  afterAll(async () => {
    await Promise.all([...(behind ?? []), direct].map((server) => server?.end('SIGTERM')))
    await bouncer?.close()
    await database.drop()
  })

  test('many mutations and reads at once share its few connections, and each is whole', async () => {
    const mutating = keepMutating([...behind, ...behind, ...behind, ...behind].map(at), keyspaceId)
    await mutating.more(100)
    await expectWhole(at(behind[1]), await mutating.stop())
    const { rows } = await database.owner.pool.query<{ count: number }>(
      `SELECT count(*)::integer AS count FROM pg_stat_activity
        WHERE datname = current_database() AND application_name <> 'keyledger-test'`,
    )
    expect(rows[0]?.count).toBeGreaterThan(0)
    expect(rows[0]?.count).toBeLessThanOrEqual(POOL_SIZE)
  })

  describe('beside a server that has connections of its own', () => {
    beforeAll(async () => {
      direct = await startServerProcess({ ...settings, DATABASE_URL: database.servingConnection.connectionString })
    })

    const ways = [
      ['from behind it to behind it', () => behind],
      ['from a server that has connections of its own', () => [direct, behind[0]]],
      ['to a server that has connections of its own', () => [behind[0], direct]],
    ] as const
    test.each(ways)(
      'a revocation is seen by the very next STRONG answer of another instance: %s',
      async (_way, between) => {
        const [near, far] = between()
        if (near === undefined || far === undefined) throw new Error('two servers')
        for (let i = 0; i < TRIALS; i++) {
          const { keyId, secret } = await createKeyWith(actAt(near), { keyspaceId })
          expect(await told(far, secret)).toBe('VALID')
          await actAt(near)('revokeKey', '{ key { id } }', { keyId })
          expect(['REVOKED', 'UNAVAILABLE']).toContain(await verdictAt(far, secret))
          expect(await told(far, secret)).toBe('REVOKED')
        }
      },
    )

    test('without hints subscriptions are told all, and BOUNDED answers of what is known mend by themselves', async () => {
      const stream = await subscribe({ origin: behind[1].url, rootKey }, { accountId })
      const { keyId, secret } = await createKeyWith(actAt(direct), { keyspaceId })
      await vi.waitFor(async () => expect(await verdictAt(behind[1], secret, 'BOUNDED')).toBe('VALID'), PATIENTLY)
      await actAt(direct)('revokeKey', '{ key { id } }', { keyId })
      await vi.waitFor(async () => expect(await verdictAt(behind[1], secret, 'BOUNDED')).toBe('REVOKED'), PATIENTLY)
      await stream.received(3)
      expect(stream.told.map(({ data }) => data?.events.type)).toEqual(['key.created', 'code.issued', 'key.revoked'])
      stream.leave()
    })

    test('its end and its return are survived: nothing acknowledged is lost, and all goes on by itself', async () => {
      const stream = await subscribe({ origin: behind[0].url, rootKey }, { accountId, after: 0 })
      const { keyId, secret } = await createKeyWith(actAt(behind[0]), { keyspaceId })
      expect(await told(behind[1], secret)).toBe('VALID')
      const mutating = keepMutating([...behind, ...behind].map(at), keyspaceId)
      await mutating.more(10)
      await bouncer.kill()
      await actAt(direct)('revokeKey', '{ key { id } }', { keyId })
      expect(await verdictAt(behind[1], secret)).toBe('UNAVAILABLE')
      await bouncer.start()
      await mutating.more(10)
      await expectWhole(at(behind[1]), await mutating.stop())
      expect(await told(behind[1], secret)).toBe('REVOKED')
      const { account } = await at(direct).ask<{ account: { position: string } }, object>(
        'query ($id: ID!) { account(id: $id) { position } }',
        { id: accountId },
      )
      await stream.received(Number(account.position))
      expect(stream.positions()).toEqual(Array.from({ length: Number(account.position) }, (_, index) => index + 1))
      stream.leave()
      expect((await checkState(database.owner)).difference).toBeNull()
    })
  })
})
