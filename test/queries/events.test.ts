import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { epochMsOf, instantOf } from '#domain/instant.ts'
import { listEvents } from '#queries/event-search.ts'
import type { EventFilter, EventScope } from '#queries/events.ts'
import type { PageRequest } from '#queries/page.ts'
import type { Reader } from '#queries/reader.ts'
import { newId } from '#secret/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type SeededAccount, seedAccount, seedEvents, seedId } from '#test/support/seed.ts'
import { testKeyring } from '#test/support/services.ts'

const FROM = '2026-03-01T00:00:00.000Z'
const COUNT = 230
const TYPES = ['key.created', 'key.updated', 'key.revoked']

let database: TestDatabase
let reader: Reader
let account: SeededAccount
let stranger: SeededAccount
let streamIds: readonly string[]

beforeAll(async () => {
  database = await createTestDatabase()
  reader = { database: database.serving, keyring: testKeyring('k1'), now: FROM, memberId: null }
  account = await seedAccount(database.owner, 1)
  stranger = await seedAccount(database.owner, 17)
  streamIds = [1, 2, 3, 4].map((n) => seedId('key', 1, n))
  await seedEvents(database.owner, stranger, { from: FROM, count: 40, streamIds: [seedId('key', 1, 9)], types: TYPES })
  await seedEvents(database.owner, account, { from: FROM, count: COUNT, streamIds, types: TYPES })
})
afterAll(() => database.drop())

const secondsIn = (n: number) => instantOf(epochMsOf(FROM) + n * 1_000)
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

async function positionsOf(filter: EventFilter, page: PageRequest = { first: 100 }, scope?: EventScope) {
  const listed = await listEvents(reader, scope ?? { accountId: account.accountId }, filter, page)
  return listed.edges.map(({ node }) => Number(node.position))
}

/** All positions that a filter lets through, walked from one end in pages of 7. */
async function walked(filter: EventFilter, end: 'first' | 'last', scope: EventScope): Promise<readonly number[]> {
  const positions: number[] = []
  for (let cursor: string | null = null; ; ) {
    const request: PageRequest = end === 'first' ? { first: 7, after: cursor } : { last: 7, before: cursor }
    const page = await listEvents(reader, scope, filter, request)
    positions.push(...page.edges.map(({ node }) => Number(node.position)))
    const more = end === 'first' ? page.pageInfo.hasNextPage : page.pageInfo.hasPreviousPage
    if (!more) return positions
    cursor = end === 'first' ? page.pageInfo.endCursor : page.pageInfo.startCursor
  }
}

