import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CodeTable } from '#database/tables.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { KeyFilter, KeyScope } from '#queries/key-filter.ts'
import { type KeyOrder, listKeys } from '#queries/keys.ts'
import type { Reader } from '#queries/reader.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
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

const NOW = '2026-06-01T00:00:00.000Z'
const PAST = '2026-05-01T00:00:00.000Z'
const FUTURE = '2026-07-01T00:00:00.000Z'
const REVOKED = { revoked_at: PAST, revoked_by_kind: 'ROOT', revocation_reason: 'UNSPECIFIED' } as const

const POLICY = seedId('pol', 1, 1)
const OTHER_POLICY = seedId('pol', 1, 2)
const OWNER = seedId('usr', 1, 1)

let database: TestDatabase
let reader: Reader
let account: SeededAccount
let stranger: SeededAccount
let expiring: SeededAccount

beforeAll(async () => {
  database = await createTestDatabase()
  reader = { database: database.serving, keyring: testKeyring('k1'), now: NOW, memberId: null }
  account = await seedAccount(database.owner, 1)
  stranger = await seedAccount(database.owner, 17)
  expiring = await seedAccount(database.owner, 2)
})
afterAll(() => database.drop())

async function namesOf(
  filter: KeyFilter,
  scope: KeyScope = { accountId: account.accountId },
  order: KeyOrder | null = null,
) {
  const page = await listKeys(reader, scope, filter, order, { first: 100 })
  return page.edges.map(({ node }) => node.name)
}

