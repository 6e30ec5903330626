// What a subscription promises while things go wrong: clients that come and go or don't read, a database that hangs, breaks off or
// is set back. Every event once, or an end that says where to go on.
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { runCommand } from '#commands/run-command.ts'
import { updateAccount } from '#commands/update-account.ts'
import { rebuildState } from '#state/rebuild.ts'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { createTestClock } from '#test/support/clock.ts'
import { appendUpdates } from '#test/support/export.ts'
import { AUDIENCE, type Issuer, startIssuer } from '#test/support/issuer.ts'
import { rewind } from '#test/support/rewind.ts'
import { type Subscribed, type SubscribeOptions, subscribe } from '#test/support/subscribe.ts'
import { startTcpProxy, type TcpProxy } from '#test/support/tcp-proxy.ts'
import { PATIENTLY } from '#test/support/wait.ts'

/** Far more than any turn takes of the process that both ends of a connection share here, and fewer than a test may take. */
const TIMES = { heartbeatMs: 50, readerMaxMs: 3_000, lastWordsMs: 60_000 }
const clock = createTestClock()

let issuer: Issuer
let proxy: TcpProxy
let app: TestApp
beforeAll(async () => {
  issuer = await startIssuer(clock.now)
  app = await startTestApp({
    clock,
    eventStreamTimes: TIMES,
    // More than a busy machine takes, and soon enough for those that wait for a connection to be given up.
    patienceMs: 5_000,
    identityProvider: { issuer: issuer.issuer, audience: AUDIENCE, userClaim: 'email' },
    async through(direct) {
      proxy = await startTcpProxy(direct)
      return proxy.connection
    },
  })
})
afterAll(async () => {
  await app.close()
  await proxy.close()
  await issuer.close()
})

const open: Subscribed[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.leave()
})

async function follow(options: SubscribeOptions): Promise<Subscribed> {
  const one = await subscribe(app, options)
  open.push(one)
  return one
}

/** As another instance does: whatever happens to the connections of the one that is asked. */
async function rename(accountId: string, name = `name ${Math.random()}`): Promise<void> {
  const services = { database: app.database.serving, keyring: app.keyring, clock, committed: () => undefined }
  const origin = { caller: { kind: 'ROOT' }, correlationId: 'elsewhere' } as const
  expect(await runCommand(services, origin, updateAccount, { accountId, name })).toMatchObject({ kind: 'done' })
}

async function renameTimes(accountId: string, count: number, pauseMs = 0): Promise<void> {
  for (let i = 0; i < count; i++) {
    await rename(accountId)
    if (pauseMs > 0) await delay(pauseMs)
  }
}

async function positionsOf(accountId: string): Promise<number[]> {
  const { rows } = await app.database.owner.pool.query<{ position: bigint }>(
    'SELECT position FROM log.event WHERE account_id = $1 ORDER BY position',
    [accountId],
  )
  return rows.map(({ position }) => Number(position))
}

const noErrors = ({ told }: Subscribed) => expect(told.filter(({ errors }) => errors !== undefined)).toEqual([])

