// Recording uses: who may, of which keys, what is kept of them, and that it is telemetry.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { updateKey } from '#commands/update-key.ts'
import type { Caller } from '#domain/caller.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { createTestClock, type TestClock } from '#test/support/clock.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type MadeKey, ROOT, type TestServices, testServices } from '#test/support/services.ts'
import { keepAccessLog } from '#usage/keep.ts'
import { recordAccess } from '#usage/record-access.ts'

const BOTH = { request: true, response: true }

let database: TestDatabase
let clock: TestClock
let at: TestServices
let account: MadeAccount
let keyspaceId: string
let key: MadeKey
let writer: Caller

beforeAll(async () => {
  database = await createTestDatabase()
  clock = createTestClock()
  at = testServices(database.serving, { clock })
  account = await at.createAccount()
  keyspaceId = await at.createKeyspace(account.accountId)
  writer = (await at.createCaller(account, ['logs.write'])).origin.caller
})
afterAll(() => database.drop())
beforeEach(async () => {
  await database.owner.pool.query('TRUNCATE usage.access_log')
  key = await at.createKey(keyspaceId, { name: 'recorded', logging: BOTH })
})

const entry = (given: object = {}) => ({ keyId: key.keyId, at: clock.now(), verdict: 'VALID', ...given })
const record = (...entries: readonly object[]) => recordAccess(at, writer, { entries })
const rows = () => database.serving.kysely.selectFrom('usage.access_log').selectAll().orderBy('at').execute()

async function kept(given: object) {
  expect(await record(entry(given))).toEqual({ kind: 'recorded', recorded: 1 })
  const [row] = await rows()
  return row
}

/** Paths of what is wrong. */
async function issuesOf(...entries: readonly object[]): Promise<readonly string[]> {
  const outcome = await record(...entries)
  if (outcome.kind !== 'refused' || outcome.refusal.code !== 'INVALID_INPUT') throw new Error('was not refused')
  return outcome.refusal.issues.map(({ path }) => path.join('.'))
}

describe('an entry', () => {
  test('is kept with all that is told of it, and the name that the key has then', async () => {
    const told = {
      codeId: key.codeIds[0],
      method: 'POST',
      path: '/v1/reports?page=2',
      status: 201,
      durationMs: 37,
      clientIp: '2001:db8::1',
      userAgent: 'curl/8.9',
      requestBody: '{"a":1}',
      responseBody: 'naïve 🙂',
    }
    const row = await kept(told)
    await at.done(updateKey, { keyId: key.keyId, name: 'renamed' })
    expect(await rows()).toEqual([row])
    expect(row).toMatchObject({
      account_id: account.accountId,
      at: clock.now(),
      entry_id: expect.stringMatching(/^use_[0-9A-Za-z]{22}$/),
      key_id: key.keyId,
      key_name: 'recorded',
      code_id: key.codeIds[0],
      verdict: 'VALID',
      method: 'POST',
      path: '/v1/reports?page=2',
      status: 201,
      duration_ms: 37,
      client_ip: '2001:db8::1',
      user_agent: 'curl/8.9',
      request_body: '{"a":1}',
      response_body: 'naïve 🙂',
    })
  })

  test('is recorded twice when it is sent twice, and makes no event', async () => {
    const events = async () => (await database.owner.pool.query('SELECT count(*) FROM log.event')).rows
    const before = await events()
    await record(entry(), entry())
    expect(await rows()).toHaveLength(2)
    expect(await events()).toEqual(before)
  })

  test('is kept and can be recorded when its key is deleted', async () => {
    await record(entry())
    await at.done(deleteKey, { keyId: key.keyId, reason: 'UNSPECIFIED' })
    await record(entry({ verdict: 'REVOKED' }))
    expect((await rows()).map(({ verdict }) => verdict)).toEqual(['VALID', 'REVOKED'])
  })
})

describe('bodies', () => {
  test.each([
    [{ request: false, response: false }, [null, null]],
    [{ request: true, response: false }, ['in', null]],
    [{ request: false, response: true }, [null, 'out']],
    [BOTH, ['in', 'out']],
  ])('are kept where the key says so: %j', async (logging, expected) => {
    await at.done(updateKey, { keyId: key.keyId, logging })
    const row = await kept({ requestBody: 'in', responseBody: 'out' })
    expect([row?.request_body, row?.response_body]).toEqual(expected)
  })

  test.each(['x', 'é', '…', '🙂'])('of %s are cut to 64 KiB at a character, with a mark', async (character) => {
    const whole = character.repeat(65_536 / Buffer.byteLength(character))
    expect((await kept({ requestBody: whole }))?.request_body).toBe(whole)
    await database.owner.pool.query('TRUNCATE usage.access_log')
    const text = (await kept({ requestBody: `${character.repeat(30_000)}${whole}` }))?.request_body ?? ''
    expect(text).toMatch(new RegExp(`^(${character})+ …\\[cut\\]$`, 'u'))
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(65_536)
    expect(Buffer.byteLength(text)).toBeGreaterThan(65_530 - 4)
  })

  test('with a secret at the cut keep no part of it', async () => {
    const [secret = ''] = key.secrets
    const text = (await kept({ requestBody: `${'x'.repeat(65_490)} ${secret}` }))?.request_body ?? ''
    expect(text).not.toContain(secret.slice(16, 28))
  })

  test('that can not be stored as they are lose only what can not', async () => {
    const row = await kept({ requestBody: 'a\0b\ud800c', path: '/\0' })
    expect([row?.request_body, row?.path]).toEqual(['a\ufffdb\ufffdc', '/\ufffd'])
  })
})