describe('a list of keys', () => {
  beforeAll(async () => {
    const { managementKeyspaceId, otherKeyspaceId } = account
    await insertKeys(database.owner, [
      keyRow(account, 1, { name: 'active', tags: ['a', 'b'], expires_at: FUTURE, owner_id: OWNER }),
      keyRow(account, 2, { name: 'disabled', enabled: false, expires_at: PAST, policy_ids: [POLICY] }),
      keyRow(account, 3, { name: 'expires now', tags: ['b'], expires_at: NOW, policy_ids: [OTHER_POLICY, POLICY] }),
      keyRow(account, 4, { name: 'revoked', enabled: false, expires_at: PAST, ...REVOKED }),
      keyRow(account, 5, { name: 'deleted', deleted_at: PAST, ...REVOKED }),
      keyRow(account, 6, { name: 'management', keyspace_id: managementKeyspaceId, owner_id: OWNER }),
      keyRow(account, 7, { name: 'other', keyspace_id: otherKeyspaceId, created_at: PAST, acts_as_id: OWNER }),
      keyRow(stranger, 8, { name: 'foreign', tags: ['a', 'b'], policy_ids: [POLICY], owner_id: OWNER }),
    ])
    const [active, disabled, foreign] = [keyRow(account, 1), keyRow(account, 2), keyRow(stranger, 8)]
    await insertCodes(database.owner, [
      codeRow(active, 1, { hint: 'bss_05a426XyZ1', replaced_at: PAST, expires_at: PAST }),
      codeRow(active, 2, { hint: 'bss_05a426XyZ2', expires_at: FUTURE }),
      codeRow(active, 3, { slot: 'SECONDARY', hint: 'key_0000000000', deleted_at: PAST, expires_at: PAST }),
      codeRow(disabled, 1, { hint: 'bss_1111111111' }),
      codeRow(foreign, 1, { hint: 'bss_05a426XyZ2', expires_at: PAST }),
    ])
  })

  test('is newest first, without deleted ones, those of the management keyspace and those of others', async () => {
    expect(await namesOf({})).toEqual(['other', 'revoked', 'expires now', 'disabled', 'active'])
  })

  test('of a keyspace has its keys only, the management keyspace included', async () => {
    expect(await namesOf({}, { keyspaceId: account.otherKeyspaceId })).toEqual(['other'])
    expect(await namesOf({}, { keyspaceId: account.managementKeyspaceId })).toEqual(['management'])
    expect(await namesOf({ keyspaceId: account.managementKeyspaceId })).toEqual(['management'])
    expect(await namesOf({ keyspaceId: account.keyspaceId }, { keyspaceId: account.keyspaceId })).toHaveLength(4)
  })

  test('answers for a keyspace of another account, an unknown and an ill-formed one alike: nothing', async () => {
    for (const keyspaceId of [stranger.keyspaceId, `${account.keyspaceId.slice(0, -1)}X`, 'nonsense', "'", '\0', ''])
      expect(await namesOf({ keyspaceId })).toEqual([])
    expect(await namesOf({ keyspaceId: account.otherKeyspaceId }, { keyspaceId: account.keyspaceId })).toEqual([])
    for (const scope of [{ accountId: 'nonsense' }, { accountId: '\0' }, { keyspaceId: account.accountId }])
      expect(await namesOf({}, scope)).toEqual([])
  })

  test('shows keys by the first status that applies', async () => {
    expect(await namesOf({ statuses: ['ACTIVE'] })).toEqual(['other', 'active'])
    expect(await namesOf({ statuses: ['DISABLED'] })).toEqual(['disabled'])
    expect(await namesOf({ statuses: ['EXPIRED'] })).toEqual(['expires now'])
    expect(await namesOf({ statuses: ['REVOKED'] })).toEqual(['revoked'])
    expect(await namesOf({ statuses: ['DELETED'] })).toEqual(['deleted'])
    expect(await namesOf({ statuses: ['DELETED', 'REVOKED', 'REVOKED'] })).toEqual(['deleted', 'revoked'])
  })

  test('takes empty filters for none', async () => {
    const all = await namesOf({})
    expect(await namesOf({ statuses: [], tags: [], name: '', hint: '' })).toEqual(all)
    expect(await namesOf({ statuses: null, tags: null, name: null, hint: '…', expiresBefore: null })).toEqual(all)
  })

  test('by tags has keys with all of them', async () => {
    expect(await namesOf({ tags: ['b'] })).toEqual(['expires now', 'active'])
    expect(await namesOf({ tags: ['b', 'a'] })).toEqual(['active'])
    expect(await namesOf({ tags: ['B'] })).toEqual([])
  })

  test('is filtered by its owner, and is an owner’s own, wherever the keys are', async () => {
    const { accountId, managementKeyspaceId: keyspaceId } = account
    expect(await namesOf({ ownerId: OWNER })).toEqual(['active'])
    expect(await namesOf({ ownerId: OWNER, keyspaceId })).toEqual(['management'])
    expect(await namesOf({ ownerId: OWNER }, { keyspaceId })).toEqual(['management'])
    expect(await namesOf({}, { accountId, ownerId: OWNER })).toEqual(['management', 'active'])
    for (const ownerId of [seedId('usr', 1, 2), account.keyspaceId, 'nonsense', "'", '\0', '', '{}']) {
      expect(await namesOf({ ownerId })).toEqual([])
      expect(await namesOf({}, { accountId, ownerId })).toEqual([])
    }
  })

  test("by policy has keys that hold it, and no other account's", async () => {
    expect(await namesOf({ policyId: POLICY })).toEqual(['expires now', 'disabled'])
    expect(await namesOf({ policyId: POLICY, tags: ['b'] })).toEqual(['expires now'])
    expect(await namesOf({ policyId: OTHER_POLICY })).toEqual(['expires now'])
    for (const policyId of [seedId('pol', 1, 3), account.keyspaceId, 'nonsense', "'", '\0', '', '{}'])
      expect(await namesOf({ policyId })).toEqual([])
  })

  test("by hint has keys with any such code, replaced and deleted ones too, and no other account's", async () => {
    expect(await namesOf({ hint: 'bss_05a426XyZ1' })).toEqual(['active'])
    expect(await namesOf({ hint: 'bss_05a4…' })).toEqual(['active'])
    expect(await namesOf({ hint: 'key_0000000000_rest' })).toEqual(['active'])
    expect(await namesOf({ hint: 'bss' })).toEqual(['disabled', 'active'])
    expect(await namesOf({ hint: 'bss' }, { keyspaceId: account.keyspaceId })).toEqual(['disabled', 'active'])
    expect(await namesOf({ hint: 'bss' }, { keyspaceId: account.otherKeyspaceId })).toEqual([])
  })

  test('by expiry has keys that expire before then, or have a code that does and still counts', async () => {
    expect(await namesOf({ expiresBefore: PAST })).toEqual([])
    expect(await namesOf({ expiresBefore: NOW })).toEqual(['revoked', 'disabled'])
    expect(await namesOf({ expiresBefore: '2026-06-01T00:00:00.001Z' })).toEqual(['revoked', 'expires now', 'disabled'])
    const later = '2026-07-01T00:00:00.001Z'
    expect(await namesOf({ expiresBefore: later })).toEqual(['revoked', 'expires now', 'disabled', 'active'])
  })

  test('by expiry leaves out codes that are not live: expired by now, replaced, deleted, or of a revoked key', async () => {
    const later = '2026-07-01T00:00:00.001Z'
    const justNow = '2026-06-01T00:00:00.001Z'
    const scope = { keyspaceId: expiring.keyspaceId }
    const rows = [
      keyRow(expiring, 200, { name: 'expired before' }),
      keyRow(expiring, 201, { name: 'expired now' }),
      keyRow(expiring, 202, { name: 'expires next' }),
      keyRow(expiring, 203, { name: 'switched off', enabled: false }),
      keyRow(expiring, 204, { name: 'revoked', ...REVOKED }),
      keyRow(expiring, 205, { name: 'deleted', ...REVOKED, deleted_at: PAST }),
      keyRow(expiring, 206, { name: 'replaced' }),
      keyRow(expiring, 207, { name: 'code deleted' }),
      keyRow(expiring, 208, { name: 'itself later', expires_at: '2027-01-01T00:00:00.000Z' }),
      keyRow(expiring, 209, { name: 'itself before', expires_at: PAST }),
    ]
    const codes: readonly Partial<CodeTable>[] = [
      { expires_at: PAST },
      { expires_at: NOW },
      { expires_at: justNow },
      { expires_at: FUTURE, enabled: false },
      { expires_at: FUTURE },
      { expires_at: FUTURE },
      { expires_at: FUTURE, replaced_at: PAST, overlap_ends_at: FUTURE },
      { expires_at: FUTURE, deleted_at: PAST },
      { expires_at: FUTURE },
      { expires_at: PAST },
    ]
    await insertKeys(database.owner, rows)
    await insertCodes(
      database.owner,
      rows.map((row, n) => codeRow(row, 1, codes[n])),
    )
    expect(await namesOf({ expiresBefore: justNow }, scope)).toEqual(['itself before'])
    const soon = ['itself before', 'itself later', 'switched off', 'expires next']
    expect(await namesOf({ expiresBefore: later }, scope)).toEqual(soon)
    const every: KeyFilter = { expiresBefore: later, statuses: ['ACTIVE', 'DISABLED', 'EXPIRED', 'REVOKED', 'DELETED'] }
    expect(await namesOf(every, scope)).toEqual(soon)
  })

  test('has keys without expiry last in either direction', async () => {
    const scope = { accountId: account.accountId }
    const ascending = await namesOf({}, scope, { field: 'EXPIRES_AT', direction: 'ASC' })
    expect(ascending).toEqual(['disabled', 'revoked', 'expires now', 'active', 'other'])
    const descending = await namesOf({}, scope, { field: 'EXPIRES_AT', direction: 'DESC' })
    expect(descending).toEqual(['active', 'expires now', 'revoked', 'disabled', 'other'])
  })

  test('counts what the filter lets through', async () => {
    const page = await listKeys(reader, { accountId: account.accountId }, { statuses: ['ACTIVE', 'DELETED'] }, null, {
      first: 1,
    })
    expect(await page.totalCount()).toBe(3)
  })

  test('goes on where it was after keys came and went', async () => {
    const scope = { accountId: account.accountId }
    const order: KeyOrder = { field: 'NAME', direction: 'ASC' }
    const first = await listKeys(reader, scope, {}, order, { first: 2 })
    await insertKeys(database.owner, [
      keyRow(account, 90, { name: 'a before' }),
      keyRow(account, 91, { name: 'e between' }),
    ])
    await database.owner.pool.query(`DELETE FROM state.key WHERE name = 'disabled'`)
    const second = await listKeys(reader, scope, {}, order, { first: 2, after: first.pageInfo.endCursor })
    expect(second.edges.map(({ node }) => node.name)).toEqual(['e between', 'expires now'])
    expect(second.pageInfo.hasPreviousPage).toBe(true)
  })
})

