// What the database does for links where there are many: of one key by many accounts, and of many keys by one.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listLinks } from '#queries/links.ts'
import { createLoaders } from '#queries/loaders.ts'
import type { Reader } from '#queries/reader.ts'
import { mintSecret } from '#secret/mint.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { blocksOf, indexesOf, nodesOf, type PlanNode, planFor, planForAny, sentBy } from '#test/support/explain.ts'
import { type SeededAccount, seedAccount, seedManyKeys } from '#test/support/seed.ts'
import { testServices } from '#test/support/services.ts'
import { verifyKeys } from '#verify/verify-keys.ts'

let database: TestDatabase
let reader: Reader
let lender: SeededAccount
let linking: SeededAccount

beforeAll(async () => {
  database = await createTestDatabase()
  const { keyring } = testServices(database.serving)
  reader = { database: database.serving, keyring, now: '2026-06-01T00:00:00.000Z', memberId: null }
  lender = await seedAccount(database.owner, 1)
  linking = await seedAccount(database.owner, 2)
  await seedManyKeys(database.owner, lender, 20_000)
  const insert = `
    INSERT INTO state.link (shard, link_id, account_id, key_id, key_shard, policy_ids, linked_at, linked_by_kind, version)
    SELECT $1::smallint, 'lnk_02' || substr(md5(a || k.key_id), 1, 20), coalesce($2, 'acct_02' || lpad(a::text, 20, '0')), k.key_id,
           k.shard, '{}', timestamptz '2026-01-01' + a * interval '1 minute', 'ROOT', 1
      FROM (SELECT * FROM state.key ORDER BY key_id LIMIT $3) AS k, generate_series($4::integer, $5) AS a`
  await database.owner.pool.query(insert, [linking.shard, linking.accountId, 20_000, 1, 1])
  await database.owner.pool.query(insert, [linking.shard, null, 10, 101, 3_000])
  const accounts = `INSERT INTO log.account SELECT shard, account_id, 1 FROM state.link GROUP BY 1, 2`
  await database.owner.pool.query(`${accounts}; INSERT INTO log.account VALUES (1, '${lender.accountId}', 1)`)
  await database.owner.pool.query('ANALYZE state.link, log.account')
}, 300_000)
afterAll(() => database.drop())

/** Of one row, of one for each feed shard, and of the few keyspaces that there are here. */
const SMALL: readonly (string | undefined)[] = ['generation', 'feed_shard', 'keyspace']

const scannedWhole = (plan: PlanNode) =>
  nodesOf(plan).filter((node) => node['Node Type'].endsWith('Seq Scan') && !SMALL.includes(node['Relation Name']))

test.each([3, 100])('%i linked keys are verified by look-ups alone, for their values and for any', async (count) => {
  const { rows } = await database.owner.pool.query<{ digest: Buffer }>(
    'SELECT DISTINCT ON (key_id) digest FROM state.code ORDER BY key_id LIMIT $1',
    [count],
  )
  const places = [{ accountId: linking.accountId }, { keyspaceId: linking.keyspaceId }, {}]
  const questions = rows.map((_, n) => ({ key: mintSecret('key').reveal(), ...places[n % 3] }))
  const all = await sentBy(() => verifyKeys(testServices(database.serving), { kind: 'ROOT' }, questions))
  const sent = all.find(({ text }) => text.includes('state.link'))
  const statement = { ...sent!, values: [rows.map(({ digest }) => digest), ...sent!.values.slice(1)] }
  for (const plan of [await planFor(database.owner, statement), await planForAny(database.owner, statement)]) {
    if (plan === undefined) continue
    expect(scannedWhole(plan)).toEqual([])
    expect(indexesOf(plan)).toEqual(expect.arrayContaining(['code_by_digest', 'link_key_key']))
    expect(blocksOf(plan)).toBeLessThan(40 * count)
  }
})

test('links are listed in order from their index, and their keys looked up', async () => {
  const page = await listLinks(reader, linking.accountId, { first: 100 })
  const after = page.pageInfo.endCursor
  for (const request of [{ first: 100 }, { first: 100, after }])
    for (const statement of await sentBy(() => listLinks(reader, linking.accountId, request))) {
      const plan = await planFor(database.owner, statement)
      expect(indexesOf(plan)).toEqual(['link_by_creation'])
      expect(blocksOf(plan)).toBeLessThan(300)
    }
  const { linkedKey } = createLoaders(reader, { kind: 'ROOT' })
  const [loaded] = await sentBy(() => Promise.all(page.edges.map(({ node }) => linkedKey.load(node.link_id))))
  for (const plan of [await planFor(database.owner, loaded!), await planForAny(database.owner, loaded!)]) {
    if (plan === undefined) continue
    expect(scannedWhole(plan)).toEqual([])
    expect(blocksOf(plan)).toBeLessThan(1_000)
  }
})
