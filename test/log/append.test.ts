// The one way into the log refuses what does not follow from it, and then leaves nothing.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { send } from '#database/connect.ts'
import { inTransaction } from '#database/transaction.ts'
import { append } from '#log/append.ts'
import type { EventBody } from '#log/body.ts'
import { newId, newSalt } from '#secret/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testServices } from '#test/support/services.ts'

const SHARD = 5

let database: TestDatabase
let at: TestServices
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
afterAll(() => database.drop())

let accountId: string
let streamId: string
beforeEach(async () => {
  accountId = newId('acct', SHARD)
  streamId = newId('ks', SHARD)
  await appended([event({ streamId: accountId, streamKind: 'account' }), event({}), event({ version: 2 })])
})

function event(changes: Partial<EventBody>): EventBody {
  return {
    eventId: newId('evt', SHARD),
    accountId,
    streamId,
    streamKind: 'keyspace',
    version: 1,
    type: 'keyspace.deleted',
    schemaVersion: 1,
    actor: { kind: 'ROOT', id: null },
    credential: null,
    correlationId: 'test',
    decidedAt: at.clock.now(),
    data: {},
    salt: newSalt(),
    personal: {},
    ...changes,
  }
}

async function appended(bodies: readonly EventBody[], shard = SHARD): Promise<bigint | undefined> {
  const [row] = await send(database.serving.pool, append(at.keyring, shard, bodies))
  return row?.append
}

async function whole(): Promise<unknown> {
  const tables = ['feed_shard', 'account', 'stream', 'event']
  return Promise.all(tables.map(async (table) => (await database.owner.pool.query(`SELECT * FROM log.${table}`)).rows))
}

async function refusesAndLeavesNothing(bodies: readonly EventBody[], code: string, shard = SHARD): Promise<void> {
  const before = await whole()
  await expect(appended(bodies, shard)).rejects.toMatchObject({ code })
  expect(await whole()).toEqual(before)
}

describe('an append', () => {
  test('answers with the position of its last event', async () => {
    expect(await appended([event({ version: 3 }), event({ version: 4 })])).toBe(5n)
    expect(await appended([event({ version: 5 })])).toBe(6n)
  })

  test('of several streams keeps the order of the events', async () => {
    const other = newId('key', SHARD)
    const bodies = [
      event({ version: 3 }),
      event({ streamId: other, streamKind: 'key' }),
      event({ version: 4 }),
      event({ streamId: other, streamKind: 'key', version: 2 }),
    ]
    await appended(bodies)
    const { rows } = await database.owner.pool.query(
      'SELECT event_id FROM log.event WHERE account_id = $1 AND position > 3 ORDER BY position',
      [accountId],
    )
    expect(rows.map((row) => row.event_id)).toEqual(bodies.map((body) => body.eventId))
  })

  test.each([
    ['was made already', 1],
    ['has moved on', 2],
    ['has not come so far', 4],
  ])('to a stream that %s is refused', async (_where, version) => {
    await refusesAndLeavesNothing([event({ version })], 'KL001')
  })

  test('to a stream that does not exist is refused', async () => {
    await refusesAndLeavesNothing([event({ streamId: newId('ks', SHARD), version: 2 })], 'KL001')
  })

  test('to another account’s stream is refused', async () => {
    const foreign = newId('acct', SHARD)
    await appended([event({ accountId: foreign, streamId: foreign, streamKind: 'account' })])
    await refusesAndLeavesNothing([event({ accountId: foreign, version: 3 })], 'KL001')
    await refusesAndLeavesNothing([event({ accountId: foreign, version: 1 })], 'KL001')
  })

  test('of which one stream of many has moved on is refused whole', async () => {
    const created = event({ streamId: newId('key', SHARD), streamKind: 'key' })
    await refusesAndLeavesNothing([created, event({ version: 3 }), event({ streamId: accountId, version: 9 })], 'KL001')
  })

  test('for an account that does not exist is refused, but for the one that makes it', async () => {
    const unknown = newId('acct', SHARD)
    await refusesAndLeavesNothing([event({ accountId: unknown, streamId: newId('ks', SHARD) })], 'KL002')
    expect(await appended([event({ accountId: unknown, streamId: unknown, streamKind: 'account' })])).toBe(1n)
  })

  test('on a shard that does not exist is refused', async () => {
    const elsewhere = newId('acct', 16)
    await refusesAndLeavesNothing([event({ accountId: elsewhere, streamId: elsewhere })], 'KL002', 16)
  })

  test('of an event whose id is taken is refused', async () => {
    const first = event({ version: 3 })
    await appended([first])
    await refusesAndLeavesNothing([event({ version: 4 }), event({ version: 5, eventId: first.eventId })], '23505')
  })

  test('of an event above 60 000 bytes is refused', async () => {
    await refusesAndLeavesNothing([event({ version: 3, correlationId: 'x'.repeat(60_000) })], '23514')
  })

  test('whose transaction is rolled back gives its positions back', async () => {
    const before = await whole()
    await inTransaction(database.serving, async (transaction) => {
      expect(await transaction.run(append(at.keyring, SHARD, [event({ version: 3 })]))).toEqual([{ append: 4n }])
    })
    expect(await whole()).toEqual(before)
    expect(await appended([event({ version: 3 })])).toBe(4n)
  })
})