describe('every event comes once and in order', () => {
  test('to readers who come and go while many write', { timeout: 120_000 }, async () => {
    const { accountId } = await app.createAccount()
    const WRITES = 25
    const visits = [0, 0, 0, 0, 0]
    let writing = true
    const write = async () => {
      for (let i = 0; i < WRITES || Math.min(...visits) < 3; i++) {
        await rename(accountId)
        // Then only so that there is something to be told.
        if (i >= WRITES) await delay(50)
      }
    }
    const writers = Promise.all([1, 2, 3, 4].map(write)).finally(() => {
      writing = false
    })
    const reader = async (_: number, index: number) => {
      const seen: number[] = []
      for (let isLast = false; !isLast; ) {
        isLast = !writing
        const one = await follow({ accountId, after: seen.at(-1) ?? 0 })
        // Nothing more may come: then the writers have ended.
        await Promise.race([one.received(1).catch(() => undefined), writers])
        if (isLast) await one.received((await positionsOf(accountId)).length - seen.length)
        else await delay(Math.random() * 60)
        one.leave()
        const told = one.positions()
        if (told.length > 0) visits[index] = (visits[index] ?? 0) + 1
        seen.push(...told)
        noErrors(one)
      }
      expect(seen).toEqual(await positionsOf(accountId))
    }
    await Promise.all(visits.map(reader))
    await writers
  })

  test('while state is rebuilt', async () => {
    const { accountId } = await app.createAccount()
    const one = await follow({ accountId, after: 0 })
    const writing = renameTimes(accountId, 40)
    for (let i = 0; i < 2; i++) await rebuildState(app.database.owner)
    await writing
    const all = await positionsOf(accountId)
    await one.received(all.length)
    expect(one.positions()).toEqual(all)
    noErrors(one)
  })

  test('while connections to the database break off, also between an event and what it leads to', async () => {
    const { accountId } = await app.createAccount()
    const some = await Promise.all([0, 1, 2].map(() => follow({ accountId, after: 0 })))
    const writing = renameTimes(accountId, 120, 10)
    for (let i = 0; i < 15; i++) {
      await delay(20 + Math.random() * 150)
      proxy.cut()
    }
    await writing
    const all = await positionsOf(accountId)
    for (const one of some) {
      await one.received(all.length)
      expect(one.positions()).toEqual(all)
      noErrors(one)
    }
  })

  test('after a database that hung', async () => {
    const { accountId } = await app.createAccount()
    const one = await follow({ accountId })
    const silent = await follow({ accountId, types: ['key.created'] })
    await rename(accountId)
    await one.received(1)
    proxy.blackHole()
    await renameTimes(accountId, 5)
    await delay(2_500)
    expect(one.positions()).toHaveLength(1)
    proxy.heal()
    await rename(accountId)
    await one.received(7)
    expect(one.positions()).toEqual((await positionsOf(accountId)).slice(-7))
    noErrors(one)
    expect(silent.end()).toBeUndefined()
  })
})

describe('a database that was set back', () => {
  test('ends the stream with the position it had reached, which is then refused', async () => {
    const { accountId } = await app.createAccount()
    const one = await follow({ accountId, after: 0 })
    await renameTimes(accountId, 3)
    const all = await positionsOf(accountId)
    await one.received(all.length)
    const position = String(all.at(-1))
    await rewind(app.database, accountId, 2)
    expect(await one.ended()).toMatchObject({ extensions: { code: 'HISTORY_REWOUND', position } })
    expect(one.positions()).toEqual(all)
    const again = await follow({ accountId, after: position })
    expect((await again.ended())?.extensions).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['after'] }] })
  })

  test('and was written on to the same length is noticed too', async () => {
    const { accountId } = await app.createAccount()
    await renameTimes(accountId, 3)
    const one = await follow({ accountId, after: 0 })
    const all = await positionsOf(accountId)
    await one.received(all.length)
    await rewind(app.database, accountId, 2)
    await renameTimes(accountId, 2)
    expect((await one.ended())?.extensions).toMatchObject({ code: 'HISTORY_REWOUND', position: String(all.at(-1)) })
  })
})

describe('a user with a token', () => {
  test('is told nothing more from the moment the token ends', async () => {
    const { accountId } = await app.createAccount()
    await app.addUser(accountId, { externalId: 'ada@example.org', role: 'AUDITOR' })
    const headers = { 'x-keyledger-account': accountId }
    const one = await follow({ accountId, credential: await issuer.token(), headers })
    await rename(accountId)
    await one.received(1)
    const last = (await positionsOf(accountId)).at(-1)
    clock.advance(299_000)
    const beats = one.heartbeats()
    await vi.waitFor(() => expect(one.heartbeats()).toBeGreaterThan(beats + 12), PATIENTLY)
    expect(one.end()).toBeUndefined()
    clock.advance(1_000)
    expect(await one.ended()).toMatchObject({ extensions: { code: 'UNAUTHENTICATED', position: String(last) } })
  })

  test('also while the database hangs', async () => {
    const { accountId } = await app.createAccount()
    await app.addUser(accountId, { externalId: 'ada@example.org', role: 'AUDITOR' })
    const headers = { 'x-keyledger-account': accountId }
    const one = await follow({ accountId, credential: await issuer.token(), headers })
    proxy.blackHole()
    clock.advance(301_000)
    expect((await one.ended())?.extensions?.code).toBe('UNAUTHENTICATED')
    proxy.heal()
    proxy.cut()
    await vi.waitFor(() => app.ask('{ viewer { kind } }'), PATIENTLY)
  })
})

