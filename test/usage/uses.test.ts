// Last use and counts: what is noted of a use, how it gets into the database, and what can't be lost on the way.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { disableKey } from '#commands/disable-key.ts'
import { connect } from '#database/connect.ts'
import type { Instant } from '#domain/instant.ts'
import { createTestClock } from '#test/support/clock.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { recordingLogger } from '#test/support/log.ts'
import { type MadeKey, testServices } from '#test/support/services.ts'
import { gatherUses, type UsedCode, type UseGatherer } from '#usage/uses.ts'
import { authenticate } from '#verify/authenticate.ts'
import { verifyKeys } from '#verify/verify-keys.ts'

const FIRST = '2026-11-21T23:59:59.000Z'
const SECOND = '2026-11-22T00:00:01.000Z'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())
beforeEach(() => database.owner.pool.query('TRUNCATE usage.key_use, usage.code_use, usage.code_day'))

function gatherer(codesMax?: number) {
  const { log, logged } = recordingLogger()
  const uses = gatherUses({ database: database.serving, log, ...(codesMax === undefined ? {} : { codesMax }) })
  return { uses, logged }
}

/** The `n`th code of the key `k`, ids only. */
function codeOf(k: number, n = 1): UsedCode {
  const id = (kind: string, number: number) => `${kind}_00${String(number).padStart(20, '0')}`
  return { accountId: id('acct', 1), keyspaceId: id('ks', 1), keyId: id('key', k), codeId: id('code', 10 * k + n) }
}

async function stored() {
  const [keys, codes, days] = await Promise.all([
    database.serving.kysely.selectFrom('usage.key_use').selectAll().orderBy('key_id').execute(),
    database.serving.kysely.selectFrom('usage.code_use').selectAll().orderBy('code_id').execute(),
    database.serving.kysely.selectFrom('usage.code_day').selectAll().orderBy('code_id').orderBy('day').execute(),
  ])
  return {
    keys: keys.map((row) => row.last_used_at),
    codes: codes.map((row) => row.last_used_at),
    days: days.map(({ day, uses }) => [day, uses]),
  }
}

describe('uses', () => {
  test('are written with the last instant of each code and key, and counted by code and UTC day', async () => {
    const { uses } = gatherer()
    uses.record(codeOf(1), SECOND)
    uses.record(codeOf(1), FIRST)
    uses.record(codeOf(1), FIRST)
    uses.record(codeOf(1, 2), FIRST)
    uses.record(codeOf(2), FIRST)
    await uses.flush()
    expect(await stored()).toEqual({
      keys: [SECOND, FIRST],
      codes: [SECOND, FIRST, FIRST],
      days: [
        ['2026-11-21', 2n],
        ['2026-11-22', 1n],
        ['2026-11-21', 1n],
        ['2026-11-21', 1n],
      ],
    })
  })

  test('never go back, in whatever order two instances come to write', async () => {
    const [one, other] = [gatherer().uses, gatherer().uses]
    one.record(codeOf(1), SECOND)
    other.record(codeOf(1), FIRST)
    await one.flush()
    await other.flush()
    expect(await stored()).toMatchObject({
      keys: [SECOND],
      codes: [SECOND],
      days: [
        ['2026-11-21', 1n],
        ['2026-11-22', 1n],
      ],
    })
  })

  test('of many codes are all counted when instances write them side by side', async () => {
    const instances = Array.from({ length: 4 }, () => gatherer())
    for (const { uses } of instances)
      for (let round = 0; round < 3; round++)
        for (let k = 0; k < 2_500; k++) uses.record(codeOf((k * (round + 7)) % 2_500), FIRST)
    await Promise.all(instances.map(({ uses }) => uses.flush()))
    const { rows } = await database.owner.pool.query('SELECT count(*)::int, sum(uses)::int AS uses FROM usage.code_day')
    expect(rows).toEqual([{ count: 2_500, uses: 30_000 }])
    for (const { logged } of instances) expect(logged).toEqual([])
  })

  test('are written by themselves, some seconds later', async () => {
    const { uses } = gatherer()
    uses.record(codeOf(1), FIRST)
    expect((await stored()).keys).toEqual([])
    await expect.poll(async () => (await stored()).keys).toEqual([FIRST])
  })

  test('are written when the gatherer is stopped', async () => {
    const { uses } = gatherer()
    uses.record(codeOf(1), FIRST)
    await uses.stop()
    expect((await stored()).keys).toEqual([FIRST])
  })

  test('are kept while the database is away, which is logged once, and written when it is back', async () => {
    const { uses, logged } = gatherer()
    await database.owner.pool.query('ALTER TABLE usage.code_day RENAME TO hidden')
    try {
      uses.record(codeOf(1), FIRST)
      await uses.flush()
      uses.record(codeOf(1), SECOND)
      await uses.flush()
      await uses.flush()
      expect(logged.map(({ level }) => level)).toEqual(['warn'])
    } finally {
      await database.owner.pool.query('ALTER TABLE usage.hidden RENAME TO code_day')
    }
    expect((await stored()).keys).toEqual([])
    await uses.flush()
    expect(await stored()).toMatchObject({
      keys: [SECOND],
      days: [
        ['2026-11-21', 1n],
        ['2026-11-22', 1n],
      ],
    })
    expect(logged.map(({ level }) => level)).toEqual(['warn', 'info'])
  })

  test('of more codes than are gathered are left out, and those gathered go on being counted', async () => {
    const { uses } = gatherer(2)
    for (const k of [1, 2, 3, 1]) uses.record(codeOf(k), FIRST)
    await uses.flush()
    expect((await stored()).days).toEqual([
      ['2026-11-21', 2n],
      ['2026-11-21', 1n],
    ])
    uses.record(codeOf(3), SECOND)
    await uses.flush()
    expect((await stored()).keys).toEqual([FIRST, FIRST, SECOND])
  })
})

