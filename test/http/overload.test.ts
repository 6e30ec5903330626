// A database that is slow, and more to do than it can take, as callers over HTTP see it: verdicts are UNAVAILABLE soon, mutations may
// be sent again, and neither here nor in the database does work pile up that nobody waits for any more.
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { knownShardOf } from '#domain/ids.ts'
import { newId } from '#secret/ids.ts'
import { type Executed, startTestApp, type TestApp } from '#test/support/app.ts'

const POOL_SIZE = 4
/** What is asked at once: more than waits for the loading connection (100), and far more than the pool serves. */
const MANY = 300

let app: TestApp

/** The proxy's own credential. */
let guard: string
let keyspaceId: string
beforeAll(async () => {
  app = await startTestApp({ poolSize: POOL_SIZE, patienceMs: 0 })
  const { accountId } = await app.createAccount()
  guard = await app.createCredential(accountId, ['keys.verify'])
  keyspaceId = await app.createKeyspace(accountId, { presentations: [{ place: 'HEADER', name: 'X-Api-Key' }] })
})
afterAll(() => app.close())

const holders: pg.Client[] = []
afterEach(async () => {
  await Promise.all(holders.splice(0).map((holder) => holder.end()))
})

/** Whoever wants to read or write the table waits from now on. */
async function lockTable(table: string): Promise<{ unlock(): Promise<void> }> {
  const holder = new pg.Client(app.database.connection)
  holders.push(holder)
  await holder.connect()
  await holder.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
  return { unlock: async () => void (await holder.query('ROLLBACK')) }
}

