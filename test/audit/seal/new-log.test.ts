import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readEntry } from '#audit/entry.ts'
import { type Begun, newLog } from '#audit/seal/new-log.ts'
import { updateAccount } from '#commands/update-account.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { HOST, memoryAnchor, readSealedLog, testSealer, testSigningKeys } from '#test/support/sealing.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { backUp, clearLog, restore, tamper } from '#test/support/tamper.ts'

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

function begin(keys = testSigningKeys('first')) {
  return newLog({ database: database.owner, keys, host: HOST, anchors: [anchor], reason: 'restored' })
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
    const lost = anchor.records.at(-1)
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
    await seal()
    await backUp(database)
    await rename(1)
    await seal()
    await restore(database)
    await begun()
    await expect(
      database.serving.pool.query('UPDATE audit.log SET size = size + 1 WHERE log_number = 1'),
    ).rejects.toThrow('append-only')
    const { rows } = await database.owner.pool.query('SELECT DISTINCT log_number FROM audit.tile ORDER BY 1')
    expect(rows).toEqual([{ log_number: 1 }, { log_number: 2 }])
  })
})

test('events that are gone or changed are told by their entries', async () => {
  await rename(4)
  await seal()
  await tamper(
    database,
    'DELETE FROM log.event WHERE version = 3',
    `UPDATE log.event SET body = overlay(body placing 'x' from 20) WHERE version = 4`,
    // So that the log itself does not agree either.
    `UPDATE audit.log SET root = decode(repeat('00', 32), 'hex')`,
  )
  const { lostLeaves } = await begun()
  const { rows } = await database.owner.pool.query(
    `SELECT leaf_index::int AS index, shard, shard_position AS "shardPosition" FROM audit.leaf
      WHERE log_number = 1 AND leaf_index > 0 ORDER BY leaf_index`,
  )
  const positions = await database.owner.pool.query('SELECT shard_position FROM log.event WHERE version = 4')
  const changed = positions.rows[0].shard_position
  expect(lostLeaves).toEqual(
    rows.filter(({ shardPosition }) => shardPosition === changed || shardPosition === changed - 1n),
  )
})

test('another log is begun where the tiles are not those that were signed', async () => {
  await seal()
  await tamper(database, `UPDATE audit.tile SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)`)
  expect((await begun()).lostLeaves).toHaveLength(1)
})

describe('no other log is begun', () => {
  test('where the one that is there can go on', async () => {
    await seal()
    expect(await begin()).toMatchObject({ kind: 'refused', why: expect.stringContaining('goes on') })
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
