import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { buildApp } from '#app.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { forgetOutcomes } from '#housekeeping.ts'
import { createTestDatabase } from '#test/support/database.ts'
import { recordingLogger } from '#test/support/log.ts'
import { testServices } from '#test/support/services.ts'
import { PATIENTLY } from '#test/support/wait.ts'

const database = await createTestDatabase()
afterAll(() => database.drop())

const remember = (count: number, age: string) =>
  database.owner.pool.query(
    `INSERT INTO vault.idempotency (shard, caller, mutation, key_digest, secret_id, fingerprint, outcome, created_at)
     SELECT 0, 'root', $2::text, sha256(i::text::bytea), 'k1', sha256(''), '{}', clock_timestamp() - $2::text::interval
       FROM generate_series(1, $1) AS i`,
    [count, age],
  )

const ages = async () =>
  (
    await database.owner.pool.query(
      'SELECT mutation AS age, count(*)::int FROM vault.idempotency GROUP BY 1 ORDER BY 1',
    )
  ).rows

beforeEach(() => database.owner.pool.query('TRUNCATE vault.idempotency'))

describe('forgetting the outcomes of idempotent requests', () => {
  test('takes those older than 48 hours, more than one batch of them, and no other', async () => {
    await remember(2_100, '48 hours 1 second')
    await remember(3, '47 hours 59 minutes')
    await forgetOutcomes(database.serving, () => false)
    expect(await ages()).toEqual([{ age: '47 hours 59 minutes', count: 3 }])
  })

  test('does not wait for a request that is being answered from one', async () => {
    await remember(2, '50 hours')
    const reader = await database.owner.pool.connect()
    await reader.query(`BEGIN; SELECT 1 FROM vault.idempotency WHERE key_digest = sha256('1') FOR SHARE`)
    await forgetOutcomes(database.serving, () => false)
    await reader.query('COMMIT')
    reader.release()
    expect(await ages()).toEqual([{ age: '50 hours', count: 1 }])
  })

  test('ends between batches when it is told to', async () => {
    await remember(1, '50 hours')
    await forgetOutcomes(database.serving, () => true)
    expect(await ages()).toHaveLength(1)
  })
})

test('a server that starts makes the default keys that the one before did not get to', async () => {
  const at = testServices(database.serving)
  const { accountId } = await at.createAccount()
  const keyspaceId = await at.createKeyspace(accountId, { secretDisplay: 'REVEALABLE' })
  const users = await Promise.all(Array.from({ length: 10 }, () => at.addUser(accountId)))
  // As by a process that is killed right after its commit.
  const killed = { ...updateKeyspace, afterwards: async () => undefined }
  await at.done(killed, { keyspaceId, rules: { defaultKeys: true } })
  const made = async () =>
    (await database.owner.pool.query('SELECT owner_id FROM state.key WHERE is_default')).rows.map((row) => row.owner_id)
  expect(await made()).toEqual([])

  const { log, logged } = recordingLogger()
  const app = buildApp({
    services: at,
    log,
    accessLogDays: 30,
    identityProvider: null,
    cacheCodes: 100,
    stalenessMs: 2_000,
    graphiql: false,
    introspection: false,
    sealing: null,
    signingKeys: null,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  await vi.waitFor(async () => expect((await made()).sort()).toEqual(users.toSorted()), PATIENTLY)
  await app.close()
  expect(logged).toContainEqual(
    expect.objectContaining({ msg: 'default keys were made for users who were without one', made: 10, failed: 0 }),
  )
})
