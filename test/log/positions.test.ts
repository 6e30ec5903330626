// Order: positions are dense and visible in the order of commits, and time rises with them whatever the clocks say.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Origin } from '#commands/command.ts'
import { createAccount } from '#commands/create-account.ts'
import { createKey } from '#commands/create-key.ts'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { connect, type Database } from '#database/connect.ts'
import { type Instant, plusMs } from '#domain/instant.ts'
import { newId } from '#secret/ids.ts'
import { createTestClock } from '#test/support/clock.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testServices } from '#test/support/services.ts'

const SHARD = 7

let database: TestDatabase
let serving: Database
let at: TestServices
beforeAll(async () => {
  database = await createTestDatabase()
  serving = connect({
    connection: database.servingConnection,
    prepared: true,
    poolSize: 12,
    queryTimeoutMs: 30_000,
    applicationName: 'keyledger-test-writers',
    onIdleError: () => undefined,
  })
  at = testServices(serving)
})
afterAll(async () => {
  await serving.close()
  await database.drop()
})

/** Accounts whose appends meet on one shard's counter. */
const createAccountHere: typeof createAccount = {
  ...createAccount,
  locate: async () => ({ accountId: newId('acct', SHARD), subjectId: null, namedId: null, locks: [] }),
}

async function rows<Row>(text: string): Promise<readonly Row[]> {
  return (await database.owner.pool.query(text)).rows as Row[]
}

/** Everything that is wrong with the order of the log; empty where nothing is. */
function disorder() {
  return rows(`
    WITH e AS (
      SELECT *, row_number() OVER shards AS in_shard, row_number() OVER accounts AS in_account,
             row_number() OVER streams AS in_stream, lag(occurred_at) OVER shards AS before
        FROM log.event
      WINDOW shards AS (PARTITION BY shard ORDER BY shard_position),
             accounts AS (PARTITION BY account_id ORDER BY shard_position),
             streams AS (PARTITION BY stream_id ORDER BY shard_position))
    SELECT 'event' AS what, event_id AS id FROM e
     WHERE shard_position <> in_shard OR position <> in_account OR version <> in_stream OR occurred_at <= before
    UNION ALL
    SELECT 'shard', shard::text FROM log.feed_shard f
     WHERE head <> (SELECT count(*) FROM log.event WHERE shard = f.shard)
        OR head > 0 AND last_at <> (SELECT max(occurred_at) FROM log.event WHERE shard = f.shard)
    UNION ALL
    SELECT 'account', account_id FROM log.account a
     WHERE position <> (SELECT count(*) FROM log.event WHERE account_id = a.account_id)
    UNION ALL
    SELECT 'stream', stream_id FROM log.stream s
     WHERE (version, account_id, kind) IS DISTINCT FROM
           (SELECT (count(*)::integer, min(account_id), min(stream_kind)) FROM log.event WHERE stream_id = s.stream_id)`)
}

