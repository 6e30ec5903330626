// Accounts, keyspaces and rotations: lists with one order each.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { instantOf } from '#domain/instant.ts'
import { listAccounts } from '#queries/accounts.ts'
import { findKeyspaceByName, listKeyspaces } from '#queries/keyspaces.ts'
import { listLinks } from '#queries/links.ts'
import type { Page, PageRequest } from '#queries/page.ts'
import type { Reader } from '#queries/reader.ts'
import { listRotations } from '#queries/rotations.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { keyspaceRow, linkRow, type SeededAccount, seedAccount, seedId } from '#test/support/seed.ts'
import { testKeyring } from '#test/support/services.ts'

let database: TestDatabase
let reader: Reader
const accounts: SeededAccount[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  reader = { database: database.serving, keyring: testKeyring('k1'), now: '2026-06-01T00:00:00.000Z', memberId: null }
  for (let n = 0; n < 40; n++) accounts.push(await seedAccount(database.owner, n))
})
afterAll(() => database.drop())

/** All of a list, walked in pages of 3 from the front, then from the back. */
async function walkedBothWays<Row>(
  list: (page: PageRequest) => Promise<Page<Row>>,
): Promise<[readonly Row[], readonly Row[]]> {
  const forwards: Row[] = []
  for (let after: string | null = null, more = true; more; ) {
    const page: Page<Row> = await list({ first: 3, after })
    forwards.push(...page.edges.map(({ node }) => node))
    after = page.pageInfo.endCursor
    more = page.pageInfo.hasNextPage
  }
  const backwards: Row[] = []
  for (let before: string | null = null, more = true; more; ) {
    const page: Page<Row> = await list({ last: 3, before })
    backwards.unshift(...page.edges.map(({ node }) => node))
    before = page.pageInfo.startCursor
    more = page.pageInfo.hasPreviousPage
  }
  return [forwards, backwards]
}

describe('accounts', () => {
  test('are all there for root, newest first, whatever their shard', async () => {
    await database.owner.pool.query(
      `UPDATE state.account SET created_at = timestamptz '2026-01-01' + right(account_id, 2)::int / 4 * interval '1 day'`,
    )
    const list = (page: PageRequest) => listAccounts(reader, { kind: 'ROOT' }, page)
    const { rows } = await database.owner.pool.query<{ account_id: string }>(
      'SELECT account_id FROM state.account ORDER BY created_at DESC, account_id DESC',
    )
    for (const found of await walkedBothWays(list))
      expect(found.map((row) => row.account_id)).toEqual(rows.map((row) => row.account_id))
    expect(await (await list({})).totalCount()).toBe(40)
  })

  test('are one for a management key: its own', async () => {
    const accountId = accounts[3]?.accountId ?? ''
    const page = await listAccounts(
      reader,
      { kind: 'KEY', keyId: seedId('key', 3, 1), codeId: seedId('code', 3, 1), accountId, permissions: ['*'] },
      {},
    )
    expect(page.edges.map(({ node }) => node.account_id)).toEqual([accountId])
    expect(page.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false })
    expect(await page.totalCount()).toBe(1)
  })
})

