import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { forgetOutcomes } from '#app.ts'
import { createTestDatabase } from '#test/support/database.ts'

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
