// The events that come after a position: all of them, in order, page after page, whatever is wanted of them.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { updateAccount } from '#commands/update-account.ts'
import { send } from '#database/connect.ts'
import { readEventsAfter } from '#queries/events-after.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { rewind } from '#test/support/rewind.ts'
import { type TestServices, testServices } from '#test/support/services.ts'

let database: TestDatabase
let at: TestServices
let accountId: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  ;({ accountId } = await at.createAccount())
  for (let i = 0; i < 110; i++) await at.done(updateAccount, { accountId, name: `name ${i}` })
})
afterAll(() => database.drop())

const read = (after: bigint, types: readonly string[] | null = null, of = accountId) =>
  readEventsAfter((query) => send(database.serving.pool, query), of, after, types)

async function walk(types: readonly string[] | null) {
  const positions: bigint[] = []
  for (let after = 0n; ; ) {
    const found = await read(after, types)
    if (found.kind === 'rewound') throw new Error('rewound')
    positions.push(...found.events.map(({ position }) => position))
    after = found.upTo
    if (found.isLast) return { positions, after }
  }
}

test('pages leave nothing out, and end at the head', async () => {
  const { positions, after } = await walk(null)
  expect(positions).toEqual(Array.from({ length: Number(after) }, (_, index) => BigInt(index + 1)))
  expect(positions.length).toBeGreaterThan(100)
  expect(await read(after)).toEqual({ kind: 'page', events: [], upTo: after, isLast: true })
})

test('what is of no type that is wanted is passed over', async () => {
  const all = await walk(null)
  expect(await walk(['account.created'])).toEqual({ positions: [1n], after: all.after })
  expect(await walk(['nothing'])).toEqual({ positions: [], after: all.after })
})

test('a log that ends before, lacks an event or has no such account is not the one that was read', async () => {
  const { after } = await walk(null)
  expect(await read(after + 1n)).toEqual({ kind: 'rewound' })
  expect(await read(after + 1n, ['account.created'])).toEqual({ kind: 'rewound' })
  const { accountId: other } = await at.createAccount()
  for (let i = 0; i < 3; i++) await at.done(updateAccount, { accountId: other, name: `name ${i}` })
  await rewind(database, other, 1)
  expect(await read(0n, null, other)).toMatchObject({ kind: 'page' })
  await database.owner.pool.query('ALTER TABLE log.event DISABLE TRIGGER ALL')
  await database.owner.pool.query('DELETE FROM log.event WHERE account_id = $1 AND position = 3', [other])
  expect(await read(0n, null, other)).toEqual({ kind: 'rewound' })
  expect(await read(0n, null, accountId.replace(/.$/, '_'))).toEqual({ kind: 'rewound' })
})
