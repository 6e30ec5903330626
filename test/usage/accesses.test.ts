// What forward-auth saw, on its way into the access log: how it gets there, what of it does not, and what is given up.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_PRESENTATIONS } from '#domain/keyspace/presentation.ts'
import { createTestClock } from '#test/support/clock.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { recordingLogger } from '#test/support/log.ts'
import { gatherAccesses, type SeenAccess } from '#usage/accesses.ts'
import { keepAccessLog } from '#usage/keep.ts'

const clock = createTestClock()
const SECRET = 'Correct.Horse-Battery.Staple.42'
const KEY_ID = `key_00${'k'.repeat(20)}`

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  await keepAccessLog(database.serving, clock, 30)
})
afterAll(() => database.drop())
beforeEach(() => database.owner.pool.query('TRUNCATE usage.access_log'))

function gatherer(lengthMax?: number) {
  const { log, logged } = recordingLogger()
  const parts = { database: database.serving, clock, accessLogDays: 30, log }
  return { accesses: gatherAccesses({ ...parts, ...(lengthMax === undefined ? {} : { lengthMax }) }), logged }
}

function seen(entry: Partial<SeenAccess['entry']> = {}): SeenAccess {
  return {
    key: {
      keyId: KEY_ID,
      accountId: `acct_00${'a'.repeat(20)}`,
      name: 'Shop',
      logging: { request: true, response: false },
    },
    presentations: DEFAULT_PRESENTATIONS,
    presented: SECRET,
    entry: { keyId: KEY_ID, at: clock.now(), verdict: 'VALID', ...entry },
  }
}

const paths = async () => {
  const rows = await database.serving.kysely.selectFrom('usage.access_log').selectAll().execute()
  return rows.map(({ path }) => path).sort()
}

/** While no entry can be written, and what happens then. */
async function whileAway(work: () => Promise<void>): Promise<void> {
  await database.owner.pool.query('ALTER TABLE usage.access_log RENAME TO hidden')
  try {
    await work()
  } finally {
    await database.owner.pool.query('ALTER TABLE usage.hidden RENAME TO access_log')
  }
}

describe('what is seen', () => {
  test('is written by itself, some seconds later', async () => {
    const { accesses } = gatherer()
    accesses.record(seen({ path: '/a' }))
    expect(await paths()).toEqual([])
    await expect.poll(paths).toEqual(['/a'])
  })

  test('is written when the gatherer is stopped, all of it', async () => {
    const { accesses } = gatherer()
    for (let n = 0; n < 250; n++) accesses.record(seen({ path: '/a' }))
    await accesses.stop()
    expect(await paths()).toHaveLength(250)
  })

  test('is written once, whatever becomes of the first try', async () => {
    const { accesses, logged } = gatherer()
    accesses.record(seen({ path: '/a' }))
    await whileAway(async () => {
      await accesses.flush()
      accesses.record(seen({ path: '/b' }))
      await accesses.flush()
      await accesses.flush()
      expect(logged.map(({ level }) => level)).toEqual(['warn'])
    })
    await accesses.flush()
    await accesses.flush()
    expect(await paths()).toEqual(['/a', '/b'])
    expect(logged.map(({ level }) => level)).toEqual(['warn', 'info'])
  })

  test('beyond what memory there is for it is lost, and that is told', async () => {
    const { accesses, logged } = gatherer(1_000)
    await whileAway(async () => {
      for (let n = 0; n < 5; n++) accesses.record(seen({ path: `/${n}` }))
      await accesses.flush()
      accesses.record(seen({ path: '/late' }))
    })
    await accesses.flush()
    expect(await paths()).toEqual(['/0', '/1', '/2'])
    expect(logged.filter(({ entries }) => entries !== undefined)).toMatchObject([{ entries: 2 }, { entries: 1 }])
  })

  test('that no place takes is lost, and keeps nothing after it from being written', async () => {
    const { accesses, logged } = gatherer()
    accesses.record(seen({ path: '/old', at: '2001-01-01T00:00:00.000Z' }))
    await accesses.flush()
    accesses.record(seen({ path: '/odd', status: 99_999 }))
    await accesses.flush()
    accesses.record(seen({ path: '/new' }))
    await accesses.flush()
    expect(await paths()).toEqual(['/new'])
    expect(logged.map(({ level }) => level)).toEqual(['warn', 'error'])
  })

  test('holds no secret, not even in memory or in the log of a server that can not write it', async () => {
    const { accesses, logged } = gatherer()
    const text = `x ${SECRET} ${encodeURIComponent(SECRET)} ${JSON.stringify({ note: SECRET })}`
    accesses.record(seen({ path: `/${text}`, userAgent: text, requestBody: text }))
    accesses.record(seen({ path: `/${text}`, userAgent: text, requestBody: text, status: 99_999 }))
    await accesses.flush()
    accesses.record(seen({ path: `/${text}`, userAgent: text, requestBody: text }))
    await accesses.flush()
    const { rows } = await database.owner.pool.query('SELECT t::text AS row FROM usage.access_log t')
    expect(rows).toHaveLength(1)
    expect(JSON.stringify(rows)).not.toContain('Staple')
    expect(JSON.stringify(logged)).not.toContain('Staple')
  })
})