describe('keyspaces', () => {
  test('of an account come newest first, without deleted ones', async () => {
    const [account] = accounts
    const rows = Array.from({ length: 9 }, (_, n) =>
      keyspaceRow(0, account?.accountId ?? '', seedId('ks', 0, 5_000 + n), {
        created_at: instantOf(Date.UTC(2026, 5, 1 + (n % 3))),
        deleted_at: n === 4 ? reader.now : null,
      }),
    )
    await database.owner.kysely.insertInto('state.keyspace').values(rows).execute()
    const expected = [5, 2, 8, 7, 1, 6, 3, 0]
      .toSorted((a, b) => (b % 3) - (a % 3) || b - a)
      .map((n) => seedId('ks', 0, 5_000 + n))
    const list = (page: PageRequest) => listKeyspaces(reader, account?.accountId ?? '', page)
    for (const found of await walkedBothWays(list)) {
      expect(found).toHaveLength(11)
      expect(found.slice(0, 8).map((row) => row.keyspace_id)).toEqual(expected)
    }
    expect(await (await list({})).totalCount()).toBe(11)
  })

  test('are found by their exact name in their account', async () => {
    const [, account, other] = accounts
    const found = await findKeyspaceByName(reader, account?.accountId ?? '', 'api')
    expect(found?.keyspace_id).toBe(account?.keyspaceId)
    for (const name of ['API', 'ap%', 'api ', 'ap\0', ''])
      expect(await findKeyspaceByName(reader, account?.accountId ?? '', name)).toBeNull()
    expect(await findKeyspaceByName(reader, 'nonsense', 'api')).toBeNull()
    expect((await findKeyspaceByName(reader, other?.accountId ?? '', 'api'))?.keyspace_id).toBe(other?.keyspaceId)
    await database.owner.kysely
      .updateTable('state.keyspace')
      .set({ deleted_at: reader.now })
      .where('keyspace_id', '=', other?.keyspaceId ?? '')
      .execute()
    expect(await findKeyspaceByName(reader, other?.accountId ?? '', 'api')).toBeNull()
  })
})

describe('links', () => {
  test('of an account come newest first, without ended ones and those of its neighbours', async () => {
    const [account, neighbour] = [accounts[4]!, accounts[20]!]
    const rows = [account, neighbour].flatMap((own, index) =>
      Array.from({ length: 9 }, (_, n) =>
        linkRow(own, 10 * index + n, seedId('key', 5, n), {
          linked_at: instantOf(Date.UTC(2026, 5, 1 + (n % 3))),
          unlinked_at: n === 4 ? reader.now : null,
        }),
      ),
    )
    expect(account.shard).toBe(neighbour.shard)
    await database.owner.kysely.insertInto('state.link').values(rows).execute()
    const expected = [8, 5, 2, 7, 1, 6, 3, 0].map((n) => seedId('lnk', account.shard, n))
    const list = (page: PageRequest) => listLinks(reader, account.accountId, page)
    for (const found of await walkedBothWays(list)) expect(found.map((row) => row.link_id)).toEqual(expected)
    expect(await (await list({})).totalCount()).toBe(8)
    expect((await listLinks(reader, 'nonsense', {})).edges).toEqual([])
  })
})

describe('rotations', () => {
  const keyId = seedId('key', 1, 1)
  beforeAll(async () => {
    const rows = [keyId, seedId('key', 1, 2)].flatMap((key, k) =>
      Array.from({ length: 12 }, (_, n) => ({
        shard: 1,
        rotation_id: seedId('rot', 1, 100 * k + n),
        account_id: accounts[1]?.accountId ?? '',
        key_id: key,
        ordinal: n + 1,
        slot: 'PRIMARY' as const,
        retired_code_id: seedId('code', 1, n),
        replacement_code_id: seedId('code', 1, n + 1),
        rotated_at: reader.now,
        rotated_by_kind: 'ROOT' as const,
        rotated_by_id: null,
      })),
    )
    await database.owner.kysely.insertInto('state.rotation').values(rows).execute()
  })

  test('of a key are its whole chain, newest first', async () => {
    const list = (page: PageRequest) => listRotations(reader, keyId, page)
    for (const found of await walkedBothWays(list))
      expect(found.map((row) => row.ordinal)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    expect(await (await list({})).totalCount()).toBe(12)
    expect((await listRotations(reader, 'nonsense', {})).edges).toEqual([])
  })

  test("can not be walked by another key's cursor, or by one made up beyond every number", async () => {
    const { pageInfo } = await listRotations(reader, keyId, { first: 1 })
    const other = listRotations(reader, seedId('key', 1, 2), { after: pageInfo.endCursor })
    await expect(other).rejects.toMatchObject({ issues: [{ path: ['after'] }] })
    const beyond = Buffer.from(JSON.stringify(['rotations', keyId, 'ORDINAL DESC', '9'.repeat(18)])).toString(
      'base64url',
    )
    expect((await listRotations(reader, keyId, { first: 1, after: beyond })).edges[0]?.node.ordinal).toBe(12)
  })
})