describe('the presented secret', () => {
  test('is in none of what is kept, wherever it was sent', async () => {
    const [secret = ''] = key.secrets
    await record(
      entry({
        path: `/v1/${secret}?apiKey=${secret}`,
        userAgent: `client ${secret}`,
        requestBody: `POST / HTTP/1.1\r\nX-API-Key: ${secret}\r\n\r\n{"key":"${secret}"}`,
        responseBody: `You sent ${secret}`,
      }),
    )
    expect(JSON.stringify(await rows())).not.toContain(secret.slice(-38))
  })

  test("is taken out of the place that the keyspace presents it in, also where it is the caller's own", async () => {
    const { result } = await at.done(createKeyspace, {
      accountId: account.accountId,
      name: 'own',
      rules: { customSecrets: true, presentations: [{ place: 'QUERY', name: 'k' }] },
    })
    const secret = 'Correct.Horse-Battery.Staple.42'
    key = await at.createKey(result.keyspaceId, { codes: [{ secret }], logging: BOTH })
    expect((await kept({ path: `/x?k=${secret}&l=${secret.length}` }))?.path).toBe('/x?k=[redacted]&l=31')
  })
})

describe('refused, with nothing kept, is', () => {
  test.each<[string, () => object]>([
    ['an unknown key', () => ({ keyId: `${key.keyId.slice(0, -1)}_` })],
    ['an ill-formed one', () => ({ keyId: "' OR true" })],
    ['an unknown code', () => ({ codeId: `${key.codeIds[0]?.slice(0, -4)}0000` })],
    ['what is no code', () => ({ codeId: key.keyId })],
  ])('%s: not found', async (_what, given) => {
    const wrong = given()
    const [id] = Object.values(wrong)
    expect(await record(entry(), entry(wrong))).toEqual({
      kind: 'refused',
      refusal: { code: 'NOT_FOUND', subjectId: id },
    })
    expect(await rows()).toEqual([])
  })

  test("another account's key, exactly like an unknown one; for root both are found", async () => {
    const other = await at.createAccount()
    const theirs = await at.createKey(await at.createKeyspace(other.accountId))
    const notFound = { kind: 'refused', refusal: { code: 'NOT_FOUND', subjectId: theirs.keyId } }
    expect(await record(entry({ keyId: theirs.keyId }))).toEqual(notFound)
    expect(await recordAccess(at, ROOT.caller, { entries: [entry(), entry({ keyId: theirs.keyId })] })).toEqual({
      kind: 'recorded',
      recorded: 2,
    })
    expect((await rows()).map((row) => row.account_id).sort()).toEqual([account.accountId, other.accountId].sort())
  })

  test('a code of another key', async () => {
    const other = await at.createKey(keyspaceId)
    expect(await record(entry({ codeId: other.codeIds[0] }))).toMatchObject({ refusal: { code: 'NOT_FOUND' } })
  })

  test('more than 500 entries, or none', async () => {
    expect(await issuesOf(...Array.from({ length: 501 }, () => entry()))).toEqual(['entries'])
    expect(await issuesOf()).toEqual(['entries'])
    expect(await record(...Array.from({ length: 500 }, () => entry()))).toEqual({ kind: 'recorded', recorded: 500 })
  })

  test.each<[object, string]>([
    [{ method: 'GET /' }, 'method'],
    [{ method: 'x'.repeat(33) }, 'method'],
    [{ status: 99 }, 'status'],
    [{ status: 600 }, 'status'],
    [{ durationMs: -1 }, 'durationMs'],
    [{ durationMs: 2 ** 31 }, 'durationMs'],
    [{ clientIp: 'localhost' }, 'clientIp'],
    [{ clientIp: '1.2.3.4:80' }, 'clientIp'],
    [{ verdict: 'FINE' }, 'verdict'],
  ])('%j', async (given, field) => {
    expect(await issuesOf(entry(), entry(given))).toEqual([`entries.1.${field}`])
    expect(await rows()).toEqual([])
  })

  test('an instant more than 6 days past or 5 minutes ahead', async () => {
    const now = clock.now()
    expect(await issuesOf(entry({ at: plusMs(now, 300_001) }))).toEqual(['entries.0.at'])
    expect(await issuesOf(entry(), entry({ at: plusMs(now, -6 * DAY_MS - 1) }))).toEqual(['entries.1.at'])
    const fine = [300_000, 0, -6 * DAY_MS].map((ms) => entry({ at: plusMs(now, ms) }))
    expect(await record(...fine)).toEqual({ kind: 'recorded', recorded: 3 })
  })

  test('an instant older than entries are kept', async () => {
    const short = { ...at, accessLogDays: 1 }
    const old = { entries: [entry({ at: plusMs(clock.now(), -DAY_MS - 1) })] }
    expect(await recordAccess(short, writer, old)).toMatchObject({ refusal: { code: 'INVALID_INPUT' } })
  })

  test('who lacks logs.write', async () => {
    const { caller } = (await at.createCaller(account, ['logs.read', 'keys.write'])).origin
    await expect(recordAccess(at, caller, { entries: [entry()] })).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })
})

test('entries age out, and those that come after a long standstill find a place', async () => {
  await record(entry())
  clock.advance(30 * DAY_MS)
  // No housekeeping has run since: what is missing is made.
  expect(await record(entry())).toEqual({ kind: 'recorded', recorded: 1 })
  expect(await rows()).toHaveLength(2)
  clock.advance(DAY_MS)
  await keepAccessLog(database.serving, clock, 30)
  expect(await rows()).toHaveLength(1)
})
