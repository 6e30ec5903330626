// The machinery itself: what it promises is what every other test of the database relies on.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SERVING_ROLE } from '#database/grants.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

describe('a test database', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterAll(() => database.drop())

  test('is migrated', async () => {
    const shards = await database.serving.kysely.selectFrom('log.feed_shard').select('shard').execute()
    expect(shards).toHaveLength(16)
  })

  test('is served by a role that has the rights of the serving role and no others', async () => {
    const { rows } = await database.serving.pool.query(
      `SELECT pg_has_role(current_user, '${SERVING_ROLE}', 'USAGE') AS serves,
              rolsuper OR rolcreaterole OR rolcreatedb AS more
         FROM pg_roles WHERE rolname = current_user`,
    )
    expect(rows).toEqual([{ serves: true, more: false }])
    await expect(database.serving.pool.query('DELETE FROM state.key')).rejects.toThrow('permission denied')
  })

  test('shares nothing with another one', async () => {
    const other = await createTestDatabase()
    try {
      await other.owner.pool.query('CREATE TABLE mark (n int)')
      const { rows } = await database.owner.pool.query("SELECT to_regclass('mark') AS mark")
      expect(rows).toEqual([{ mark: null }])
    } finally {
      await other.drop()
    }
  })
})
