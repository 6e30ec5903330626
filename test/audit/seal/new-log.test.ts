import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readEntry } from '#audit/entry.ts'
import { type Begun, newLog } from '#audit/seal/new-log.ts'
import { updateAccount } from '#commands/update-account.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { HOST, memoryAnchor, readSealedLog, testSealer, testSigningKeys } from '#test/support/sealing.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { backUp, clearLog, restore, restoreEvents, tamper } from '#test/support/tamper.ts'

let database: TestDatabase
let at: TestServices
let accountId: string
let anchor: ReturnType<typeof memoryAnchor>

beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
beforeEach(async () => {
  await clearLog(database)
  accountId = (await at.createAccount()).accountId
  anchor = memoryAnchor()
})
afterAll(() => database.drop())

async function rename(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await at.done(updateAccount, { accountId, name: `name ${Math.random()}` })
}

async function seal(): Promise<void> {
  const sealer = testSealer({ database: database.serving, keyring: at.keyring }, { anchors: [anchor] })
  await sealer.sealNow()
  await sealer.stop()
}

/** A sealed event, by bringing back the backup before it. */
async function lose(): Promise<void> {
  await seal()
  await backUp(database)
  await rename(1)
  await seal()
  await restore(database)
}

function begin(keys = testSigningKeys('first')) {
  return newLog({
    database: database.owner,
    keyring: at.keyring,
    keys,
    host: HOST,
    anchors: [anchor],
    reason: 'restored',
    isKeyLost: false,
  })
}

async function begun(): Promise<Begun> {
  const outcome = await begin()
  if (outcome.kind === 'refused') throw new Error(outcome.why)
  return outcome
}

describe('after an older backup was restored', () => {
  test('another log says what it goes on from and seals all that is there, and what is missing is told by position', async () => {
    await rename(2)
    await seal()
    await backUp(database)
    const former = await readSealedLog(database.owner)
    await rename(3)
    await seal()
    const lost = anchor.kept.at(-1)
    await restore(database)
    await rename(1)
    await seal()
    expect((await readSealedLog(database.owner)).refusal).toMatch(/history was set back/)

    const outcome = await begun()
    const [shard = ''] = Object.keys(lost?.heads ?? {})
    const sealed = BigInt(former.size - 1)
    expect(outcome).toMatchObject({
      origin: `${HOST}/audit/2`,
      former: { origin: `${HOST}/audit/1`, size: former.size },
      anchored: { size: former.size + 3 },
      lostPositions: [{ shard: Number(shard), from: sealed + 1n, to: sealed + 3n }],
      lostLeaves: [],
    })
    await seal()
    const log = await readSealedLog(database.owner)
    expect(log).toMatchObject({ number: 2, origin: `${HOST}/audit/2`, refusal: null })
    const { rows } = await database.owner.pool.query('SELECT count(*)::int AS count FROM log.event')
    expect(log.size).toBe(rows[0].count + 1)
    expect(readEntry(log.entries[0] ?? Buffer.alloc(0))).toMatchObject({
      entry: {
        kind: 'opened',
        continues: { note: former.notes.at(-1), anchored: { size: lost?.size }, reason: 'restored' },
      },
    })
  })

  test('the former log stays as it is, and takes nothing more', async () => {
    await lose()
    await begun()
    await expect(
      database.serving.pool.query('UPDATE audit.log SET size = size + 1 WHERE log_number = 1'),
    ).rejects.toThrow('append-only')
    const { rows } = await database.owner.pool.query('SELECT DISTINCT log_number FROM audit.tile ORDER BY 1')
    expect(rows).toEqual([{ log_number: 1 }, { log_number: 2 }])
  })
})

test('a log that was closed is gone on from, where a former one was opened again beside it', async () => {
  await lose()
  await begun()
  await tamper(
    database,
    'UPDATE audit.log SET closed_at = now() WHERE log_number = 2',
    'UPDATE audit.log SET closed_at = NULL WHERE log_number = 1',
  )
  expect(await begun()).toMatchObject({ origin: `${HOST}/audit/3`, former: { origin: `${HOST}/audit/2` } })
})

test('entries whose events are gone are told one by one, though the audit log itself is whole', async () => {
  await rename(4)
  await seal()
  const { size } = await readSealedLog(database.owner)
  await backUp(database)
  await rename(2)
  await seal()
  await restoreEvents(database)
  expect(await begun()).toMatchObject({
    former: { size: size + 2 },
    lostLeaves: [{ index: size }, { index: size + 1 }],
    unlisted: 0,
  })
})