describe('the events of an account', () => {
  test('come oldest first, and newest first with `last`', async () => {
    expect(await positionsOf({}, {})).toEqual(range(1, 50))
    expect(await positionsOf({}, { last: 3 })).toEqual([COUNT, COUNT - 1, COUNT - 2])
  })

  test('are all walked from either end, once and in order, by any filter and in any scope', async () => {
    const inAccount = { accountId: account.accountId }
    const [subjectId = ''] = streamIds
    const cases: readonly [EventFilter, EventScope, (position: number) => boolean][] = [
      [{}, inAccount, () => true],
      [{ types: ['key.revoked', 'policy.deleted'] }, inAccount, (i) => i % 3 === 2],
      [{ subjectId }, inAccount, (i) => i % 4 === 0],
      [{}, { subjectId }, (i) => i % 4 === 0],
      [{ subjectId, types: ['key.created'] }, { subjectId }, (i) => i % 12 === 0],
      [{ actorId: 'key_3' }, inAccount, (i) => i % 7 === 3],
      [{ correlationId: 'c-4' }, inAccount, (i) => i === 40],
      [{ since: secondsIn(31), until: secondsIn(99) }, inAccount, (i) => i >= 31 && i < 99],
      [{ since: secondsIn(31), until: secondsIn(99), subjectId }, inAccount, (i) => i >= 31 && i < 99 && i % 4 === 0],
      [{ since: secondsIn(31), until: secondsIn(99) }, { subjectId }, (i) => i >= 31 && i < 99 && i % 4 === 0],
      [{ types: [], actorId: null, since: null }, inAccount, () => true],
      [{ types: ['key.revoked'] }, inAccount, (i) => i % 3 === 2],
      [{ types: ['key.revoked', 'key.created', 'key.revoked'] }, inAccount, (i) => i % 3 !== 1],
      [{ types: ['key.revoked', 'key.created'], actorId: 'key_3' }, inAccount, (i) => i % 3 !== 1 && i % 7 === 3],
      [
        { actorId: 'key_3', since: secondsIn(31), until: secondsIn(99) },
        inAccount,
        (i) => i % 7 === 3 && i >= 31 && i < 99,
      ],
      [{ types: ['key.created'], since: secondsIn(31) }, inAccount, (i) => i % 3 === 0 && i >= 31],
      [{ types: ['key.created'], correlationId: 'c-6' }, inAccount, (i) => i === 60],
      [{ types: ['key.updated'], correlationId: 'c-6' }, inAccount, () => false],
      [{ actorId: 'key_4', correlationId: 'c-6', since: secondsIn(60) }, inAccount, (i) => i === 60],
      [{ actorId: 'key_4', correlationId: 'c-6', until: secondsIn(60) }, inAccount, () => false],
      [{ actorId: 'key_4', subjectId, types: ['key.created'] }, inAccount, (i) => i % 7 === 4 && i % 12 === 0],
      [{ actorId: 'key_9' }, inAccount, () => false],
      [{ actorKinds: ['KEY'] }, inAccount, () => true],
      [{ actorKinds: ['KEY', 'KEY', 'ROOT'], types: ['key.revoked', 'key.created'] }, inAccount, (i) => i % 3 !== 1],
      [{ actorKinds: ['ROOT', 'USER'] }, inAccount, () => false],
      [{ actorKinds: ['KEY'], since: secondsIn(31), until: secondsIn(99) }, inAccount, (i) => i >= 31 && i < 99],
      [{ actorKinds: ['KEY'], actorId: 'key_3' }, inAccount, (i) => i % 7 === 3],
      [{ actorKinds: ['USER'], actorId: 'key_3' }, inAccount, () => false],
      [{ actorKinds: ['KEY'], subjectId }, { subjectId }, (i) => i % 4 === 0],
      [{ actorKinds: ['SYSTEM'], correlationId: 'c-6' }, inAccount, () => false],
      [{ actorKinds: [] }, inAccount, () => true],
      [{ credentialId: 'code_3' }, inAccount, (i) => i % 14 === 3],
      [
        { credentialId: 'code_3', types: ['key.created', 'key.updated'] },
        inAccount,
        (i) => i % 14 === 3 && i % 3 !== 2,
      ],
      [{ credentialId: 'code_3', actorId: 'key_3', actorKinds: ['KEY'] }, inAccount, (i) => i % 14 === 3],
      [{ credentialId: 'code_3', actorId: 'key_4' }, inAccount, () => false],
      [{ credentialId: 'code_3', actorKinds: ['USER'] }, inAccount, () => false],
      [{ credentialId: 'code_3', since: secondsIn(31) }, inAccount, (i) => i % 14 === 3 && i >= 31],
      [{ credentialId: 'code_4', subjectId }, { subjectId }, (i) => i % 14 === 4 && i % 4 === 0],
      [{ credentialId: 'code_4', correlationId: 'c-6' }, inAccount, (i) => i === 60],
    ]
    for (const [filter, scope, lets] of cases) {
      const expected = range(1, COUNT).filter(lets)
      expect(await walked(filter, 'first', scope)).toEqual(expected)
      expect(await walked(filter, 'last', scope)).toEqual(expected.toReversed())
      const page = await listEvents(reader, scope, filter, { first: 1 })
      expect(await page.totalCount()).toBe(expected.length)
    }
  })

  test('begin at `since`, inclusive, and end at `until`, exclusive, at every edge', async () => {
    for (const n of [-1, 0, 1, 2, 63, 64, 65, 128, COUNT - 1, COUNT, COUNT + 1]) {
      const [first] = await positionsOf({ since: secondsIn(n) }, { first: 1 })
      expect(first).toBe(n > COUNT ? undefined : Math.max(n, 1))
      const [last] = await positionsOf({ until: secondsIn(n) }, { last: 1 })
      expect(last).toBe(n <= 1 ? undefined : Math.min(n - 1, COUNT))
    }
    const between = { since: '2026-03-01T00:00:10.500Z', until: '2026-03-01T00:00:12.001Z' }
    expect(await positionsOf(between)).toEqual([11, 12])
  })

  test('stay where they are while more are appended', async () => {
    const other = await seedAccount(database.owner, 33)
    const scope = { accountId: other.accountId }
    await seedEvents(database.owner, other, { from: FROM, count: 10, streamIds: [seedId('key', 1, 7)], types: TYPES })
    const before = await listEvents(reader, scope, {}, { first: 4 })
    const newest = await listEvents(reader, scope, {}, { last: 4 })
    await database.owner.pool.query(`
      INSERT INTO log.event SELECT (jsonb_populate_record(event, jsonb_build_object('shard_position', shard_position + 1000,
        'position', position + 10, 'version', version + 10, 'event_id', event_id || 'x'))).*
        FROM log.event WHERE account_id = '${other.accountId}'`)
    expect(await positionsOf({}, { first: 4 }, scope)).toEqual([1, 2, 3, 4])
    expect(await positionsOf({}, { first: 4, after: before.pageInfo.endCursor }, scope)).toEqual([5, 6, 7, 8])
    expect(await positionsOf({}, { last: 4, before: newest.pageInfo.startCursor }, scope)).toEqual([6, 5, 4, 3])
    expect(await positionsOf({}, { first: 4, after: newest.pageInfo.endCursor }, scope)).toEqual([11, 12, 13, 14])
  })

  test('are not those of another account, whatever the filter names', async () => {
    const foreign = seedId('key', 1, 9)
    expect(await positionsOf({ subjectId: foreign })).toEqual([])
    expect(await positionsOf({ subjectId: stranger.accountId })).toEqual([])
    expect(await positionsOf({ subjectId: foreign }, {}, { subjectId: streamIds[0] ?? '' })).toEqual([])
    expect(await positionsOf({}, { first: 100 }, { subjectId: foreign })).toHaveLength(40)
  })

  test('are none for what is ill-formed or unknown', async () => {
    for (const subjectId of ['', "'", '\0', 'key_1', seedId('key', 1, 999)]) {
      expect(await positionsOf({ subjectId })).toEqual([])
      expect(await positionsOf({}, {}, { subjectId })).toEqual([])
      expect(await positionsOf({ since: FROM, until: FROM }, {}, { accountId: subjectId })).toEqual([])
    }
    expect(await positionsOf({ actorId: '%', correlationId: "' OR true" })).toEqual([])
  })

  test('carry neither bytes nor what proves them', async () => {
    const page = await listEvents(reader, { accountId: account.accountId }, {}, { first: 1 })
    expect(Object.keys(page.edges[0]?.node ?? {}).sort()).toEqual([
      'account_id',
      'actor_id',
      'actor_kind',
      'correlation_id',
      'credential_code_id',
      'credential_key_id',
      'data',
      'decided_at',
      'event_id',
      'occurred_at',
      'position',
      'schema_version',
      'shard',
      'shard_position',
      'stream_id',
      'stream_kind',
      'type',
      'version',
    ])
  })
})

