// The access log as a list: newest first, filtered, page by page, from its indexes and the days that are asked for.
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { type AccessLogFilter, type AccessLogScope, listAccess } from '#queries/access-log.ts'
import type { Page, PageRequest } from '#queries/page.ts'
import type { Reader } from '#queries/reader.ts'
import { createTestClock } from '#test/support/clock.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { blocksOf, indexesOf, nodesOf, planFor, sentBy, sortsOf } from '#test/support/explain.ts'
import {
  codeRow,
  insertCodes,
  insertKeys,
  keyRow,
  type SeededAccount,
  seedAccount,
  seedId,
} from '#test/support/seed.ts'
import { testKeyring } from '#test/support/services.ts'
import { keepAccessLog } from '#usage/keep.ts'

const NOW = '2026-06-15T12:00:00.000Z'
const ENTRIES = 30_000
const KEYS = 100

let database: TestDatabase
let reader: Reader
let account: SeededAccount
let stranger: SeededAccount

/** Twelve days of uses, one every 30 s or so, of keys that take turns; two at each instant. */
async function seedUses(of: SeededAccount, count: number): Promise<void> {
  await sql`
    INSERT INTO usage.access_log (shard, account_id, at, entry_id, key_id, key_name, code_id, verdict)
    SELECT ${of.shard}::smallint, ${of.accountId}, ${NOW}::timestamptz - (i / 2) * interval '1 minute',
           'use_' || lpad(i::text, 22, '0'), (${keyIds(of)}::text[])[1 + i % ${KEYS}::integer], 'name',
           CASE WHEN i % ${KEYS}::integer = 0 THEN ${codeId(of)} END,
           CASE WHEN i % 1000 = 7 THEN 'EXPIRED' WHEN i % 10 = 3 THEN 'REVOKED' ELSE 'VALID' END
      FROM generate_series(0, ${count - 1}::integer) AS i`.execute(database.owner.kysely)
}

const keyIds = ({ shard }: SeededAccount) => Array.from({ length: KEYS }, (_, n) => seedId('key', shard, n))
const codeId = (of: SeededAccount) => codeRow(keyRow(of, 0), 1).code_id

beforeAll(async () => {
  database = await createTestDatabase()
  reader = { database: database.serving, keyring: testKeyring('k1'), now: NOW, memberId: null }
  account = await seedAccount(database.owner, 1)
  stranger = await seedAccount(database.owner, 17)
  const clock = createTestClock(plusMs(NOW, -7 * DAY_MS))
  await keepAccessLog(database.serving, clock, 30)
  clock.advance(7 * DAY_MS)
  await keepAccessLog(database.serving, clock, 30)
  // The stranger's entries are of keys with the same ids, so that the account alone keeps them apart.
  await insertKeys(
    database.owner,
    Array.from({ length: KEYS }, (_, n) => keyRow(account, n)),
  )
  await insertCodes(database.owner, [codeRow(keyRow(account, 0), 1)])
  await seedUses(account, ENTRIES)
  await seedUses(stranger, 2_000)
  await database.owner.pool.query('ANALYZE usage.access_log')
}, 60_000)
afterAll(() => database.drop())

const inAccount = (): AccessLogScope => ({ accountId: account.accountId, keyId: null })
const list = (filter: AccessLogFilter = {}, page: PageRequest = {}, scope = inAccount()) =>
  listAccess(reader, scope, filter, page)
const numbersOf = (page: Page<{ readonly entry_id: string }>) =>
  page.edges.map(({ node }) => Number(node.entry_id.slice(4)))

