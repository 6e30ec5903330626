// Retries are safe: the first outcome once more, and nothing new, through every change of the server's secrets.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAccount } from '#commands/create-account.ts'
import { createKey } from '#commands/create-key.ts'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { disableKey } from '#commands/disable-key.ts'
import { enableKey } from '#commands/enable-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { connect, type Database } from '#database/connect.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testKeyring, testServices, tracesIn } from '#test/support/services.ts'

const REUSED = { code: 'IDEMPOTENCY_KEY_REUSED' }

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let keyspaceId: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  keyspaceId = await at.createKeyspace(account.accountId)
})
afterAll(() => database.drop())

const input = (idempotencyKey: string | null, more: object = {}) => ({
  keyspaceId,
  name: 'key',
  enabled: true,
  ...more,
  idempotencyKey,
})

async function remembered(): Promise<number> {
  const { rows } = await database.owner.pool.query('SELECT count(*)::integer AS count FROM vault.idempotency')
  return rows[0].count
}

describe('a retry', () => {
  test('long after still names what the first answer named, whatever became of it', async () => {
    const first = await at.done(createKey, input('lasting'))
    const { keyId } = first.result
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 })
    await at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })
    const again = await at.done(createKey, input('lasting'))
    expect(again.result).toEqual(first.result)
    expect(again.eventIds).toEqual(first.eventIds)
    expect(again.secrets.size).toBe(0)
  })

  test('of a success without events is one without events, and does not do it after all', async () => {
    const { keyId } = await at.createKey(keyspaceId)
    expect((await at.done(enableKey, { keyId, idempotencyKey: 'already' })).eventIds).toEqual([])
    await at.done(disableKey, { keyId })
    expect((await at.done(enableKey, { keyId, idempotencyKey: 'already' })).eventIds).toEqual([])
    expect((await at.done(enableKey, { keyId })).eventIds).toHaveLength(1)
  })

  test('needs no version, as the first one has moved it on', async () => {
    const { keyId } = await at.createKey(keyspaceId)
    const versioned = { keyId, name: 'moved on', expectedVersion: 2, idempotencyKey: 'moved on' }
    const first = await at.done(updateKey, versioned)
    expect((await at.done(updateKey, versioned)).eventIds).toEqual(first.eventIds)
  })

  test('is asked again for the right to do it', async () => {
    const caller = await at.createCaller(account, ['keys.write'])
    await at.done(createKey, input('right'), caller.origin)
    const origin = { ...caller.origin, caller: { ...caller.origin.caller, permissions: ['keys.read'] } }
    await expect(at.run(createKey, input('right'), origin)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect((await at.done(createKey, input('right'), caller.origin)).secrets.size).toBe(0)
  })

  test('without a key of its own is no retry', async () => {
    const before = await remembered()
    const [one, other] = [await at.done(createKey, input(null)), await at.done(createKey, input(null))]
    expect(one.result).not.toEqual(other.result)
    expect(await remembered()).toBe(before)
  })
})

describe('the input of a retry', () => {
  test.each([
    ['a member that is null instead of absent', { description: null }, {}],
    ['a member that is absent instead of null', {}, { description: null }],
    ['an empty list instead of none', { tags: [] }, {}],
    ['a list in another order', { tags: ['a', 'b'] }, { tags: ['b', 'a'] }],
    ['another value deep inside', { metadata: { a: [1, { b: 2 }] } }, { metadata: { a: [1, { b: '2' }] } }],
    ['a list where an object was', { metadata: {} }, { metadata: [] }],
  ])('is another with %s', async (what, first, second) => {
    await at.done(createKey, input(what, first))
    const before = await tracesIn(database.owner)
    expect(await at.refusal(createKey, input(what, second))).toEqual(REUSED)
    expect(await tracesIn(database.owner)).toEqual(before)
  })

  test('is the same with its members in another order, and with what is no member of it', async () => {
    const first = await at.done(createKey, input('order', { metadata: { a: 1, b: { c: 2, d: 3 } }, tags: undefined }))
    const again = {
      idempotencyKey: 'order',
      metadata: { b: { d: 3, c: 2 }, a: 1 },
      enabled: true,
      name: 'key',
      keyspaceId,
    }
    expect((await at.done(createKey, again)).result).toEqual(first.result)
  })
})

