// The log can only grow: by the trigger for whoever owns it, by missing rights for the server.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SERVING_ROLE } from '#database/grants.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testServices } from '#test/support/services.ts'

let database: TestDatabase
let at: TestServices
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  await at.createAccount()
})
afterAll(() => database.drop())

async function logText(): Promise<string> {
  const { rows } = await database.owner.pool.query('SELECT e::text FROM log.event e ORDER BY shard, shard_position')
  return JSON.stringify(rows)
}

describe('an event that was appended', () => {
  test.each([
    ['changed', 'UPDATE log.event SET type = type'],
    [
      'changed by a merge',
      `MERGE INTO log.event e USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET version = 9`,
    ],
    [
      'changed by an upsert',
      `INSERT INTO log.event SELECT * FROM log.event ON CONFLICT (shard, shard_position) DO UPDATE SET type = 'x'`,
    ],
    ['deleted', 'DELETE FROM log.event'],
    ['truncated', 'TRUNCATE log.event'],
    ['truncated with all that depends on it', 'TRUNCATE log.event CASCADE'],
  ])('is not %s, even by the owner of the table', async (_how, statement) => {
    const before = await logText()
    await expect(database.owner.pool.query(statement)).rejects.toMatchObject({
      code: '42501',
      message: 'log.event is append-only',
    })
    expect(await logText()).toBe(before)
  })
})

describe('the serving role', () => {
  test.each(['log.feed_shard', 'log.account', 'log.stream', 'log.event'])(
    'reads %s and writes it through the functions only',
    async (table) => {
      await expect(database.serving.pool.query(`SELECT * FROM ${table}`)).resolves.toBeDefined()
      for (const statement of [
        `INSERT INTO ${table} SELECT * FROM ${table}`,
        `UPDATE ${table} SET shard = 1`,
        `DELETE FROM ${table}`,
        `TRUNCATE ${table}`,
        `SELECT * FROM ${table} FOR UPDATE`,
        `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
      ])
        await expect(database.serving.pool.query(statement), statement).rejects.toMatchObject({ code: '42501' })
    },
  )

  // From the catalog, so that a table that is added later is looked at too.
  test('holds on tables and columns no right but these', async () => {
    const { rows } = await database.owner.pool.query(
      `SELECT n.nspname AS schema, array_agg(DISTINCT p ORDER BY p) AS rights
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
              unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
        WHERE n.nspname !~ '^pg_|^information_schema$' AND c.relkind IN ('r', 'p', 'v', 'm')
          AND (has_table_privilege($1, c.oid, p)
               OR p NOT IN ('DELETE', 'TRUNCATE', 'TRIGGER') AND has_any_column_privilege($1, c.oid, p))
        GROUP BY 1 ORDER BY 1`,
      [SERVING_ROLE],
    )
    expect(rows).toEqual([
      { schema: 'audit', rights: ['INSERT', 'SELECT', 'UPDATE'] },
      { schema: 'log', rights: ['SELECT'] },
      { schema: 'migration', rights: ['SELECT'] },
      { schema: 'state', rights: ['INSERT', 'SELECT', 'UPDATE'] },
      { schema: 'usage', rights: ['DELETE', 'INSERT', 'SELECT', 'UPDATE'] },
      { schema: 'vault', rights: ['DELETE', 'INSERT', 'SELECT', 'UPDATE'] },
    ])
  })

  test('makes nothing in our schemas, and owns nothing', async () => {
    const { rows } = await database.owner.pool.query(
      `SELECT nspname FROM pg_namespace
        WHERE nspname IN ('log', 'state', 'vault', 'usage', 'audit', 'migration')
          AND (has_schema_privilege($1, oid, 'CREATE') OR pg_has_role($1, nspowner, 'MEMBER'))`,
      [SERVING_ROLE],
    )
    expect(rows).toEqual([])
  })

  // Types are looked up among a session's temporary objects first, unless these are named last. Without that, a domain
  // called jsonb has its check run inside log.append, as the owner.
  test('runs nothing of its own as the owner of the log', async () => {
    const client = await database.serving.pool.connect()
    try {
      await client.query(`
        CREATE TEMP TABLE ran_as (name text);
        GRANT ALL ON pg_temp.ran_as TO PUBLIC;
        CREATE FUNCTION pg_temp.note() RETURNS boolean LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO ran_as VALUES (current_user); RETURN true; END $$`)
      for (const type of ['text', 'jsonb', 'bytea', 'timestamptz'])
        await client.query(`CREATE DOMAIN pg_temp.${type} AS pg_catalog.${type} CHECK (pg_temp.note())`)
      const call = `SELECT log.append(0::smallint, 'a', 'ROOT', null, null, null, 'c', now(), '{a}', '{account}', '{1}', '{e}', '{t}', '{1}',
                                      ARRAY['{"data":{}}'::pg_catalog.bytea], ARRAY[sha256('')], 'k1')`
      await client.query(`SELECT * FROM log.lock_streams(0::smallint, '{a}', '{true}')`)
      await client.query(call)
      const { rows } = await client.query('SELECT DISTINCT name FROM ran_as WHERE name <> session_user')
      expect(rows).toEqual([])
    } finally {
      client.release(true)
    }
  })
})

describe('the functions of the log', () => {
  test('are executable by the serving role and not by everyone', async () => {
    const { rows } = await database.owner.pool.query(
      `SELECT p.proname AS name, has_function_privilege($1, p.oid, 'EXECUTE') AS serving,
              EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WHERE grantee = 0) AS everyone
         FROM pg_proc p WHERE p.pronamespace = 'log'::regnamespace ORDER BY 1`,
      [SERVING_ROLE],
    )
    expect(rows).toEqual([
      { name: 'append', serving: true, everyone: false },
      { name: 'lock_streams', serving: true, everyone: false },
      { name: 'refuse_change', serving: true, everyone: false },
    ])
  })

  test('that run as their owner look nothing up where their caller may put things', async () => {
    const { rows } = await database.owner.pool.query(
      `SELECT p.proname AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prosecdef AND n.nspname !~ '^pg_|^information_schema$'
          AND (p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp']) IS NOT TRUE`,
    )
    expect(rows).toEqual([])
  })
})
