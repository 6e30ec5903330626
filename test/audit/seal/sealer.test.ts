import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readEntry } from '#audit/entry.ts'
import { parseCheckpoint } from '#audit/note/checkpoint.ts'
import { openNote } from '#audit/note/signed-note.ts'
import { parseVkey } from '#audit/note/signing-key.ts'
import { loadEdge, tileReader } from '#audit/store/logs.ts'
import { appendLeaves, EMPTY_EDGE, rootOf } from '#audit/tree/edge.ts'
import { leafHash } from '#audit/tree/hash.ts'
import { inclusionProof, isIncluded } from '#audit/tree/proofs.ts'
import { updateAccount } from '#commands/update-account.ts'
import { type Database, send } from '#database/connect.ts'
import { shardOf } from '#domain/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { rewind } from '#test/support/rewind.ts'
import {
  HOST,
  memoryAnchor,
  readSealedLog,
  type SealedLog,
  type TestSealer,
  testSealer,
  testSigningKeys,
} from '#test/support/sealing.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { backUp, clearLog, restore, tamper } from '#test/support/tamper.ts'

let database: TestDatabase
let at: TestServices
let sealers: TestSealer[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
beforeEach(async () => {
  await Promise.all(sealers.map((sealer) => sealer.stop()))
  sealers = []
  await clearLog(database)
})
afterAll(async () => {
  await Promise.all(sealers.map((sealer) => sealer.stop()))
  await database.drop()
})

function start(options: Parameters<typeof testSealer>[1] = {}): TestSealer {
  const sealer = testSealer({ database: database.serving, keyring: at.keyring }, options)
  sealers.push(sealer)
  return sealer
}

async function renameTimes(accountId: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await at.done(updateAccount, { accountId, name: `${accountId} ${Math.random()}` })
}

async function eventCount(): Promise<number> {
  const { rows } = await database.owner.pool.query('SELECT count(*)::int AS count FROM log.event')
  return rows[0].count
}

function expectSound({ entries, size, root, notes, origin, vkeys }: SealedLog): void {
  expect(entries).toHaveLength(size)
  expect(rootOf(appendLeaves(EMPTY_EDGE, entries.map(leafHash)).edge)).toEqual(root)
  const verifiers = vkeys.map(parseVkey).filter((verifier) => verifier !== undefined)
  const opened = openNote(notes.at(-1) ?? '', verifiers)
  expect(opened).toMatchObject({ signedBy: { length: verifiers.length } })
  expect('text' in opened && parseCheckpoint(opened.text)).toEqual({ origin, size, root })
}

/** Gives the events. */
function expectInOrder({ entries }: SealedLog) {
  const events = entries.slice(1).map((entry) => {
    const read = readEntry(entry)
    if (read?.kind !== 'event') throw new Error('an event')
    return read
  })
  const instants = events.map(({ occurredAt }) => occurredAt)
  expect(instants).toEqual(instants.toSorted())
  return events
}

describe('sealing', () => {
  test('begins a log with an entry that says which, and puts every event below a signed root', async () => {
    const { accountId } = await at.createAccount()
    await renameTimes(accountId, 5)
    await start().sealNow()
    const log = await readSealedLog(database.owner)
    expect(log.origin).toBe(`${HOST}/audit/1`)
    expect(log.size).toBe((await eventCount()) + 1)
    expect(readEntry(log.entries[0] ?? Buffer.alloc(0))).toMatchObject({
      kind: 'log',
      entry: { kind: 'opened', origin: log.origin, continues: null, keys: log.vkeys },
    })
    expectSound(log)
  })

  test('goes on from where it was, and each event is proven included', async () => {
    const { accountId } = await at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    for (let round = 0; round < 3; round++) {
      await renameTimes(accountId, 4)
      await sealer.sealNow()
    }
    const log = await readSealedLog(database.owner)
    expectSound(log)
    expect(log.notes).toHaveLength(5)
    const read = tileReader(readingOf(database.owner), log.number)
    for (const [index, entry] of log.entries.entries()) {
      const proof = await inclusionProof(read, index, log.size)
      expect(isIncluded({ leafHash: leafHash(entry), index, size: log.size, root: log.root, proof })).toBe(true)
    }
  })

  test('orders events of all shards by when they were appended, each shard as it is', async () => {
    const accounts = await Promise.all(Array.from({ length: 20 }, () => at.createAccount()))
    await Promise.all(accounts.map(({ accountId }) => renameTimes(accountId, 3)))
    await start().sealNow()
    const log = await readSealedLog(database.owner)
    expectSound(log)
    const events = expectInOrder(log)
    for (const ofShard of Map.groupBy(events, ({ shard }) => shard).values())
      expect(ofShard.map(({ shardPosition }) => shardPosition)).toEqual(ofShard.map((_, index) => BigInt(index + 1)))
  })

  test('takes a shard with more than a page by and by, in one call', async () => {
    const { accountId } = await at.createAccount()
    await renameTimes(accountId, 280)
    at.clock.advance(1_000)
    const others = await Promise.all(Array.from({ length: 3 }, () => at.createAccount()))
    await renameTimes(accountId, 20)
    await start().sealNow()
    const log = await readSealedLog(database.owner)
    expect(others.some(({ accountId: other }) => shardOf(other) !== shardOf(accountId))).toBe(true)
    expectInOrder(log)
    expect(log.size).toBe((await eventCount()) + 1)
    expectSound(log)
    const edge = await loadEdge(readingOf(database.owner), log.number, log.size)
    expect(edge && rootOf(edge)).toEqual(log.root)
  })

  test('writes nothing where nothing happened', async () => {
    await at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    const before = await readSealedLog(database.owner)
    await sealer.sealNow()
    await sealer.sealNow()
    expect(await readSealedLog(database.owner)).toEqual(before)
  })

  test('of two sealers seals each event once', async () => {
    const { accountId } = await at.createAccount()
    const both = [start(), start()]
    for (let round = 0; round < 10; round++)
      await Promise.all([renameTimes(accountId, 3), ...both.map((sealer) => sealer.sealNow())])
    await both[0]?.stop()
    await both[1]?.sealNow()
    const log = await readSealedLog(database.owner)
    expect(log.size).toBe((await eventCount()) + 1)
    expectSound(log)
  })

  test('tells of a new key under a checkpoint that the former one signs too', async () => {
    await at.createAccount()
    await start({ keys: testSigningKeys('first') }).sealNow()
    await sealers[0]?.stop()
    await start({ keys: testSigningKeys('second', 'first') }).sealNow()
    const log = await readSealedLog(database.owner)
    const keys = testSigningKeys('second', 'first').signers(log.origin)
    expect(readEntry(log.entries.at(-1) ?? Buffer.alloc(0))).toMatchObject({
      entry: { kind: 'keys', keys: keys.map(({ vkey }) => vkey) },
    })
    expectSound(log)
  })
})

test('a sealer leaves the log to another one as long as that has the lease, and takes it at once when it is given back', async () => {
  const { accountId } = await at.createAccount()
  const [first, second] = [start(), start()]
  const ownerNow = async () =>
    (await database.owner.kysely.selectFrom('audit.log').select('owner').executeTakeFirstOrThrow()).owner
  await first.sealNow()
  const owner = await ownerNow()
  await tamper(database, `UPDATE audit.log SET lease_until = clock_timestamp() + interval '1 hour'`)
  await renameTimes(accountId, 1)
  await second.sealNow()
  expect(await ownerNow()).toBe(owner)
  await first.stop()
  await renameTimes(accountId, 1)
  await second.sealNow()
  expect(await ownerNow()).not.toBe(owner)
  expectSound(await readSealedLog(database.owner))
})

test('a sealer that was paused while another took over writes nothing more, and raises no alarm', async () => {
  const { accountId } = await at.createAccount()
  const { promise: paused, resolve: pause } = Promise.withResolvers<void>()
  const { promise: resumed, resolve: resume } = Promise.withResolvers<void>()
  const sleeper = start({
    onStep: async (step) => {
      if (step !== 'checked') return
      pause()
      await resumed
    },
  })
  const sleeping = sleeper.sealNow()
  await paused
  await tamper(database, `UPDATE audit.log SET lease_until = '-infinity'`)
  await renameTimes(accountId, 2)
  const other = start()
  await other.sealNow()
  const before = await readSealedLog(database.owner)
  await renameTimes(accountId, 2)
  resume()
  await sleeping
  expect(await readSealedLog(database.owner)).toEqual(before)
  expect(sleeper.logged.filter(({ level }) => level === 'error')).toEqual([])
})

describe('a sealer refuses, and says why, where', () => {
  const cases: readonly [string, (accountId: string) => Promise<void>, RegExp][] = [
    [
      'an event was changed before it was sealed',
      () => tamper(database, `UPDATE log.event SET body = overlay(body placing 'x' from 20) WHERE version = 3`),
      /not as it was written: its MAC is wrong/,
    ],
    [
      'a column says otherwise than the body',
      () => tamper(database, `UPDATE log.event SET type = 'key.created' WHERE version = 3`),
      /its body says otherwise than type/,
    ],
    [
      'an event was inserted',
      (accountId) =>
        tamper(
          database,
          `CREATE TEMP TABLE forged ON COMMIT DROP AS
             SELECT * FROM log.event WHERE account_id = '${accountId}' ORDER BY position DESC LIMIT 1`,
          `UPDATE forged SET shard_position = shard_position + 1, position = position + 1, version = version + 1,
                  event_id = event_id || 'x'`,
          'INSERT INTO log.event TABLE forged',
          `UPDATE log.feed_shard SET head = head + 1, last_event_id = last_event_id || 'x' WHERE head > 0`,
        ),
      /not as it was written/,
    ],
    ['an event is missing', () => tamper(database, 'DELETE FROM log.event WHERE version = 3'), /is missing/],
    [
      'the last event is missing',
      () => tamper(database, 'DELETE FROM log.event WHERE version = (SELECT max(version) FROM log.event)'),
      /is missing/,
    ],
    [
      'an event is missing, and the counter says that there is one fewer',
      () =>
        tamper(
          database,
          'DELETE FROM log.event WHERE version = 4',
          'UPDATE log.feed_shard SET head = head - 1 WHERE head > 0',
        ),
      /is missing/,
    ],
    [
      'a cursor was moved past events',
      () =>
        tamper(
          database,
          `UPDATE audit.cursor c SET shard_position = c.shard_position + 2, event_id = e.event_id FROM log.event e
            WHERE e.shard = c.shard AND e.shard_position = c.shard_position + 2`,
        ),
      /not what has leaves/,
    ],
    [
      'what was sealed is not there any more',
      (accountId) => rewind(database, accountId, 5),
      /not the one that was sealed/,
    ],
    [
      'what was sealed was replaced by as many other events',
      async (accountId) => {
        await rewind(database, accountId, 5)
        await renameTimes(accountId, 8)
      },
      /not the one that was sealed/,
    ],
    [
      'the tiles were changed',
      () => tamper(database, `UPDATE audit.tile SET hashes = overlay(hashes placing '\\x00' from 40)`),
      /tiles are not those/,
    ],
    [
      'the root was changed',
      () => tamper(database, `UPDATE audit.log SET root = decode(repeat('00', 32), 'hex')`),
      /or another root|not the root/,
    ],
  ]

  test.each(cases)('%s', async (_what, change, why) => {
    const { accountId } = await at.createAccount()
    const sealer = start()
    await renameTimes(accountId, 1)
    await sealer.sealNow()
    const before = await readSealedLog(database.owner)
    await renameTimes(accountId, 4)
    await change(accountId)
    await sealer.sealNow()
    const after = await readSealedLog(database.owner)
    expect(after.refusal).toMatch(why)
    expect(after.notes).toEqual(before.notes)
    expect(sealer.logged.filter(({ level }) => level === 'error')).toMatchObject([{ why: after.refusal }])
    // And so does one that knows nothing of it yet.
    await sealer.stop()
    const another = start()
    await another.sealNow()
    expect((await readSealedLog(database.owner)).notes).toEqual(before.notes)
  })

  test('it goes on by itself when all is right again', async () => {
    const { accountId } = await at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    await renameTimes(accountId, 3)
    await tamper(database, `UPDATE log.event SET type = 'x' WHERE version = 3`)
    await sealer.sealNow()
    expect((await readSealedLog(database.owner)).refusal).not.toBeNull()
    await tamper(database, `UPDATE log.event SET type = 'account.updated' WHERE version = 3`)
    await sealer.sealNow()
    const log = await readSealedLog(database.owner)
    expect(log).toMatchObject({ refusal: null, size: (await eventCount()) + 1 })
    expectSound(log)
  })

  test('the database was set back to what an anchor has more of', async () => {
    const { accountId } = await at.createAccount()
    const anchor = memoryAnchor()
    const sealer = start({ anchors: [anchor] })
    await sealer.sealNow()
    await backUp(database)
    await renameTimes(accountId, 3)
    await sealer.stop()
    const lost = anchor.records.at(-1)
    await restore(database)
    await renameTimes(accountId, 1)
    const another = start({ anchors: [anchor] })
    await another.sealNow()
    const { refusal, size, notes } = await readSealedLog(database.owner)
    expect(refusal).toBe(
      `the log has ${size} entries, and memory knows a checkpoint of ${lost?.size}: history was set back`,
    )
    expect(notes.at(-1)).not.toBe(lost?.note)
  })

  test('it was set back and had grown beyond the anchor again', async () => {
    const { accountId } = await at.createAccount()
    const anchor = memoryAnchor()
    const sealer = start({ anchors: [anchor] })
    await sealer.sealNow()
    await backUp(database)
    await renameTimes(accountId, 2)
    await sealer.stop()
    await restore(database)
    // By one who had no anchor: a mistake in the configuration.
    await renameTimes(accountId, 5)
    const careless = start()
    await careless.sealNow()
    await careless.stop()
    const another = start({ anchors: [anchor] })
    await another.sealNow()
    expect((await readSealedLog(database.owner)).refusal).toMatch(/history was changed/)
  })

  test('its own memory has more than the database', async () => {
    const { accountId } = await at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    await backUp(database)
    await renameTimes(accountId, 3)
    await sealer.sealNow()
    await restore(database)
    await sealer.sealNow()
    expect((await readSealedLog(database.owner)).refusal).toMatch(/this server knows a checkpoint/)
  })

  test('the database is set back between its look and its batch', async () => {
    const { accountId } = await at.createAccount()
    let meanwhile: (() => Promise<void>) | undefined
    const sealer = start({
      onStep: async (step) => {
        if (step !== 'claimed') return
        await meanwhile?.()
        meanwhile = undefined
      },
    })
    await sealer.sealNow()
    await backUp(database)
    await renameTimes(accountId, 3)
    await sealer.sealNow()
    const { notes } = await readSealedLog(database.owner)
    await renameTimes(accountId, 1)
    meanwhile = () => restore(database)
    await sealer.sealNow()
    const after = await readSealedLog(database.owner)
    expect(after.refusal).toMatch(/not the root that was signed at/)
    expect(notes).toEqual(expect.arrayContaining([...after.notes]))
    expect(after.notes.length).toBeLessThan(notes.length)
  })

  test('the key that signed last is not configured', async () => {
    await at.createAccount()
    await start({ keys: testSigningKeys('first') }).sealNow()
    await sealers[0]?.stop()
    await start({ keys: testSigningKeys('other') }).sealNow()
    expect((await readSealedLog(database.owner)).refusal).toMatch(/not signed by the keys that are configured/)
  })
})

function readingOf({ pool }: Database) {
  return { run: <Row>(query: Parameters<typeof send<Row>>[1]) => send<Row>(pool, query) }
}