describe('positions', () => {
  test('are dense per account and per shard after commands in parallel, and at every moment between', async () => {
    let writing = true
    const holes: unknown[] = []
    const watch = async () => {
      let looks = 0
      for (; writing; looks++)
        holes.push(
          ...(await rows(`SELECT shard FROM log.event GROUP BY shard HAVING max(shard_position) <> count(*)
              UNION ALL SELECT e.shard FROM log.event e JOIN log.feed_shard f USING (shard) WHERE shard_position > head`)),
        )
      return looks
    }
    const looks = watch()
    const accountIds = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => (await at.done(createAccountHere, { name })).result.accountId),
    )
    await Promise.all(accountIds.map((accountId) => liveIn(accountId)))
    writing = false

    expect(await looks).toBeGreaterThan(5)
    expect(holes).toEqual([])
    expect(await disorder()).toEqual([])
    const heads = await rows<{ account_id: string; position: bigint }>('SELECT account_id, position FROM log.account')
    expect(heads.map(({ position }) => position)).toEqual(accountIds.map(() => 72n))
    expect(await rows('SELECT shard, head FROM log.feed_shard WHERE head > 0')).toEqual([{ shard: SHARD, head: 216n }])
  })

  /** 72 events: 2 of the account's making, 10 keyspaces, 10 times 2 for a key, then an update and a failed one. */
  async function liveIn(accountId: string): Promise<void> {
    const numbers = Array.from({ length: 10 }, (_, index) => index)
    const keyspaceIds = await Promise.all(numbers.map((n) => at.createKeyspace(accountId, {}, `keyspace ${n}`)))
    const keys = await Promise.all(keyspaceIds.map((keyspaceId) => at.createKey(keyspaceId, { codes: [{}, {}] })))
    await Promise.all(
      keys.map(async ({ keyId }) => {
        await at.done(updateKey, { keyId, name: 'changed' })
        // Takes the stream's lock, and comes to nothing.
        expect((await at.refusal(updateKey, { keyId, name: 'other', expectedVersion: 99 })).code).toBe('CONFLICT')
        await at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })
        await at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })
      }),
    )
    await Promise.all(numbers.map((n) => at.refusal(createKeyspace, { accountId, name: `keyspace ${n}` })))
    await Promise.all(keyspaceIds.map((keyspaceId) => at.createKey(keyspaceId, { codes: [] })))
  }

  test('of the events of one command follow each other, in the order that its answer names', async () => {
    const { accountId } = await at.createAccount()
    const keyspaceId = await at.createKeyspace(accountId)
    const { eventIds } = await at.done(createKey, { keyspaceId, name: 'k', enabled: true, codes: [{}, {}] })
    const events = await rows<{ event_id: string; position: bigint; type: string }>(
      `SELECT event_id, position, type FROM log.event WHERE account_id = '${accountId}' AND position > 3 ORDER BY position`,
    )
    expect(events).toEqual([
      { event_id: eventIds[0], position: 4n, type: 'key.created' },
      { event_id: eventIds[1], position: 5n, type: 'code.issued' },
      { event_id: eventIds[2], position: 6n, type: 'code.issued' },
    ])
  })
})

describe('occurredAt', () => {
  test('rises strictly with position, also when the clock stands still or is set back', async () => {
    let now: Instant = at.clock.now()
    const clock = { ...createTestClock(), now: () => now, fromDatabase: () => now }
    const here = testServices(serving, { clock })
    const { accountId } = await here.createAccount()
    const keyspaceId = await here.createKeyspace(accountId)
    const { keyId } = await here.createKey(keyspaceId)
    const decided: Instant[] = []
    const started = now
    for (const step of [0, 0, -3_600_000, 1, 5, -1, 3_700_000, 0]) {
      now = plusMs(now, step)
      decided.push(now)
      await here.done(updateKey, { keyId, name: `at ${decided.length}` })
    }

    expect(await disorder()).toEqual([])
    const events = await rows<{ decided_at: string; decided_in_body: string; after_us: bigint }>(
      `SELECT decided_at, convert_from(body, 'UTF8')::jsonb ->> 'decidedAt' AS decided_in_body,
              (extract(epoch FROM occurred_at - '${started}') * 1000000)::bigint AS after_us
         FROM log.event WHERE stream_id = '${keyId}' AND type = 'key.updated' ORDER BY position`,
    )
    expect(events.map((event) => event.decided_in_body)).toEqual(decided)
    expect(events.map((event) => event.decided_at)).toEqual(decided)
    // Set back by an hour, time goes on by microseconds; set right again, it is the clock's.
    expect(Number(events[5]!.after_us)).toBeGreaterThan(0)
    expect(Number(events[5]!.after_us)).toBeLessThan(1_000)
    expect(events[6]!.after_us).toBe(100_005_000n)
    expect(events[7]!.after_us).toBe(100_005_001n)
  })
})

describe('a request', () => {
  test('is named by its correlation id and its actor in every event', async () => {
    const account = await at.createAccount()
    const caller = await at.createCaller(account, ['*'])
    const origin: Origin = { ...caller.origin, correlationId: 'request 42' }
    const { eventIds } = await at.done(createKeyspace, { accountId: account.accountId, name: 'x' }, origin)
    const [event] = await rows(`SELECT * FROM log.event WHERE event_id = '${eventIds[0]}'`)
    expect(event).toMatchObject({
      correlation_id: 'request 42',
      actor_kind: 'KEY',
      actor_id: caller.keyId,
      credential_key_id: caller.keyId,
      credential_code_id: caller.codeIds[0],
    })
  })
})
