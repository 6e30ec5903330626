// The feed against a real database: what was acknowledged is handed on, once and in order; what can't be known is said.
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { updateAccount } from '#commands/update-account.ts'
import { connect, type Database } from '#database/connect.ts'
import { UnavailableError } from '#database/unavailable.ts'
import { knownShardOf } from '#domain/ids.ts'
import { type Feed, startFeed } from '#log/feed.ts'
import { type FeedEvent, PAGE_SIZE } from '#log/poll.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type LogEntry, recordingLogger } from '#test/support/log.ts'
import { rewind } from '#test/support/rewind.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { startTcpProxy } from '#test/support/tcp-proxy.ts'
import { PATIENTLY } from '#test/support/wait.ts'

let database: TestDatabase
let at: TestServices
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
afterAll(() => database.drop())

const started: Feed[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((feed) => feed.stop()))
})

type Observed = { feed: Feed; events: FeedEvent[]; resets: number; logged: readonly LogEntry[] }

/** A feed that has read to the end, and everything it tells from now on. */
async function observe(through: Database = database.serving): Promise<Observed> {
  const { log, logged } = recordingLogger()
  const feed = startFeed({ database: through, log })
  started.push(feed)
  await feed.catchUp()
  const observed: Observed = { feed, events: [], resets: 0, logged }
  feed.follow({
    onEvents: (events) => void observed.events.push(...events),
    onReset() {
      observed.resets += 1
    },
  })
  return observed
}

let names = 0
async function rename(accountId: string): Promise<string> {
  const { eventIds } = await at.done(updateAccount, { accountId, name: `name ${names++}` })
  return eventIds[0] ?? ''
}

describe('the feed', () => {
  test('has handed on, when a catch-up resolves, what was acknowledged before it was asked for', async () => {
    const { accountId } = await at.createAccount()
    const { feed, events } = await observe()
    for (let i = 0; i < 50; i++) {
      const eventId = await rename(accountId)
      await feed.catchUp()
      expect(events.at(-1)?.eventId).toBe(eventId)
    }
  })

  test('hands on every event once, each shard in order, while many write', async () => {
    const accounts = await Promise.all(Array.from({ length: 8 }, () => at.createAccount()))
    const { feed, events } = await observe()
    const written = accounts.map(async ({ accountId }) => {
      for (let i = 0; i < 25; i++) await rename(accountId)
    })
    const reading = Promise.all(Array.from({ length: 20 }, () => feed.catchUp()))
    await Promise.all([...written, reading])
    await feed.catchUp()
    expect(new Set(events.map((event) => event.eventId)).size).toBe(200)
    expect(events).toHaveLength(200)
    for (const ofShard of Map.groupBy(events, (event) => event.shard).values())
      expect(ofShard.map((event) => event.shardPosition)).toEqual(
        ofShard.map((_, index) => (ofShard[0]?.shardPosition ?? 0n) + BigInt(index)),
      )
  })

  test('hands on more than a page', async () => {
    const { accountId } = await at.createAccount()
    const { feed, events } = await observe()
    const count = PAGE_SIZE + 20
    await database.owner.pool.query(
      `SELECT log.append($1::smallint, $2, 'ROOT', NULL, NULL, NULL, 'test', clock_timestamp(), array_agg($2::text), array_agg('account'::text),
                         array_agg(i), array_agg('evt_' || i), array_agg('account.updated'::text), array_agg(1::smallint),
                         array_agg('{"data":{}}'::bytea), array_agg(decode(repeat('00', 32), 'hex')), 'k1')
         FROM (SELECT i::integer FROM generate_series(2, $3::integer + 1) AS i) AS new`,
      [knownShardOf(accountId), accountId, count],
    )
    await feed.catchUp()
    expect(events).toHaveLength(count)
  })

  test('polls once for all who ask in one moment', async () => {
    const { feed } = await observe()
    const sent = vi.spyOn(pg.Client.prototype, 'query')
    await Promise.all(Array.from({ length: 1_000 }, () => feed.catchUp()))
    expect(sent.mock.calls.length).toBeLessThanOrEqual(2)
    sent.mockRestore()
  })

  test('tells a follower that failed again, and nobody that all was handed on', async () => {
    const { accountId } = await at.createAccount()
    const { feed, events } = await observe()
    let failing = true
    feed.follow({
      onEvents() {
        if (failing) throw new Error('the follower failed')
      },
      onReset: () => undefined,
    })
    const eventId = await rename(accountId)
    await expect(feed.catchUp()).rejects.toThrow(UnavailableError)
    failing = false
    await feed.catchUp()
    expect(events.at(-1)?.eventId).toBe(eventId)
  })

  test('hints to others after a commit', async () => {
    const listener = new pg.Client(database.connection)
    await listener.connect()
    await listener.query('LISTEN keyledger_feed')
    const hinted = new Promise((resolve) => listener.once('notification', resolve))
    const { feed } = await observe()
    feed.committed()
    await hinted
    await listener.end()
  })

  test('is told of a commit by a hint', async () => {
    const { feed } = await observe()
    const writer = await observe()
    const before = feed.ageMs()
    writer.feed.committed()
    await vi.waitFor(() => expect(feed.ageMs()).toBeLessThan(before + 400), PATIENTLY)
  })

  test('is as old as the clock says that went further: one stands still in a suspended machine, the other can be set back', async () => {
    const { feed } = await observe()
    const monotonic = vi.spyOn(performance, 'now')
    const wall = vi.spyOn(Date, 'now')
    const [monotonicNow, wallNow] = [performance.now(), Date.now()]
    wall.mockReturnValue(wallNow + 60_000)
    monotonic.mockReturnValue(monotonicNow)
    const suspended = feed.ageMs()
    wall.mockReturnValue(wallNow - 60_000)
    monotonic.mockReturnValue(monotonicNow + 60_000)
    const setBack = feed.ageMs()
    vi.restoreAllMocks()
    expect(suspended).toBeGreaterThanOrEqual(60_000)
    expect(setBack).toBeGreaterThanOrEqual(60_000)
  })

  test('says when state was rebuilt', async () => {
    const observed = await observe()
    await database.owner.pool.query('UPDATE state.generation SET generation = generation + 1')
    await observed.feed.catchUp()
    expect(observed.resets).toBe(1)
    await observed.feed.catchUp()
    expect(observed.resets).toBe(1)
  })
})

