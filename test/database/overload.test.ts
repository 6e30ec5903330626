// More than the database can take: what is beyond the bound is refused at once, and what is within it is answered.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { statement } from '#database/connect.ts'
import { isUnavailable, UnavailableError } from '#database/unavailable.ts'
import { watchedConnection } from '#database/watched-connection.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { PATIENTLY } from '#test/support/wait.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

/** How many of so many that are asked at once are answered, how many refused, and whether anything else happened to one. */
async function outcomes(count: number, ask: () => Promise<unknown>) {
  const settled = await Promise.allSettled(Array.from({ length: count }, ask))
  const rejected = settled.filter((outcome) => outcome.status === 'rejected')
  const refused = rejected.filter(({ reason }) => reason instanceof UnavailableError)
  return { answered: count - rejected.length, refused: refused.length, other: rejected.length - refused.length }
}

test('the pool lets five hundred wait, and refuses more', async () => {
  const { pool, kysely } = database.serving
  const { max } = pool.options
  const byPromise = await outcomes(2_000, () => pool.query('SELECT pg_sleep(0.001)'))
  expect(byPromise).toEqual({ answered: 500 + max, refused: 1_500 - max, other: 0 })
  expect(await outcomes(2_000, () => kysely.selectNoFrom(({ val }) => val(1).as('one')).execute())).toMatchObject({
    other: 0,
  })
  expect(await outcomes(100, () => pool.query('SELECT 1'))).toEqual({ answered: 100, refused: 0, other: 0 })
})

test('a watched connection lets a hundred wait, and refuses more', async () => {
  const connection = watchedConnection(database.serving)
  const ask = () => connection.ask(statement('SELECT pg_sleep(0.001)', []), 5_000)
  expect(await outcomes(300, ask)).toEqual({ answered: 100, refused: 200, other: 0 })
  expect(await outcomes(50, ask)).toEqual({ answered: 50, refused: 0, other: 0 })
  connection.close()
})

test('a watched connection tells a defect, which asking again does not mend, from a database that can not be asked', async () => {
  const connection = watchedConnection(database.serving)
  const ask = (text: string, withinMs = 5_000) => connection.ask(statement(text, []), withinMs)
  await expect(ask('SELECT 1 FROM nowhere')).rejects.toMatchObject({ code: '42P01' })
  await expect(ask('SELECT pg_sleep(1)', 20)).rejects.toThrow(UnavailableError)
  await expect(ask('SELECT pg_terminate_backend(pg_backend_pid())')).rejects.toThrow(UnavailableError)
  await vi.waitFor(async () => expect(await ask('SELECT 1 AS one')).toEqual([{ one: 1 }]), PATIENTLY)
  connection.close()
})

test.each([
  ['a refused connection', Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), true],
  ['a server that shuts down', Object.assign(new Error('terminating connection'), { code: '57P01' }), true],
  ['a pool that gives no connection in time', new Error('timeout exceeded when trying to connect'), true],
  ['a statement that took too long', Object.assign(new Error('canceling statement'), { code: '57014' }), true],
  ['a transaction whose process slept', Object.assign(new Error('terminating connection'), { code: '25P03' }), true],
  ['a deadlock', Object.assign(new Error('deadlock detected'), { code: '40P01' }), true],
  ['a full disk', Object.assign(new Error('could not extend file'), { code: '53100' }), true],
  ['a connection that was given up meanwhile', new Error('Client was closed and is not queryable'), true],
  ['a broken connection', new Error('Connection terminated unexpectedly'), true],
  ['a constraint', Object.assign(new Error('duplicate key'), { code: '23505' }), false],
  ['a mistake of ours', new TypeError('x is not a function'), false],
  ['no error at all', 'Connection terminated', false],
])('%s is told from what is not for the client to try again', (_what, error, expected) => {
  expect(isUnavailable(error)).toBe(expected)
})
