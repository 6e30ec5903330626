// Several workers on one port, as real processes that are really killed.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { findRunningServer } from '#database/embedded/running.ts'
import { isAlive, keyledger, postgresOf, type Running, temporaryFolder } from '#test/support/process.ts'

const WORKERS = 2
const READY = /Keyledger is ready: (http:\/\/127\.0\.0\.1:\d+)\/graphql/g
const ROOT_KEY = /^ {2}(root_\w+)$/gm
const KEYSPACE = /keyspaceId: \\"(ks_\w+)\\"/g
const LIVES = 20
const CALLERS = 6

let place: Awaited<ReturnType<typeof temporaryFolder>>
let server: Running
let origin: string
let rootKey: string
let keyspaceId: string
const agents: Agent[] = []

async function open(): Promise<void> {
  place = await temporaryFolder()
  server = start()
  origin = (await server.says(new RegExp(READY.source)))[1] ?? ''
  rootKey = (await server.says(new RegExp(ROOT_KEY.source, 'm')))[1] ?? ''
  keyspaceId = (await server.says(new RegExp(KEYSPACE.source)))[1] ?? ''
}

async function close(): Promise<void> {
  for (const agent of agents.splice(0)) agent.destroy()
  server.child.kill('SIGKILL')
  await server.ended
  const postgres = postgresOf(place.dataFolder)
  // Outside of tests there is no expect.poll.
  if (postgres !== undefined) await vi.waitUntil(() => !isAlive(postgres), { timeout: 30_000 })
  await place.remove()
}

function start(variables: Record<string, string> = {}): Running {
  const settings = { KEYLEDGER_DATA_DIR: place.dataFolder, KEYLEDGER_WORKERS: String(WORKERS), PORT: '0' }
  return keyledger(['start'], { ...settings, LOG_LEVEL: 'debug', ...variables })
}

type LogEntry = { readonly msg: string; readonly pid: number; readonly [field: string]: unknown }

function logged(msg: string): readonly LogEntry[] {
  const lines = server.stderr().split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as LogEntry).filter((entry) => entry.msg === msg)
}

/** Of all that have served, in order. */
const workerPids = () => logged('a worker serves').map(({ workerPid }) => Number(workerPid))

/** Of what one of the operations below answers. */
type Data = {
  readonly createAccount: { readonly __typename: string }
  readonly createKey: { readonly key: { readonly id: string }; readonly issued: readonly [{ readonly secret: string }] }
  readonly verifyKey: { readonly code: string }
  readonly revokeKey: object
}

