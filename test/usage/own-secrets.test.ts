// Callers' own secrets in what services tell of uses: where they are found, and what is kept where there is too much to search.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import type { Caller } from '#domain/caller.ts'
import { createTestClock, type TestClock } from '#test/support/clock.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type MadeKey, type TestServices, testKeyring, testServices } from '#test/support/services.ts'
import { UNSEARCHED } from '#usage/own-secrets.ts'
import { recordAccess } from '#usage/record-access.ts'

const BOTH = { request: true, response: true }

let database: TestDatabase
let clock: TestClock
let at: TestServices
let account: MadeAccount
let key: MadeKey
let writer: Caller

beforeAll(async () => {
  database = await createTestDatabase()
  clock = createTestClock()
  at = testServices(database.serving, { clock })
  account = await at.createAccount()
  writer = (await at.createCaller(account, ['logs.write'])).origin.caller
})
afterAll(() => database.drop())
beforeEach(async () => {
  await database.owner.pool.query('TRUNCATE usage.access_log')
})

const entry = (given: object = {}) => ({ keyId: key.keyId, at: clock.now(), verdict: 'VALID', ...given })
const record = (...entries: readonly object[]) => recordAccess(at, writer, { entries })
const rows = () => database.serving.kysely.selectFrom('usage.access_log').selectAll().orderBy('at').execute()

async function kept(given: object) {
  expect(await record(entry(given))).toEqual({ kind: 'recorded', recorded: 1 })
  const [row] = await rows()
  return row
}

describe("a caller's own secret", () => {
  const SIGNS = `q7/Lw+2=Zk"9:x&T@4v,Jm?8p%41Rd{5}`
  const own = async (secret: string, rules: object = {}) => {
    const custom = await at.createKeyspace(account.accountId, { customSecrets: true, ...rules })
    key = await at.createKey(custom, { codes: [{ secret }], logging: BOTH })
    return custom
  }
  const random = () => crypto.randomUUID()
  const escaped = (secret: string) =>
    [...secret].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
  const everyByte = (secret: string) => [...secret].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('')

  test.each<[string, (secret: string) => string]>([
    ['alone', (s) => s],
    ['a word', (s) => `echo ${s}`],
    ['the end of a sentence', (s) => `You sent ${s}.`],
    ['a member of JSON', (s) => `{"you":${JSON.stringify(s)}}`],
    ['an item of JSON', (s) => JSON.stringify(['a', s, 'b'])],
    ['JSON in JSON', (s) => JSON.stringify({ log: JSON.stringify({ you: s }) })],
    ['JSON, escaped', (s) => `{"you":"${escaped(s)}"}`],
    ['a part of a path', (s) => `/v1/${encodeURIComponent(s)}/items?page=2`],
    ['a part of a path, each byte encoded', (s) => `/v1/${everyByte(s)}/items`],
    ['a parameter', (s) => `/v1?x=1&strange=${encodeURIComponent(s)}&y=2#end`],
    ['a form', (s) => new URLSearchParams({ a: 'b', strange: s, c: 'd' }).toString()],
    ['a URL in a URL', (s) => `/v1?next=${encodeURIComponent(`/v2?strange=${encodeURIComponent(s)}`)}`],
    ['a header', (s) => `GET / HTTP/1.1\r\nStrange: ${s}\r\n\r\n`],
  ])('is in nothing that is kept: %s', async (_where, write) => {
    for (const secret of [random(), SIGNS + random()]) {
      await database.owner.pool.query('TRUNCATE usage.access_log')
      await own(secret)
      const text = write(secret)
      const row = await kept({
        codeId: key.codeIds[0],
        path: text,
        userAgent: text,
        requestBody: text,
        responseBody: text,
      })
      for (const value of [row?.path, row?.user_agent, row?.request_body, row?.response_body])
        expect(value, text).toContain('[redacted]')
      const told = JSON.stringify(row)
      for (const writing of [
        secret,
        encodeURIComponent(secret),
        everyByte(secret),
        JSON.stringify(secret).slice(1, -1),
      ])
        expect(told, text).not.toContain(writing)
    }
  })

  test('is found whatever its code has become, and when no more such are allowed', async () => {
    const secret = random()
    const keyspace = await own(secret)
    await at.done(rotateKey, { keyId: key.keyId, slot: 'PRIMARY', overlapSeconds: 0 })
    await at.done(updateKeyspace, { keyspaceId: keyspace, rules: { customSecrets: false } })
    expect((await kept({ userAgent: `echo ${secret}` }))?.user_agent).toBe('echo [redacted]')
  })

  test('is found under an older secret of the server', async () => {
    const secret = random()
    await own(secret)
    at = testServices(database.serving, { clock, keyring: testKeyring('k2', 'k1') })
    expect((await kept({ userAgent: `echo ${secret}` }))?.user_agent).toBe('echo [redacted]')
    at = testServices(database.serving, { clock })
  })

  test('is found run together with other text where it is kept to be shown again', async () => {
    const secret = random()
    await own(secret, { secretDisplay: 'REVEALABLE' })
    expect((await kept({ userAgent: `a${secret}b` }))?.user_agent).toBe('a[redacted]b')
  })

  test('is found by who records uses of a linked key', async () => {
    const secret = random()
    await own(secret)
    const other = await at.createAccount('Linking')
    await at.linkKey(other.accountId, key.keyId)
    const { caller } = (await at.createCaller(other, ['logs.write'])).origin
    const outcome = await recordAccess(at, caller, { entries: [entry({ userAgent: `echo ${secret}` })] })
    expect(outcome.kind).toBe('recorded')
    expect((await rows())[0]?.user_agent).toBe('echo [redacted]')
  })

  test('of another key, and what is no secret, stays', async () => {
    await own(random())
    const text = `{"id":"${random()}","next":"/v1/${random()}?page=%32"}`
    expect((await kept({ requestBody: text }))?.request_body).toBe(text)
  })

  test('is found after a name and in a path with signs that others end words with', async () => {
    const secret = `q7/Lw+2${random()}==`
    await own(secret)
    const row = await kept({ userAgent: `strange=${secret}; a=b`, path: `/v1/${secret}` })
    expect([row?.user_agent, row?.path]).toEqual(['strange=[redacted]; a=b', '/v1/[redacted]'])
  })

  test.each<[string, number, () => string]>([
    ['words', 10, () => Array.from({ length: 3_800 }, () => random().replaceAll('-', '').slice(0, 16)).join(' ')],
    ['writings', 40, () => '%2525255c\\u0025'.repeat(1_500)],
  ])('is not kept where a call has more than can be searched: too many %s', async (_what, count, make) => {
    await own(random())
    const sent = Array.from({ length: count }, make)
    expect(await record(...sent.map((requestBody) => entry({ requestBody })))).toMatchObject({ recorded: count })
    const bodies = (await rows()).map(({ request_body }) => request_body)
    const unsearched = bodies.filter((body) => body === UNSEARCHED)
    expect(unsearched.length).toBeGreaterThan(2)
    expect(unsearched.length).toBeLessThan(count - 2)
    expect(bodies.filter((body) => body !== UNSEARCHED && !sent.includes(body ?? ''))).toEqual([])
  })
})