describe('a use', () => {
  let at: ReturnType<typeof testServices>
  let uses: UseGatherer
  let key: MadeKey
  const clock = createTestClock()
  beforeEach(async () => {
    uses = gatherer().uses
    at = testServices(database.serving, { uses, clock })
    key = await at.createKey(await at.createKeyspace((await at.createAccount()).accountId), {
      permissions: ['ads.read'],
    })
  })

  async function used(): Promise<readonly Instant[]> {
    await uses.flush()
    const { keys, codes } = await stored()
    expect(keys).toEqual(codes)
    return keys
  }

  test('is a verification that says VALID, at its instant', async () => {
    const [verdict] = await verifyKeys(at, at.root.caller, [{ key: key.secrets[0] ?? '', permission: 'ads.read' }])
    expect(await used()).toEqual([verdict?.checkedAt])
    clock.advance(60_000)
    await verifyKeys(at, at.root.caller, [{ key: key.secrets[0] ?? '' }])
    expect(await used()).toEqual([clock.now()])
  })

  test('is no verification with another verdict', async () => {
    const secret = key.secrets[0] ?? ''
    await verifyKeys(at, at.root.caller, [
      { key: secret, permission: 'ads.write' },
      { key: `${secret}x` },
      { key: secret, keyspaceId: 'other' },
    ])
    await at.done(disableKey, { keyId: key.keyId })
    await verifyKeys(at, at.root.caller, [{ key: secret }])
    expect(await used()).toEqual([])
  })

  test("is a management key's call of this API, and none that is turned away", async () => {
    const caller = await at.createCaller(await at.createAccount(), ['keys.read'])
    await authenticate(at, `Bearer ${caller.secret}`)
    expect(await used()).toEqual([clock.now()])
    await at.done(disableKey, { keyId: caller.keyId })
    clock.advance(60_000)
    await authenticate(at, `Bearer ${caller.secret}`)
    expect(await used()).not.toContain(clock.now())
  })

  test('costs a verdict nothing where the tables are locked or the database fails', async () => {
    const owner = await database.owner.pool.connect()
    await owner.query('BEGIN; LOCK TABLE usage.key_use, usage.code_use, usage.code_day IN ACCESS EXCLUSIVE MODE')
    const [first] = await verifyKeys(at, at.root.caller, [{ key: key.secrets[0] ?? '' }])
    const flushed = uses.flush()
    const [second] = await verifyKeys(at, at.root.caller, [{ key: key.secrets[0] ?? '' }])
    expect([first?.code, second?.code]).toEqual(['VALID', 'VALID'])
    await owner.query('COMMIT')
    owner.release()
    await flushed
    expect(await used()).toHaveLength(1)
  })
})

test('a gatherer whose database is gone for good stops all the same', async () => {
  const gone = connect({
    connection: { connectionString: 'postgres://nobody@127.0.0.1:1/nothing' },
    prepared: true,
    poolSize: 1,
    queryTimeoutMs: 1_000,
    applicationName: 'keyledger-test',
    onIdleError: () => undefined,
  })
  const { log, logged } = recordingLogger()
  const uses = gatherUses({ database: gone, log })
  uses.record(codeOf(1), FIRST)
  await uses.stop()
  expect(logged.map(({ level }) => level)).toEqual(['warn'])
  await gone.close()
})
