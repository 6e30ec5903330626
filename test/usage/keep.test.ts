// Housekeeping of telemetry, with a clock that is moved: partitions come ahead of time and go when all in them has aged out.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DAY_MS } from '#domain/instant.ts'
import { createTestClock, type TestClock } from '#test/support/clock.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { forgetOldDays, keepAccessLog } from '#usage/keep.ts'

let database: TestDatabase
let clock: TestClock
beforeAll(async () => {
  database = await createTestDatabase()
  clock = createTestClock('2026-11-21T12:00:00.000Z')
})
afterAll(() => database.drop())

async function partitions(): Promise<readonly string[]> {
  const { rows } = await database.owner.pool.query<{ day: string }>(
    `SELECT right(inhrelid::regclass::text, 8) AS day FROM pg_inherits
      WHERE inhparent = 'usage.access_log'::regclass ORDER BY 1`,
  )
  return rows.map(({ day }) => day)
}

const record = (at: string) =>
  database.serving.pool.query(
    `INSERT INTO usage.access_log (shard, account_id, at, entry_id, key_id, key_name, verdict)
     VALUES (0, 'acct', $1, 'entry', 'key', 'name', 'VALID')`,
    [at],
  )

const entries = async () =>
  (await database.serving.pool.query<{ at: string }>('SELECT at FROM usage.access_log ORDER BY at')).rows.map(
    ({ at }) => at,
  )

describe('partitions of the access log', () => {
  test('are made a week back and ahead, by a server that may make no tables', async () => {
    await expect(database.serving.pool.query('CREATE TABLE usage.own ()')).rejects.toThrow('permission denied')
    expect(await keepAccessLog(database.serving, clock, 30)).toEqual({ made: 15, dropped: 0 })
    const days = await partitions()
    expect([days.length, days.at(0), days.at(-1)]).toEqual([15, '20261114', '20261128'])
    expect(await keepAccessLog(database.serving, clock, 30)).toEqual({ made: 0, dropped: 0 })
  })

  test('take entries to the millisecond of their UTC day, and none beyond', async () => {
    await record('2026-11-14T00:00:00.000Z')
    await record('2026-11-28T23:59:59.999Z')
    await expect(record('2026-11-13T23:59:59.999Z')).rejects.toMatchObject({ code: '23514' })
    await expect(record('2026-11-29T00:00:00.000Z')).rejects.toMatchObject({ code: '23514' })
  })

  test('go with the first day on which all their entries are older than the days kept, and no sooner', async () => {
    clock.advance(23 * DAY_MS)
    expect(await keepAccessLog(database.serving, clock, 30)).toEqual({ made: 15, dropped: 0 })
    expect(await entries()).toHaveLength(2)
    clock.advance(8 * DAY_MS)
    expect(await keepAccessLog(database.serving, clock, 30)).toEqual({ made: 8, dropped: 8 })
    expect(await entries()).toEqual(['2026-11-28T23:59:59.999Z'])
    expect((await partitions()).at(0)).toBe('20261122')
  })

  test('are neither missed nor made twice by housekeepers at once', async () => {
    clock.advance(10 * DAY_MS)
    const kept = await Promise.all(Array.from({ length: 4 }, () => keepAccessLog(database.serving, clock, 30)))
    expect(kept.reduce((sum, { made }) => sum + made, 0)).toBe(10)
    expect(kept.reduce((sum, { dropped }) => sum + dropped, 0)).toBe(7)
    expect(await keepAccessLog(database.serving, clock, 30)).toEqual({ made: 0, dropped: 0 })
  })

  test('are made beside a reader who takes long, and dropped when that one is done', async () => {
    clock.advance(10 * DAY_MS)
    const reader = await database.owner.pool.connect()
    await reader.query('BEGIN; SELECT count(*) FROM usage.access_log')
    expect(await keepAccessLog(database.serving, clock, 30)).toEqual({ made: 10, dropped: 0 })
    await reader.query('COMMIT')
    reader.release()
    expect(await keepAccessLog(database.serving, clock, 30)).toEqual({ made: 0, dropped: 5 })
  })

  test('can be dropped in no other way by a server, nor entries changed', async () => {
    for (const statement of [
      'DROP TABLE usage.access_log',
      'TRUNCATE usage.access_log',
      'DELETE FROM usage.access_log',
      `UPDATE usage.access_log SET key_name = 'other'`,
      `SELECT usage.keep_access_log(now(), 0)`,
    ])
      await expect(database.serving.pool.query(statement), statement).rejects.toThrow()
  })
})

test('counts of uses are kept for 400 days', async () => {
  await database.owner.pool.query(
    `INSERT INTO usage.code_day (shard, code_id, day, uses)
     SELECT 0, 'code_' || n % 2, ($1::timestamptz AT TIME ZONE 'UTC')::date - n, 1 FROM generate_series(0, 1600) AS n`,
    [clock.now()],
  )
  await forgetOldDays(database.serving, clock, () => false)
  const { rows } = await database.owner.pool.query('SELECT count(*)::int FROM usage.code_day')
  expect(rows).toEqual([{ count: 401 }])
})