describe('a reader who does not read', () => {
  // Some 50 MB, of which each event is half a megabyte: more than the system lets any socket keep (4 MB to send, 32 to receive).
  const EVENTS = 100
  const LENGTH = 20_000
  const aliases = Array.from({ length: 25 }, (_, index) => `d${index}: data`).join(' ')
  const document = `subscription ($accountId: ID!, $after: Position) {
    events(accountId: $accountId, after: $after) { position ${aliases} } }`
  const timeout = 120_000

  async function makeEvents(at: TestApp): Promise<string> {
    const { accountId } = await at.createAccount()
    const { keyId } = await at.createKey(await at.createKeyspace(accountId))
    await appendUpdates(at, { accountId, keyId }, EVENTS, LENGTH)
    return accountId
  }

  async function subscribePaused(at: TestApp, accountId: string): Promise<IncomingMessage> {
    const sent = request(`${at.origin}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${at.rootKey}`,
      },
    })
    sent.end(JSON.stringify({ query: document, variables: { accountId, after: '0' } }))
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.on('error', () => undefined)
    return response.pause()
  }

  /** Waits until this was logged of the request that is answered so. */
  async function logged(at: TestApp, response: IncomingMessage, msg: RegExp): Promise<void> {
    const requestId = response.headers['x-request-id']
    const ofIt = () => at.logged.filter((entry) => entry.requestId === requestId).map((entry) => entry.msg)
    await vi.waitFor(() => expect(ofIt()).toContainEqual(expect.stringMatching(msg)), { timeout: 90_000 })
  }
  const CUT_OFF = /reader takes nothing/

  test('is cut off with the position, before which all was sent and after which nothing is lost', {
    timeout,
  }, async () => {
    const accountId = await makeEvents(app)
    const response = await subscribePaused(app, accountId)
    await logged(app, response, CUT_OFF)
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    const messages = text.split('\n\n').filter((message) => message.startsWith('event: next'))
    const told = messages.map((message) => JSON.parse(message.slice('event: next\ndata: '.length)))
    const { code, position } = told.at(-1).errors[0].extensions
    expect(code).toBe('READER_TOO_SLOW')
    const positions = told.slice(0, -1).map(({ data }) => Number(data.events.position))
    expect(positions.at(-1)).toBe(Number(position))
    expect(text.endsWith('event: complete\ndata:\n\n')).toBe(true)
    // Or all would have been buffered for them.
    expect(positions.length).toBeLessThan(EVENTS)
    const rest = await follow({ accountId, after: position })
    const all = await positionsOf(accountId)
    await rest.received(all.length - positions.length)
    expect([...positions, ...rest.positions()]).toEqual(all)
  })

  test('loses the connection where they do not even read that', { timeout }, async () => {
    const other = await startTestApp({ eventStreamTimes: { ...TIMES, readerMaxMs: 500, lastWordsMs: 500 } })
    try {
      const response = await subscribePaused(other, await makeEvents(other))
      await logged(other, response, CUT_OFF)
      // What has arrived keeps the client's end from noticing, until it is read.
      await logged(other, response, /^request$/)
      const closed = new Promise((resolve) => response.once('close', resolve))
      response.resume()
      await closed
      expect(response.complete).toBe(false)
    } finally {
      await other.close()
    }
  })
})