describe('a filter that can not be answered is refused by name', () => {
  test.each<[EventFilter, readonly string[]]>([
    [{ types: Array.from({ length: 101 }, String) }, ['filter', 'types']],
    [{ types: ['x'.repeat(513)] }, ['filter', 'types', '0']],
    [{ actorId: '\0' }, ['filter', 'actorId']],
    [{ correlationId: 'x'.repeat(10_000) }, ['filter', 'correlationId']],
    [{ since: '2026-02-30T00:00:00.000Z' }, ['filter', 'since']],
    [{ until: 'yesterday' }, ['filter', 'until']],
    [{ types: ['key.created', 'nope'] }, ['filter', 'types', '1']],
    [{ types: ['constructor'] }, ['filter', 'types', '0']],
    [{ since: secondsIn(2), until: secondsIn(1) }, ['filter', 'since']],
    [{ subjectId: newId('code', 1) }, ['filter', 'subjectId']],
    [{ subjectId: newId('rot', 1) }, ['filter', 'subjectId']],
    [{ subjectId: newId('evt', 1) }, ['filter', 'subjectId']],
    [{ actorId: newId('code', 1) }, ['filter', 'actorId']],
    [{ credentialId: newId('key', 1) }, ['filter', 'credentialId']],
  ])('%#', async (filter, path) => {
    await expect(positionsOf(filter)).rejects.toMatchObject({ name: 'BadQueryArgumentError', issues: [{ path }] })
  })

  test('and so is a cursor of another scope', async () => {
    const [subjectId = ''] = streamIds
    const { pageInfo } = await listEvents(reader, { subjectId }, {}, { first: 1 })
    await expect(positionsOf({}, { after: pageInfo.endCursor })).rejects.toMatchObject({
      issues: [{ path: ['after'] }],
    })
  })
})