describe('the access log', () => {
  test('is newest first, those of one instant by their ids, and each account sees its own', async () => {
    const page = await list({}, { first: 5 })
    expect(numbersOf(page)).toEqual([1, 0, 3, 2, 5])
    expect(new Set((await list({}, { first: 100 })).edges.map(({ node }) => node.account_id))).toEqual(
      new Set([account.accountId]),
    )
  })

  test('is read to its end page by page, each entry once, across days', async () => {
    const { since, until } = { since: '2026-06-13T22:00:00.000Z', until: '2026-06-14T02:00:00.000Z' }
    const found: number[] = []
    for (let after: string | null = null, more = true; more; ) {
      const page: Page<{ readonly entry_id: string }> = await list({ since, until }, { first: 37, after })
      found.push(...numbersOf(page))
      after = page.pageInfo.endCursor
      more = page.pageInfo.hasNextPage
    }
    expect(found).toHaveLength(4 * 60 * 2)
    expect(new Set(found).size).toBe(found.length)
  })

  test('begins at `since` and ends before `until`', async () => {
    const at = plusMs(NOW, -600_000)
    expect(numbersOf(await list({ since: at, until: plusMs(at, 60_000) }))).toEqual([21, 20])
    expect(numbersOf(await list({ since: at, until: at }))).toEqual([])
  })

  test('is filtered by key, code and verdict', async () => {
    const [, second = ''] = keyIds(account)
    expect(numbersOf(await list({ keyId: second }, { first: 2 }))).toEqual([1, 101])
    expect(numbersOf(await list({ codeId: codeId(account) }, { first: 2 }))).toEqual([0, 100])
    expect(numbersOf(await list({ verdicts: ['EXPIRED'] }, { first: 2 }))).toEqual([7, 1007])
    expect(numbersOf(await list({ verdicts: ['EXPIRED', 'REVOKED'] }, { first: 3 }))).toEqual([3, 7, 13])
    expect(numbersOf(await list({ keyId: second, codeId: codeId(account) }))).toEqual([])
    expect(numbersOf(await list({ keyId: null, verdicts: [] }, { first: 1 }))).toEqual([1])
  })

  test('of a key has its uses only', async () => {
    const [first = '', second = ''] = keyIds(account)
    const scope = { accountId: account.accountId, keyId: first }
    expect(numbersOf(await list({}, { first: 2 }, scope))).toEqual([0, 100])
    expect(numbersOf(await list({ keyId: second }, {}, scope))).toEqual([])
  })

  test("of another account's key, of an unknown and an ill-formed one has nothing", async () => {
    const [theirs = ''] = keyIds(stranger)
    const foreign = { accountId: stranger.accountId, keyId: theirs.replace(/.$/, 'X') }
    for (const keyId of [foreign.keyId, 'nonsense', "'", '\0']) expect(numbersOf(await list({ keyId }))).toEqual([])
    for (const id of ['nonsense', '\0', account.accountId]) expect(numbersOf(await list({ codeId: id }))).toEqual([])
  })

  test('refuses what is no instant, and cursors of another list', async () => {
    await expect(list({ since: 'infinity' })).rejects.toMatchObject({ issues: [{ path: ['filter', 'since'] }] })
    const { pageInfo } = await list({}, { first: 1 })
    const other = { accountId: stranger.accountId, keyId: null }
    await expect(list({}, { after: pageInfo.endCursor }, other)).rejects.toMatchObject({
      issues: [{ path: ['after'] }],
    })
  })
})

describe('what the database does for it', () => {
  test.each<[string, () => AccessLogFilter, RegExp, number]>([
    ['all', () => ({}), /_pkey$/, 60],
    ['a key', () => ({ keyId: keyIds(account)[5] ?? '' }), /shard_key_id_at/, 400],
    ['a code', () => ({ codeId: codeId(account) }), /shard_key_id_at|^code_/, 400],
    ['a day', () => ({ since: '2026-06-10T00:00:00.000Z', until: '2026-06-11T00:00:00.000Z' }), /20260610.*_pkey$/, 60],
  ])('%s is read in order from an index, without days that are not needed', async (_what, filter, index, blocks) => {
    for (const statement of await sentBy(() => list(filter()))) {
      const plan = await planFor(database.owner, statement)
      for (const name of indexesOf(plan)) expect(name).toMatch(index)
      expect(
        nodesOf(plan).filter((node) => node['Node Type'] === 'Seq Scan' && (node['Shared Hit Blocks'] ?? 0) > 0),
      ).toEqual([])
      // What one code did is little, or so the database believes, and may be sorted.
      if (filter().codeId == null) expect(sortsOf(plan).filter((name) => name.startsWith('access_log'))).toEqual([])
      expect(blocksOf(plan)).toBeLessThan(blocks)
    }
  })
})