describe('an idempotency key', () => {
  test('is each caller’s own', async () => {
    const callers = [
      at.root,
      (await at.createCaller(account, ['*'])).origin,
      (await at.createCaller(account, ['*'])).origin,
    ]
    const keyIds = new Set()
    for (const origin of callers) keyIds.add((await at.done(createKey, input('shared'), origin)).result.keyId)
    expect(keyIds.size).toBe(3)
  })

  test('is each mutation’s own', async () => {
    const { keyId } = await at.createKey(keyspaceId)
    const asked = { keyId, idempotencyKey: 'one for all' }
    const outcomes = [
      await at.done(disableKey, asked),
      await at.done(enableKey, asked),
      await at.done(issueCode, asked),
    ]
    const { rows } = await database.owner.pool.query(
      'SELECT type FROM log.event WHERE event_id = ANY ($1) ORDER BY position',
      [outcomes.flatMap(({ eventIds }) => eventIds)],
    )
    expect(rows.map(({ type }) => type)).toEqual(['key.disabled', 'key.enabled', 'code.issued'])
  })

  test('is compared exactly', async () => {
    const keyIds = new Set()
    for (const key of ['Exact', 'exact', 'exact ', '\u00e9', 'e\u0301'])
      keyIds.add((await at.done(createKey, input(key))).result.keyId)
    expect(keyIds.size).toBe(5)
  })

  test('may be that of a request that was refused', async () => {
    const { accountId } = await at.createAccount()
    const first = await at.createKeyspace(accountId, {}, 'Taken')
    const taken = { accountId, name: 'Taken', idempotencyKey: 'refused before' }
    const before = await remembered()
    expect(await at.refusal(createKeyspace, taken)).toEqual({ code: 'NAME_IN_USE' })
    expect(await remembered()).toBe(before)
    await at.done(updateKeyspace, { keyspaceId: first, name: 'Free' })
    expect((await at.done(createKeyspace, taken)).eventIds).toHaveLength(1)
    expect(await remembered()).toBe(before + 1)
  })

  test('may be that of a request that failed', async () => {
    const failing: typeof createKey = { ...createKey, decide: () => Promise.reject(new Error('a defect')) }
    const before = await tracesIn(database.owner)
    await expect(at.run(failing, input('failed before'))).rejects.toThrow('a defect')
    expect(await tracesIn(database.owner)).toEqual(before)
    expect((await at.done(createKey, input('failed before'))).secrets.size).toBe(1)
  })
})

describe('while the secrets of the server change', () => {
  const withSecrets = (...ids: readonly string[]) =>
    testServices(database.serving, { keyring: testKeyring(...ids), clock: at.clock })

  test.each([
    ['a newer one was put in front', ['k1'], ['k2', 'k1']],
    ['another was put in front of two', ['k2', 'k1'], ['k3', 'k2', 'k1']],
    ['the order was turned', ['k1', 'k2'], ['k2', 'k1']],
    ['the older one was dropped', ['k2', 'k1'], ['k2']],
    ['the newer one was taken back', ['k2', 'k1'], ['k1']],
    ['one was put in front and the oldest dropped', ['k2', 'k1'], ['k3', 'k2']],
  ])('a retry matches after %s', async (what, before, after) => {
    const first = await withSecrets(...before).done(createKey, input(what))
    const traces = await tracesIn(database.owner)
    const later = withSecrets(...after)
    const again = await later.done(createKey, input(what))
    expect([again.result, again.eventIds, again.secrets.size]).toEqual([first.result, first.eventIds, 0])
    expect(await later.refusal(createKey, input(what, { name: 'other' }))).toEqual(REUSED)
    expect(await tracesIn(database.owner)).toEqual(traces)
  })

  describe('and instances disagree on the newest', () => {
    const pools: Database[] = []
    afterAll(() => Promise.all(pools.map((pool) => pool.close())))

    function instance(...ids: readonly string[]): TestServices {
      const pool = connect({
        connection: database.servingConnection,
        prepared: true,
        poolSize: 4,
        queryTimeoutMs: 30_000,
        applicationName: 'keyledger-test-instance',
        onIdleError: () => undefined,
      })
      pools.push(pool)
      return testServices(pool, { keyring: testKeyring(...ids), clock: at.clock })
    }

    test.each([
      ['one knows the new one already', ['k1'], ['k2', 'k1']],
      ['both know both', ['k1', 'k2'], ['k2', 'k1']],
      ['each lacks another', ['k2', 'k1'], ['k3', 'k2']],
    ])('a request and its retry at once have one outcome, where %s', async (what, one, other) => {
      const instances = [instance(...one), instance(...other)]
      for (let round = 0; round < 8; round++) {
        const asked = input(`${what} ${round}`)
        const outcomes = await Promise.all([...instances, ...instances].map((each) => each.done(createKey, asked)))
        expect(new Set(outcomes.map(({ result }) => result.keyId)).size).toBe(1)
        expect(new Set(outcomes.flatMap(({ eventIds }) => eventIds)).size).toBe(2)
        expect(outcomes.map(({ secrets }) => secrets.size).sort()).toEqual([0, 0, 0, 1])
      }
      const { rows } = await database.owner.pool.query('SELECT 1 FROM vault.idempotency WHERE outcome IS NULL')
      expect(rows).toEqual([])
    })
  })
})

test('what is remembered is the outcome’s ids, and neither key nor input', async () => {
  const { result } = await at.done(createAccount, { name: 'Unrepeated name', idempotencyKey: 'unrepeated key' })
  const { rows } = await database.owner.pool.query('SELECT t.*, t::text AS text FROM vault.idempotency t')
  const row = rows.find(({ outcome }) => outcome.result.accountId === result.accountId)
  expect(row).toMatchObject({ caller: 'root', mutation: 'createAccount', secret_id: 'k1' })
  expect(Object.keys(row.outcome).sort()).toEqual(['accountId', 'eventIds', 'result'])
  for (const { text } of rows) expect(text).not.toMatch(/Unrepeated|unrepeated/)
})
