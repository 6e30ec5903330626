// What verification reads of keyspaces and users, where there are many of them: each is looked up, however many are asked for at once.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { knownShardOf } from '#domain/ids.ts'
import { newId } from '#secret/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { blocksOf, indexesOf, nodesOf, planFor, planForAny, sentBy } from '#test/support/explain.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { deadlineIn } from '#verify/deadline.ts'

const MANY = 20_000
/** As many as a batch has. */
const ASKED = 200

let database: TestDatabase
let at: TestServices
let account: MadeAccount
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  await at.feed.catchUp()
  const [shard, { accountId }] = [knownShardOf(account.accountId), account]
  const { pool } = database.owner
  const rows = `SELECT $1::smallint, 'made_up_' || n, $2`
  const from = `FROM generate_series(1, ${MANY}) AS n`
  await pool.query(
    `INSERT INTO state.keyspace (shard, keyspace_id, account_id, name, management, rules, created_at, version)
     ${rows}, 'made up ' || n, false, '{"presentations": []}', now(), 1 ${from}`,
    [shard, accountId],
  )
  await pool.query(
    `INSERT INTO state.user (shard, user_id, account_id, role, permissions, created_at, version)
     ${rows}, 'MEMBER', '{}', now(), 1 ${from}`,
    [shard, accountId],
  )
  await pool.query(
    `INSERT INTO vault.identity (shard, user_id, account_id, digest, secret_id)
     ${rows}, sha256(n::text::bytea), 'k1' ${from}`,
    [shard, accountId],
  )
  await pool.query('ANALYZE state.keyspace, state.user, vault.identity')
})
afterAll(() => database.drop())

type Sent = Awaited<ReturnType<typeof sentBy>>[number]

/** Of those that are there: the same statement for what nobody made would look nothing up behind it. */
async function expectLookups({ text, values }: Sent, indexes: readonly string[]): Promise<void> {
  const statement = { text, values }
  for (const plan of [await planFor(database.owner, statement), await planForAny(database.owner, statement)]) {
    if (plan === undefined) continue
    const scanned = nodesOf(plan).filter((node) => node['Node Type'].endsWith('Seq Scan'))
    expect(scanned.map((node) => node['Relation Name']).sort()).toEqual(['feed_shard', 'generation'])
    expect(indexesOf(plan)).toEqual(indexes)
    expect(blocksOf(plan)).toBeLessThan(10 * ASKED)
  }
}

test('keyspaces, for these and for any', async () => {
  const made = () => newId('ks', knownShardOf(account.accountId))
  const ids = Array.from({ length: ASKED }, made)
  const [first, ...others] = await sentBy(() => Promise.all(ids.map((id) => at.keyspaces.find(id, deadlineIn(30_000)))))
  expect(others).toEqual([])
  const [shards] = first?.values ?? []
  await expectLookups({ text: first?.text ?? '', values: [shards, ids.map((_, n) => `made_up_${n + 1}`)] }, [
    'keyspace_pkey',
  ])
})

test('users, for these and for any', async () => {
  const names = Array.from({ length: ASKED }, (_, n) => `user-${n}@example.org`)
  const find = async (name: string) => at.users.find(account.accountId, name, deadlineIn(30_000))
  const [first, ...others] = await sentBy(() => Promise.all(names.map(find)))
  expect(others).toEqual([])
  const given = first?.values ?? []
  // Under each secret of the keyring one.
  const digests = given[2] as readonly Buffer[]
  const { rows } = await database.owner.pool.query<{ digest: Buffer }>('SELECT digest FROM vault.identity LIMIT $1', [
    digests.length,
  ])
  const values = given.map((value, place) => (place === 2 ? rows.map(({ digest }) => digest) : value))
  await expectLookups({ text: first?.text ?? '', values }, ['identity_pkey', 'user_pkey'])
})
