// What reading a thing's past costs: its own events, whatever else has happened.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { momentAt } from '#history/moment.ts'
import { readPastEvents, readPastStreams } from '#history/past-streams.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { blocksOf, indexesOf, planFor, planForAny, sentBy, seqScansOf } from '#test/support/explain.ts'
import { type SeededAccount, seedAccount, seedEvents, seedId } from '#test/support/seed.ts'
import { testServices } from '#test/support/services.ts'

const FROM = '2026-01-01T00:00:00.000Z'
const EVENTS = 40_000
const STREAMS = 200

let database: TestDatabase
let account: SeededAccount
let streamIds: readonly string[]
beforeAll(async () => {
  database = await createTestDatabase()
  account = await seedAccount(database.owner, 1)
  streamIds = Array.from({ length: STREAMS }, (_, n) => seedId('key', account.shard, n))
  await seedEvents(database.owner, account, { from: FROM, count: EVENTS, streamIds, types: ['key.enabled'] })
})
afterAll(() => database.drop())

test('streams are read by their index alone, for their values and for any', async () => {
  const moment = { at: '2026-01-01T06:00:00.000Z', upTo: null }
  const [sent] = await sentBy(() => readPastEvents(database.serving, streamIds.slice(0, 5), moment, account.accountId))
  for (const plan of [await planFor(database.owner, sent!), await planForAny(database.owner, sent!)]) {
    if (plan === undefined) continue
    expect(seqScansOf(plan)).toEqual([])
    expect(indexesOf(plan)).toEqual(['event_stream_version_key'])
  }
  expect(blocksOf(await planFor(database.owner, sent!))).toBeLessThan(5 * (EVENTS / STREAMS) + 100)
})

test('an account is cut by a position where one is given, whatever the clock said, and others by the clock', async () => {
  const [streamId = ''] = streamIds
  const upTo = { accountId: account.accountId, position: 1_000n }
  const versions = async (moment: Parameters<typeof readPastEvents>[2]) =>
    (await readPastEvents(database.serving, [streamId], moment, null)).length
  expect(await versions({ at: '2026-01-02T00:00:00.000Z', upTo })).toBe(5)
  expect(await versions({ at: FROM, upTo })).toBe(5)
  expect(await versions({ at: FROM, upTo: { ...upTo, accountId: seedId('acct', 2, 2) } })).toBe(0)
  expect(await versions(momentAt('2026-01-01T00:06:40.000Z'))).toBe(2)
})

test('what has thousands of events is folded like anything else', async () => {
  const at = testServices(database.serving)
  const { accountId } = await at.createAccount()
  const { keyId } = await at.createKey(await at.createKeyspace(accountId))
  // Straight into the log, as 5 000 commands would have left it.
  await database.owner.pool.query(
    `INSERT INTO log.event
     SELECT e.shard, e.shard_position + 1000000 + i, e.account_id, e.position + 1000000 + i, left(e.event_id, -6) || lpad(i::text, 6, '0'),
            e.stream_id, e.stream_kind, e.version + i, 'key.updated', 1, e.actor_kind, e.actor_id, e.credential_key_id,
            e.credential_code_id, e.correlation_id, e.decided_at, e.occurred_at, e.body, jsonb_build_object('name', 'name ' || i), e.mac, e.mac_secret_id
       FROM log.event e, generate_series(1, 5000) AS i
      WHERE e.stream_id = $1 AND e.version = 2`,
    [keyId],
  )
  const streams = await readPastStreams(database.serving, [keyId], momentAt(at.clock.now()), accountId)
  expect(streams.get(keyId)).toMatchObject({ version: 5_002, state: { name: 'name 5000' } })
})