/** A client with a connection of its own. */
function connect(to = origin) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  agents.push(agent)
  const ask = (query: string, variables: object = {}): Promise<{ data: Data; requestId: string }> =>
    new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${rootKey}`, 'Content-Type': 'application/json' }
      const asked = request(`${to}/graphql`, { method: 'POST', agent, headers }, async (response) => {
        try {
          const { data, errors } = JSON.parse(await text(response))
          // Whoever is busy may say so at any time.
          if (errors?.[0]?.extensions?.code === 'UNAVAILABLE')
            return resolve(delay(500).then(() => ask(query, variables)))
          if (errors !== undefined) throw new Error(JSON.stringify(errors))
          resolve({ data, requestId: String(response.headers['x-request-id']) })
        } catch (error) {
          reject(error)
        }
      })
      asked.on('error', reject)
      asked.end(JSON.stringify({ query, variables }))
    })
  return ask
}

type Ask = ReturnType<typeof connect>

/** By the log of the worker that answered. */
async function workerBehind(ask: Ask): Promise<unknown> {
  const { requestId } = await ask('{ viewer { kind } }')
  const answered = () => logged('request').find((entry) => entry.requestId === requestId)
  await expect.poll(answered).toBeDefined()
  return answered()?.worker
}

/** Whichever worker has nothing to do takes the next connection. */
async function oneOfEach(): Promise<readonly [Ask, Ask]> {
  const first = connect()
  const its = await workerBehind(first)
  for (;;) {
    const second = connect()
    if ((await workerBehind(second)) !== its) return [first, second]
  }
}

const CREATE = `mutation ($input: CreateKeyInput!) { createKey(input: $input) {
  ... on CreateKeySuccess { key { id } issued { secret } } ... on Error { code message } } }`
const REVOKE = `mutation ($id: ID!) { revokeKey(input: { keyId: $id }) { ... on RevokeKeySuccess { key { id } } ... on Error { code } } }`
const VERIFY = 'query ($key: String!) { verifyKey(input: { key: $key, consistency: STRONG }) { code } }'

async function createKey(ask: Ask): Promise<{ id: string; secret: string }> {
  const { data } = await ask(CREATE, { input: { keyspaceId, name: 'of a worker' } })
  return { id: data.createKey.key.id, secret: data.createKey.issued[0].secret }
}

const verdict = async (ask: Ask, key: string) => (await ask(VERIFY, { key })).data.verifyKey.code

describe('several workers', () => {
  beforeAll(open)
  afterAll(close)

  test('serve one port, greet once, and open the database once', async () => {
    await oneOfEach()
    const stdout = server.stdout()
    for (const once of [READY, ROOT_KEY, KEYSPACE]) expect([...stdout.matchAll(once)]).toHaveLength(1)
    expect(new Set(workerPids()).size).toBe(WORKERS)
    for (const once of ['the database was migrated', 'the user of DATABASE_URL owns the schema'])
      expect(logged(once).filter(({ pid }) => pid !== server.child.pid)).toEqual([])
    expect(logged('listening').map(({ worker }) => worker)).toHaveLength(WORKERS + 1)
  })

  test('what one worker has revoked no other lets in any more', async () => {
    const asks = await oneOfEach()
    for (let life = 0; life < LIVES; life++) {
      const [near, far] = life % 2 === 0 ? asks : [asks[1], asks[0]]
      const { id, secret } = await createKey(near)
      // Both know it by heart from here on.
      expect(await Promise.all([near, far, near, far].map((ask) => verdict(ask, secret)))).toEqual(
        Array(4).fill('VALID'),
      )
      const { data } = await near(REVOKE, { id })
      expect(data.revokeKey).toEqual({ key: { id } })
      expect(await Promise.all([far, near].map((ask) => verdict(ask, secret)))).toEqual(['REVOKED', 'REVOKED'])
    }
  })

  test('of a server database need no right but to serve, and follow other instances', async () => {
    const at = findRunningServer(place.dataFolder)
    const other = keyledger(['start'], {
      DATABASE_URL: `postgres://keyledger@localhost/keyledger?host=${at?.host}&port=${at?.port}`,
      KEYLEDGER_SECRETS: (await readFile(join(place.dataFolder, 'secrets'), 'utf8')).trim(),
      KEYLEDGER_WORKERS: String(WORKERS),
      PORT: '0',
    })
    const [, there = ''] = await other.says(new RegExp(READY.source))
    const [near, far] = [connect(), connect(there)]
    const { id, secret } = await createKey(near)
    expect(await verdict(far, secret)).toBe('VALID')
    await near(REVOKE, { id })
    expect(await verdict(far, secret)).toBe('REVOKED')
    other.child.kill('SIGTERM')
    expect(await other.ended).toMatchObject({ code: 0, stdout: expect.not.stringContaining('root_') })
  })

  test('a start that finds its port taken is told once, and makes nothing', async () => {
    const other = await temporaryFolder()
    const variables = { KEYLEDGER_DATA_DIR: other.dataFolder, PORT: new URL(origin).port }
    const { code, stdout, stderr } = await start(variables).ended
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr.match(/Another process listens/g)).toHaveLength(1)
    expect(postgresOf(other.dataFolder)).toBeUndefined()
    await other.remove()
  })

  test('kill -9 of one loses nothing that was acknowledged; the others go on, and it is replaced', async () => {
    const acknowledged: string[] = []
    let over = false
    const create = async (idempotencyKey: string): Promise<string> => {
      for (;;) {
        // A connection to a worker that was killed is gone; the next leads to one that lives.
        const { data } = await connect()(CREATE, { input: { keyspaceId, name: 'kept', idempotencyKey } }).catch(
          (error: NodeJS.ErrnoException) => {
            if (error.code !== 'ECONNRESET') throw error
            return { data: undefined }
          },
        )
        if (data !== undefined) return data.createKey.key.id
      }
    }
    const working = Promise.all(
      Array.from({ length: CALLERS }, async () => {
        while (!over) acknowledged.push(await create(randomUUID()))
      }),
    )
    const [victim, survivor] = workerPids()
    const more = async (count: number) => {
      const enough = acknowledged.length + count
      await expect.poll(() => acknowledged.length, { timeout: 30_000 }).toBeGreaterThan(enough)
    }
    await more(20)
    process.kill(victim ?? 0, 'SIGKILL')
    await more(20)
    await expect.poll(() => workerPids().length, { timeout: 30_000 }).toBe(WORKERS + 1)
    await more(20)
    over = true
    await working
    expect(isAlive(survivor ?? 0)).toBe(true)
    expect(logged('a worker ended and is replaced')).toMatchObject([{ signal: 'SIGKILL', replacedAfterMs: 100 }])

    expect(new Set(acknowledged).size).toBe(acknowledged.length)
    const ask = connect()
    while (acknowledged.length > 0) {
      const keys = acknowledged.splice(0, 20).map((id, at) => `k${at}: key(id: "${id}") { status }`)
      const { data } = await ask(`{ ${keys.join(' ')} }`)
      expect(Object.values(data)).toEqual(keys.map(() => ({ status: 'ACTIVE' })))
    }
    const { code, stdout } = await keyledger(['rebuild', '--check'], { KEYLEDGER_DATA_DIR: place.dataFolder }).ended
    expect([code, stdout]).toEqual([0, expect.stringContaining('state equals the log')])
  })
})