/** Backends that work for this database, or wait for a lock, as opposed to those that wait to be asked. */
async function busyBackends(): Promise<number> {
  const { rows } = await app.database.owner.pool.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM pg_stat_activity
      WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()`,
  )
  return rows[0]?.count ?? 0
}

type Asked = { readonly code: string; readonly tookMs: number }

async function verify(key: string, consistency = 'STRONG'): Promise<Asked> {
  const askedAt = performance.now()
  const document = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { code } }'
  const answer = await app.execute<{ verifyKey: { code: string } }, object>(document, { input: { key, consistency } })
  // Or that the caller could not be judged.
  const code = answer.data?.verifyKey.code ?? String(answer.errors[0]?.extensions?.code)
  return { code, tookMs: performance.now() - askedAt }
}

const codeOf = async (key: string, consistency?: string) => (await verify(key, consistency)).code

function proxied(key: string, { credential = guard, to = keyspaceId } = {}): Promise<Response> {
  const headers = {
    'x-keyledger-authorization': `Bearer ${credential}`,
    'x-api-key': key,
    'x-original-method': 'GET',
    'x-original-uri': '/',
  }
  return fetch(`${app.origin}/forward-auth?keyspace=${to}&endpoints=ignore`, { headers })
}

const CREATE = `mutation ($input: CreateKeyInput!) { createKey(input: $input) {
  ... on CreateKeySuccess { key { id } events { id } } ... on Error { code } } }`

type Created = { readonly createKey: { readonly key?: { readonly id: string }; readonly code?: string } }

function create(name: string, idempotencyKey?: string): Promise<Executed<Created>> {
  return app.execute<Created, object>(CREATE, { input: { keyspaceId, name, idempotencyKey } })
}

const UNAVAILABLE = [expect.objectContaining({ extensions: { code: 'UNAVAILABLE', retryAfter: 1 } })]

/** Far above the second that it may take, as machines are busy; far below what any statement may. */
const SOON_MS = 3_000

const MENDED = { timeout: 30_000, interval: 50 }

describe('while what verification reads is locked', () => {
  test('what is not known is UNAVAILABLE soon, what is known goes on, and it mends by itself', async () => {
    const known = await app.createKey(keyspaceId)
    const unknown = await app.createKey(keyspaceId)
    expect(await codeOf(known.secret)).toBe('VALID')
    expect((await proxied(known.secret)).status).toBe(200)
    const { unlock } = await lockTable('state.key')
    for (const consistency of ['STRONG', 'BOUNDED']) {
      const { code, tookMs } = await verify(unknown.secret, consistency)
      expect(code).toBe('UNAVAILABLE')
      expect(tookMs).toBeLessThan(SOON_MS)
    }
    expect((await proxied(unknown.secret)).status).toBe(503)
    expect(await codeOf(known.secret)).toBe('VALID')
    expect((await proxied(known.secret)).status).toBe(200)
    await unlock()
    await vi.waitFor(async () => expect(await codeOf(unknown.secret)).toBe('VALID'), MENDED)
  })

  test('no backend goes on with what was given up', async () => {
    const { secret } = await app.createKey(keyspaceId)
    const { unlock } = await lockTable('state.key')
    const busy: number[] = []
    const until = performance.now() + 8_000
    while (performance.now() < until) {
      expect(await codeOf(secret)).toBe('UNAVAILABLE')
      busy.push(await busyBackends())
    }
    // The one that is asked now, a poll, and those that have not noticed yet that nobody listens any more.
    expect(Math.max(...busy)).toBeLessThanOrEqual(5)
    await vi.waitFor(async () => expect(await busyBackends()).toBe(0), MENDED)
    await unlock()
    await vi.waitFor(async () => expect(await codeOf(secret)).toBe('VALID'), MENDED)
  })

  test('more than can be asked in time is UNAVAILABLE, and nothing of it stays behind', async () => {
    const { secret } = await app.createKey(keyspaceId)
    expect(await codeOf(secret)).toBe('VALID')
    const { unlock } = await lockTable('state.key')
    const guesses = Array.from({ length: MANY }, (_, index) => `guess-${index}-${'x'.repeat(20)}`)
    const answers = await Promise.all(guesses.map((guess) => codeOf(guess, 'BOUNDED')))
    expect(new Set(answers)).toEqual(new Set(['UNAVAILABLE']))
    expect(await codeOf(secret)).toBe('VALID')
    await vi.waitFor(async () => expect(await busyBackends()).toBe(0), MENDED)
    await unlock()
    await vi.waitFor(async () => expect(await codeOf(guesses[0] ?? '')).toBe('NOT_FOUND'), MENDED)
  })

  test('the log itself, STRONG verdicts are UNAVAILABLE at once and BOUNDED ones when the bound is over', async () => {
    const { secret } = await app.createKey(keyspaceId)
    expect(await codeOf(secret)).toBe('VALID')
    const { unlock } = await lockTable('log.feed_shard')
    const { code, tookMs } = await verify(secret)
    expect(code).toBe('UNAVAILABLE')
    expect(tookMs).toBeLessThan(SOON_MS)
    await vi.waitFor(async () => expect(await codeOf(secret, 'BOUNDED')).toBe('UNAVAILABLE'), MENDED)
    expect((await create('a')).errors).toEqual(UNAVAILABLE)
    await unlock()
    await vi.waitFor(async () => expect(await codeOf(secret)).toBe('VALID'), MENDED)
  })
})

describe('many who ask at once, with a database that answers,', () => {
  test('are all answered about a keyspace that has just been changed, and so is who asks what is not known', async () => {
    const { secret } = await app.createKey(keyspaceId)
    const rename = 'mutation ($input: UpdateKeyspaceInput!) { updateKeyspace(input: $input) { __typename } }'
    // Not always at once: they are asked here, too, and who asks takes more of a busy machine than who answers.
    await vi.waitFor(async () => {
      await app.ask(rename, { input: { keyspaceId, name: `at ${performance.now()}` } })
      const answers = await Promise.all(Array.from({ length: MANY }, () => proxied(secret)))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    }, MENDED)
  })

  test('keep nobody waiting by what they make up', async () => {
    const unknown = await Promise.all(Array.from({ length: 5 }, () => app.createKey(keyspaceId)))
    const madeUp = () => newId('ks', knownShardOf(keyspaceId))
    const asking = Promise.all(
      Array.from({ length: MANY }, (_, n) =>
        proxied('x', { credential: n % 2 === 0 ? guard : 'nonsense', to: madeUp() }),
      ),
    )
    await vi.waitFor(async () => {
      const codes = await Promise.all(unknown.map(({ secret }) => codeOf(secret, 'BOUNDED')))
      expect(codes).toEqual(unknown.map(() => 'VALID'))
    }, MENDED)
    for (const answer of await asking) expect(answer.status).toBe(401)
  })
})

describe('mutations', () => {
  test('that a lock keeps waiting are told that they may be sent again, with nothing changed', async () => {
    const { unlock } = await lockTable('state.key')
    const { data } = await create('kept waiting', 'kept-waiting-1')
    expect(data?.createKey).toEqual({ code: 'CONFLICT' })
    await unlock()
    expect((await create('kept waiting', 'kept-waiting-1')).data?.createKey.key).toBeDefined()
    expect(await keysNamed('kept waiting')).toBe(1)
  })

  test('that take too long are UNAVAILABLE, with nothing changed', async () => {
    const { pool } = app.database.owner
    await pool.query(`CREATE FUNCTION state.dawdle() RETURNS trigger LANGUAGE plpgsql
                      AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'`)
    await pool.query('CREATE TRIGGER dawdle BEFORE INSERT ON state.key FOR EACH ROW EXECUTE FUNCTION state.dawdle()')
    const { status, errors } = await create('slow', 'slow-1')
    await pool.query('DROP TRIGGER dawdle ON state.key; DROP FUNCTION state.dawdle')
    expect(errors).toEqual(UNAVAILABLE)
    expect(status).toBe(503)
    expect((await create('slow', 'slow-1')).data?.createKey.key).toBeDefined()
    expect(await keysNamed('slow')).toBe(1)
  })

  test('that find the pool taken may be sent again, and verdicts need none of it', async () => {
    const known = await app.createKey(keyspaceId)
    const unknown = await app.createKey(keyspaceId)
    expect(await codeOf(known.secret)).toBe('VALID')
    const { unlock } = await lockTable('log.stream')
    const { pool } = app.app.services.database
    const sending = Promise.all(Array.from({ length: MANY }, (_, index) => create(`many ${index}`, `many-${index}`)))
    await vi.waitFor(() => expect(pool.waitingCount).toBeGreaterThan(0), MENDED)
    // Not at once where all that is asked keeps the processor busy.
    await vi.waitFor(async () => expect(await codeOf(known.secret)).toBe('VALID'), MENDED)
    await vi.waitFor(async () => expect(await codeOf(unknown.secret)).toBe('VALID'), MENDED)
    await vi.waitFor(async () => expect((await proxied(known.secret)).status).toBe(200), MENDED)
    expect(pool.waitingCount + pool.totalCount - pool.idleCount).toBeGreaterThan(0)
    const answers = await sending
    const done = answers.filter(({ data }) => data?.createKey.key !== undefined)
    const toBeSentAgain = answers.filter(
      ({ errors, data }) => errors[0]?.extensions?.retryAfter === 1 || data?.createKey.code === 'CONFLICT',
    )
    expect(done).toEqual([])
    expect(toBeSentAgain).toHaveLength(MANY)
    await unlock()
    const again = await vi.waitFor(async () => {
      const answer = await create('many 0', 'many-0')
      expect(answer.errors).toEqual([])
      return answer
    }, MENDED)
    expect(again.data?.createKey.key).toBeDefined()
    expect(pool.totalCount).toBeLessThanOrEqual(POOL_SIZE)
  })
})

async function keysNamed(name: string): Promise<number> {
  const { rowCount } = await app.database.owner.pool.query('SELECT FROM state.key WHERE name = $1', [name])
  return rowCount ?? 0
}