test('entries of which nobody knows any more what they were are counted', async () => {
  await rename(4)
  await seal()
  await tamper(
    database,
    'DELETE FROM audit.leaf WHERE leaf_index = 3',
    `UPDATE audit.log SET root = decode(repeat('00', 32), 'hex')`,
  )
  expect(await begun()).toMatchObject({ lostLeaves: [], unlisted: 1 })
})

test('an event that can not be sealed keeps another log from being begun, until it is put back', async () => {
  await rename(4)
  await seal()
  await backUp(database)
  await tamper(
    database,
    'DELETE FROM log.event WHERE version = 3',
    `UPDATE audit.log SET root = decode(repeat('00', 32), 'hex')`,
  )
  expect(await begin()).toMatchObject({ kind: 'refused', why: expect.stringMatching(/is missing. Put it back/) })
  expect(await readSealedLog(database.owner)).toMatchObject({ number: 1 })
  await restoreEvents(database)
  const { rows } = await database.owner.pool.query('SELECT count(*)::int AS count FROM log.event')
  expect(await begun()).toMatchObject({ entries: rows[0].count + 1 })
})

test('of a second restore of the same backup the number is above all that an anchor knows', async () => {
  await seal()
  await backUp(database)
  await rename(1)
  await seal()
  await restore(database)
  expect(await begun()).toMatchObject({ origin: `${HOST}/audit/2` })
  await rename(2)
  await seal()
  await restore(database)
  await seal()
  expect((await readSealedLog(database.owner)).refusal).toMatch(/history was set back/)
  expect(await begun()).toMatchObject({ origin: `${HOST}/audit/3`, anchored: { origin: `${HOST}/audit/2` } })
})

test('a log that another one follows is not gone on with where newer data comes back', async () => {
  await seal()
  await backUp(database)
  await tamper(database, `UPDATE audit.log SET root = decode(repeat('00', 32), 'hex')`)
  await begun()
  await seal()
  await restore(database)
  await rename(1)
  await seal()
  expect((await readSealedLog(database.owner)).refusal).toMatch(/knows of .*audit\/2, which follows this log/)
})

test('another log follows one that somebody closed, and one that only an anchor knows', async () => {
  await seal()
  await tamper(database, 'UPDATE audit.log SET closed_at = clock_timestamp()')
  expect(await begun()).toMatchObject({ origin: `${HOST}/audit/2`, lostLeaves: [], unlisted: 0 })
  await seal()
  await tamper(database, 'TRUNCATE audit.log, audit.cursor, audit.leaf, audit.tile, audit.checkpoint')
  expect(await begun()).toMatchObject({ origin: `${HOST}/audit/3`, anchored: { origin: `${HOST}/audit/2` } })
})

test('where the former keys are lost, only who says so goes on', async () => {
  await seal()
  const anchors = [memoryAnchor()]
  const parts = { database: database.owner, keyring: at.keyring, keys: testSigningKeys('other'), host: HOST, anchors }
  expect(await newLog({ ...parts, reason: 'lost', isKeyLost: false })).toMatchObject({ kind: 'refused' })
  expect(await newLog({ ...parts, reason: 'lost', isKeyLost: true })).toMatchObject({ kind: 'begun' })
})

test('another log is begun where the tiles are not those that were signed', async () => {
  await seal()
  await tamper(database, `UPDATE audit.tile SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)`)
  expect((await begun()).lostLeaves).toHaveLength(1)
})

describe('no other log is begun', () => {
  test('where the one that is there can go on', async () => {
    await seal()
    expect(await begin()).toMatchObject({ kind: 'refused', why: expect.stringContaining('can be gone on with') })
    expect(await readSealedLog(database.owner)).toMatchObject({ number: 1 })
  })

  test('where there is none', async () => {
    expect(await begin()).toMatchObject({ kind: 'refused' })
  })

  test('by keys that never signed the former one', async () => {
    await seal()
    await tamper(database, `UPDATE audit.log SET root = decode(repeat('00', 32), 'hex')`)
    expect(await begin(testSigningKeys('other'))).toMatchObject({
      kind: 'refused',
      why: expect.stringContaining('signed by the keys'),
    })
    expect(await readSealedLog(database.owner)).toMatchObject({ number: 1 })
  })
})