describe('history that is rewound', () => {
  test('by a restore of an older state is noticed, told with an alarm, and followed on', async () => {
    const { accountId } = await at.createAccount()
    for (let i = 0; i < 3; i++) await rename(accountId)
    const observed = await observe()
    await rewind(database, accountId, 2)
    await observed.feed.catchUp()
    expect(observed.resets).toBe(1)
    expect(observed.logged.some(({ level, msg }) => level === 'error' && msg.startsWith('HISTORY WAS REWOUND'))).toBe(
      true,
    )
    const eventId = await rename(accountId)
    await observed.feed.catchUp()
    expect(observed.events.map((event) => event.eventId)).toEqual([eventId])
  })

  test('and written on to the same length is noticed', async () => {
    const { accountId } = await at.createAccount()
    for (let i = 0; i < 3; i++) await rename(accountId)
    const observed = await observe()
    await rewind(database, accountId, 2)
    for (let i = 0; i < 2; i++) await rename(accountId)
    await observed.feed.catchUp()
    expect(observed.resets).toBe(1)
  })
})

/** Far above the 800 ms that it may take, as machines are busy; far below what the driver or the system would wait. */
const SOON_MS = 5_000

describe('a database out of reach', () => {
  async function throughProxy() {
    const proxy = await startTcpProxy(database.servingConnection)
    const proxied = connect({
      connection: proxy.connection,
      prepared: true,
      poolSize: 2,
      // The driver gives nothing up by itself.
      queryTimeoutMs: 0,
      applicationName: 'keyledger-test-proxied',
      onIdleError: () => undefined,
    })
    const observed = await observe(proxied)
    return {
      ...observed,
      proxy,
      async end() {
        await observed.feed.stop()
        proxy.cut()
        await proxied.close()
        await proxy.close()
      },
    }
  }

  test('whose connection is black-holed is told to all who wait, within the second, and read again by itself', async () => {
    const { feed, proxy, events, logged, end } = await throughProxy()
    const { accountId } = await at.createAccount()
    proxy.blackHole()
    const askedAt = performance.now()
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, async (_, index) => {
        await delay(index * 20)
        const from = performance.now()
        await feed.catchUp().finally(() => expect(performance.now() - from).toBeLessThan(SOON_MS))
      }),
    )
    expect(answers.every(({ status }) => status === 'rejected')).toBe(true)
    expect(feed.ageMs()).toBeGreaterThan(performance.now() - askedAt - 600)
    proxy.heal()
    const eventId = await rename(accountId)
    await vi.waitFor(() => feed.catchUp(), PATIENTLY)
    expect(events.at(-1)?.eventId).toBe(eventId)
    expect(logged.map(({ msg }) => msg)).toContain('the log is read again')
    await end()
  })

  test('that answers late has answered as of when it was asked', async () => {
    const { feed, proxy, end } = await throughProxy()
    const hold = proxy.hold(/WITH moved/)
    const asked = feed.catchUp()
    await hold.holds
    const heldAt = performance.now()
    await delay(200)
    hold.release()
    await asked
    expect(feed.ageMs()).toBeGreaterThanOrEqual(performance.now() - heldAt - 1)
    await end()
  })

  test('that cuts its connections is connected to again', async () => {
    const { feed, proxy, end } = await throughProxy()
    for (let i = 0; i < 3; i++) {
      proxy.cut()
      await vi.waitFor(() => feed.catchUp(), PATIENTLY)
    }
    await end()
  })

  test('is not asked for connections by every request', async () => {
    const { feed, proxy, end } = await throughProxy()
    await proxy.close()
    const connects = vi.spyOn(pg.Client.prototype, 'connect')
    const until = performance.now() + 500
    while (performance.now() < until) await feed.catchUp().catch(() => undefined)
    expect(connects.mock.calls.length).toBeLessThan(10)
    connects.mockRestore()
    await end().catch(() => undefined)
  })
})