describe('the end', () => {
  beforeEach(open)
  afterEach(close)

  const processes = () => [...workerPids(), postgresOf(place.dataFolder) ?? 0]
  const alive = (pids: readonly number[]) => pids.filter(isAlive)

  test('by SIGTERM drains every worker, and says so', async () => {
    const pids = processes()
    const holder = new pg.Client({ ...findRunningServer(place.dataFolder), user: 'postgres', database: 'keyledger' })
    await holder.connect()
    await holder.query('BEGIN; SELECT 1 FROM log.feed_shard FOR UPDATE')
    const late = (await oneOfEach()).map((ask) =>
      ask('mutation { createAccount(input: { name: "Late" }) { __typename } }'),
    )
    const waiting = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    await expect.poll(async () => (await holder.query(waiting)).rows, { timeout: 30_000 }).toEqual([{ n: WORKERS }])
    server.child.kill('SIGTERM')
    await expect.poll(() => logged('stopping').length, { timeout: 30_000 }).toBe(WORKERS + 1)
    await holder.query('COMMIT')
    await holder.end()
    expect((await Promise.all(late)).map(({ data }) => data.createAccount.__typename)).toEqual([
      'CreateAccountSuccess',
      'CreateAccountSuccess',
    ])
    expect((await server.ended).code).toBe(0)
    expect(logged('a worker has stopped').map(({ code }) => code)).toEqual(Array(WORKERS).fill(0))
    expect(alive(pids)).toEqual([])
  })

  test('of the primary by kill -9 is that of its workers and of PostgreSQL', async () => {
    const pids = processes()
    expect(alive(pids)).toHaveLength(WORKERS + 1)
    server.child.kill('SIGKILL')
    await expect.poll(() => alive(pids), { timeout: 30_000 }).toEqual([])
  })

  test('of PostgreSQL alone is that of all, with 1', async () => {
    const pids = processes()
    process.kill(postgresOf(place.dataFolder) ?? 0, 'SIGQUIT')
    expect((await server.ended).code).toBe(1)
    expect(logged('the embedded database ended by itself')).toHaveLength(1)
    expect(alive(pids)).toEqual([])
  })
})