describe('hostile filters', () => {
  beforeAll(async () => {
    await insertKeys(database.owner, [
      keyRow(stranger, 100, { name: '100%_\\\'";--' }),
      keyRow(stranger, 101, { name: 'plain' }),
    ])
  })

  test.each(['%', '_', '\\', "'", '"', ';--', '%_\\', '\'";'])(
    'the name %j is a part of a name, no pattern',
    async (name) => {
      expect(await namesOf({ name }, { accountId: stranger.accountId })).toEqual(['100%_\\\'";--'])
    },
  )

  test.each(["' OR true --", '%%', '\\%', '.*', '\ud800', '\u202e', '{}', '$1'])(
    'the name %j matches nothing',
    async (name) => {
      expect(await namesOf({ name }, { accountId: stranger.accountId })).toEqual([])
    },
  )

  test.each(['%', '_', '\\', "bss_' OR true", '\ud800', '{', '…bss', 'bss%'])(
    'the hint %j matches nothing',
    async (hint) => {
      expect(await namesOf({ hint })).toEqual([])
    },
  )

  test.each(['%', "'", '\\', '{', '"', 'NULL', ',', '\ud800'])('the tag %j matches nothing', async (tag) => {
    expect(await namesOf({ tags: [tag] })).toEqual([])
  })

  const long = 'x'.repeat(10_000)
  test.each<[KeyFilter, string]>([
    [{ name: long }, 'filter.name'],
    [{ name: 'a\0' }, 'filter.name'],
    [{ hint: long }, 'filter.hint'],
    [{ hint: '\0' }, 'filter.hint'],
    [{ tags: Array.from({ length: 51 }, String) }, 'filter.tags'],
    [{ tags: ['fine', long] }, 'filter.tags.1'],
    [{ tags: ['\0'] }, 'filter.tags.0'],
    [{ expiresBefore: 'infinity' }, 'filter.expiresBefore'],
    [{ expiresBefore: '0000-01-01T00:00:00.000Z' }, 'filter.expiresBefore'],
  ])('%j is refused by name', async (filter, path) => {
    const listing = listKeys(reader, { accountId: account.accountId }, filter, null, {})
    await expect(listing).rejects.toBeInstanceOf(BadQueryArgumentError)
    await expect(listing).rejects.toMatchObject({ issues: [{ path: path.split('.') }] })
  })

  test('as long as they may be are answered', async () => {
    expect(
      await namesOf({ name: 'x'.repeat(512), hint: 'x'.repeat(512), tags: Array.from({ length: 50 }, String) }),
    ).toEqual([])
  })

  test('a cursor of another account, keyspace or order is refused', async () => {
    const scope = { accountId: account.accountId }
    const { pageInfo } = await listKeys(reader, scope, {}, null, { first: 1 })
    const after = pageInfo.endCursor
    await expect(listKeys(reader, scope, {}, null, { after })).resolves.toBeDefined()
    const foreign = { issues: [{ path: ['after'] }] }
    await expect(listKeys(reader, { accountId: stranger.accountId }, {}, null, { after })).rejects.toMatchObject(
      foreign,
    )
    await expect(listKeys(reader, { keyspaceId: account.keyspaceId }, {}, null, { after })).rejects.toMatchObject(
      foreign,
    )
    const byName: KeyOrder = { field: 'NAME', direction: 'DESC' }
    await expect(listKeys(reader, scope, {}, byName, { after })).rejects.toMatchObject(foreign)
    const oldestFirst: KeyOrder = { field: 'CREATED_AT', direction: 'ASC' }
    await expect(listKeys(reader, scope, {}, oldestFirst, { after })).rejects.toMatchObject(foreign)
  })
})
