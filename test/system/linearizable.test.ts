// Three processes on one database, all of them verifying what one of them ends: revocation is immediate, everywhere. 200 trials of each
// kind, 10 000 with LINEARIZABLE=full (`npm run linearizable`); and fewer, 25 and 2 500, under each thing that could get in between.
import { setImmediate } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newRootKey } from '#secret/ids.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { type Client, clientOf } from '../support/app.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import {
  AT_ONCE,
  KINDS,
  type Subject,
  startTrials,
  type Trials,
  type Verified,
  violations,
} from '../support/linearizable.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const FULL = process.env.LINEARIZABLE === 'full'
const TRIALS = FULL ? 10_000 : 200
const TRIALS_HINDERED = FULL ? 2_500 : 25
const PROCESSES = 3
const timeout = TRIALS * 2_000

let database: TestDatabase
let proxy: TcpProxy
let servers: readonly ServerProcess[]
/** Beside the three, with a proxy before its database. */
let proxied: ServerProcess
let trials: Trials
const rootKey = newRootKey().reveal()

beforeAll(async () => {
  database = await createTestDatabase()
  proxy = await startTcpProxy(database.servingConnection)
  const settings = { KEYLEDGER_SECRETS: newKeyringText(), KEYLEDGER_ROOT_KEY: rootKey }
  const start = (url: string) => startServerProcess({ ...settings, DATABASE_URL: url })
  const direct = database.servingConnection.connectionString
  const [last, ...others] = await Promise.all([
    start(proxy.url),
    ...Array.from({ length: PROCESSES }, () => start(direct)),
  ])
  proxied = last
  servers = others
  trials = await startTrials(
    servers.map(({ url }) => url),
    rootKey,
  )
})
afterAll(async () => {
  await Promise.all([...servers, proxied].map((server) => server.end('SIGTERM')))
  await proxy.close()
  await database.drop()
})

describe(`no STRONG verification of any process that began after it was acknowledged says VALID, ${TRIALS} times`, () => {
  test.each(KINDS)('%s', { timeout }, async (kind) => {
    expect(await trials.many(trials.kinds[kind], TRIALS)).toEqual([])
  })
})

describe(`nor, ${TRIALS_HINDERED} times, while state is rebuilt`, () => {
  test.each(KINDS)('%s', { timeout }, async (kind) => {
    let done = false
    let rebuilds = 0
    const rebuilding = (async () => {
      for (; !done; rebuilds++) await rebuildState(database.owner)
    })()
    const found = await trials.many(trials.kinds[kind], TRIALS_HINDERED)
    done = true
    await rebuilding
    expect(found).toEqual([])
    expect(rebuilds).toBeGreaterThan(0)
    expect((await checkState(database.owner)).difference).toBeNull()
  })
})

describe(`nor, ${TRIALS_HINDERED} times, where no process is told of commits by another`, () => {
  let listener: pg.Client
  let hints = 0
  beforeAll(async () => {
    listener = new pg.Client(database.connection)
    listener.on('notification', () => hints++)
    await listener.connect()
    await listener.query('LISTEN keyledger_feed')
    await database.owner.pool.query('REVOKE EXECUTE ON FUNCTION pg_catalog.pg_notify(text, text) FROM PUBLIC')
    // Those that were on their way.
    await listener.query('SELECT 1')
    hints = 0
  })
  afterAll(async () => {
    await database.owner.pool.query('GRANT EXECUTE ON FUNCTION pg_catalog.pg_notify(text, text) TO PUBLIC')
    await listener.end()
  })

  test.each(KINDS)('%s', { timeout }, async (kind) => {
    expect(await trials.many(trials.kinds[kind], TRIALS_HINDERED)).toEqual([])
    await listener.query('SELECT 1')
    expect(hints).toBe(0)
  })
})

describe(`nor, ${TRIALS_HINDERED} times, where what was read before it ended arrives after it`, () => {
  test.each(KINDS)('%s', { timeout }, async (kind) => {
    const client = clientOf(proxied.url, rootKey)
    const known = await validSubject(client, trials.kinds['a key revoked'])
    let overtaken = 0
    const found: Verified[] = []
    for (let i = 0; i < TRIALS_HINDERED; i++) {
      const trial = await heldBack(client, known, await trials.kinds[kind](), i % 2 === 0)
      found.push(...trial.found)
      if (trial.wasValid) overtaken += 1
    }
    expect(found).toEqual([])
    // Otherwise nothing was shown: what is held for too long is given up.
    expect(overtaken).toBeGreaterThan(TRIALS_HINDERED / 2)
  })

  async function validSubject(client: Client, make: () => Promise<Subject>): Promise<Subject> {
    const subject = await make()
    while (!(await subject.isValid(client)));
    return subject
  }

  /**
   * Read while it was good, held until it has ended and the process knows that, and asked again after it came; or before that
   * already, whose answer then follows and would correct what is remembered.
   */
  async function heldBack(client: Client, known: Subject, subject: Subject, alsoBefore: boolean) {
    const hold = proxy.hold(/snapshot AS/)
    const first = subject.isValid(client)
    // A busy machine may have said UNAVAILABLE before anything was read.
    await Promise.race([hold.holds, first])
    await subject.end()
    const acknowledgedAt = performance.now()
    const calls: Verified[] = []
    const call = async (by: string) => {
      const beganAt = performance.now()
      calls.push({ beganAt, valid: await subject.isValid(client), by })
    }
    const second = alsoBefore ? call('while it was held') : undefined
    // Caught up with the end, and answered from memory.
    await known.isValid(client)
    hold.release()
    await second
    const wasValid = await first
    await call('after it had come')
    return { found: violations(calls, acknowledgedAt), wasValid }
  }
})

test('the same record catches who does not keep the promise: a service that remembers its verdicts', async () => {
  const remembering = async (): Promise<Subject> => {
    const subject = await trials.kinds['a key revoked']()
    const verdicts = new Map<Client, Promise<boolean>>()
    const isValid = async (client: Client) => {
      await setImmediate()
      const verdict = verdicts.get(client) ?? subject.isValid(client)
      verdicts.set(client, verdict)
      return verdict
    }
    return { isValid, end: subject.end }
  }
  expect((await trials.many(remembering, AT_ONCE)).length).toBeGreaterThanOrEqual(AT_ONCE)
})
