import { describe, expect, test } from 'vitest'
import { readEntry } from '#audit/entry.ts'
import { loadEdge, tileReader } from '#audit/store/logs.ts'
import { rootOf } from '#audit/tree/edge.ts'
import { leafHash } from '#audit/tree/hash.ts'
import { inclusionProof, isIncluded } from '#audit/tree/proofs.ts'
import { type Database, send } from '#database/connect.ts'
import { shardOf } from '#domain/ids.ts'
import { bed, eventCount, expectSound, renameTimes, start, useSealers } from '#test/audit/support/sealer-bed.ts'
import { HOST, readSealedLog, type SealedLog, testSigningKeys } from '#test/support/sealing.ts'
import { tamper } from '#test/support/tamper.ts'

useSealers()

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
    const { accountId } = await bed().at.createAccount()
    await renameTimes(accountId, 5)
    await start().sealNow()
    const log = await readSealedLog(bed().database.owner)
    expect(log.origin).toBe(`${HOST}/audit/1`)
    expect(log.size).toBe((await eventCount()) + 1)
    expect(readEntry(log.entries[0] ?? Buffer.alloc(0))).toMatchObject({
      kind: 'log',
      entry: { kind: 'opened', origin: log.origin, continues: null, keys: log.vkeys },
    })
    expectSound(log)
  })

  test('goes on from where it was, and each event is proven included', async () => {
    const { accountId } = await bed().at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    for (let round = 0; round < 3; round++) {
      await renameTimes(accountId, 4)
      await sealer.sealNow()
    }
    const log = await readSealedLog(bed().database.owner)
    expectSound(log)
    expect(log.notes).toHaveLength(5)
    const read = tileReader(readingOf(bed().database.owner), log.number)
    for (const [index, entry] of log.entries.entries()) {
      const proof = await inclusionProof(read, index, log.size)
      expect(isIncluded({ leafHash: leafHash(entry), index, size: log.size, root: log.root, proof })).toBe(true)
    }
  })

  test('orders events of all shards by when they were appended, each shard as it is', async () => {
    const accounts = await Promise.all(Array.from({ length: 20 }, () => bed().at.createAccount()))
    await Promise.all(accounts.map(({ accountId }) => renameTimes(accountId, 3)))
    await start().sealNow()
    const log = await readSealedLog(bed().database.owner)
    expectSound(log)
    const events = expectInOrder(log)
    for (const ofShard of Map.groupBy(events, ({ shard }) => shard).values())
      expect(ofShard.map(({ shardPosition }) => shardPosition)).toEqual(ofShard.map((_, index) => BigInt(index + 1)))
  })

  test('takes a shard with more than a page by and by, in one call', async () => {
    const { accountId } = await bed().at.createAccount()
    await renameTimes(accountId, 280)
    bed().at.clock.advance(1_000)
    const others = await Promise.all(Array.from({ length: 3 }, () => bed().at.createAccount()))
    await renameTimes(accountId, 20)
    await start().sealNow()
    const log = await readSealedLog(bed().database.owner)
    expect(others.some(({ accountId: other }) => shardOf(other) !== shardOf(accountId))).toBe(true)
    expectInOrder(log)
    expect(log.size).toBe((await eventCount()) + 1)
    expectSound(log)
    const edge = await loadEdge(readingOf(bed().database.owner), log.number, log.size)
    expect(edge && rootOf(edge)).toEqual(log.root)
  })

  test('writes nothing where nothing happened', async () => {
    await bed().at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    const before = await readSealedLog(bed().database.owner)
    await sealer.sealNow()
    await sealer.sealNow()
    expect(await readSealedLog(bed().database.owner)).toEqual(before)
  })

  test('of two sealers seals each event once', async () => {
    const { accountId } = await bed().at.createAccount()
    const both = [start(), start()]
    for (let round = 0; round < 10; round++)
      await Promise.all([renameTimes(accountId, 3), ...both.map((sealer) => sealer.sealNow())])
    await both[0]?.stop()
    await both[1]?.sealNow()
    const log = await readSealedLog(bed().database.owner)
    expect(log.size).toBe((await eventCount()) + 1)
    expectSound(log)
  })

  test('tells of a new key under a checkpoint that the former one signs too', async () => {
    await bed().at.createAccount()
    const first = start({ keys: testSigningKeys('first') })
    await first.sealNow()
    await first.stop()
    await start({ keys: testSigningKeys('second', 'first') }).sealNow()
    const log = await readSealedLog(bed().database.owner)
    const keys = testSigningKeys('second', 'first').signers(log.origin)
    expect(readEntry(log.entries.at(-1) ?? Buffer.alloc(0))).toMatchObject({
      entry: { kind: 'keys', keys: keys.map(({ vkey }) => vkey) },
    })
    expectSound(log)
  })
})

test('a sealer leaves the log to another one as long as that has the lease, and takes it at once when it is given back', async () => {
  const { accountId } = await bed().at.createAccount()
  const [first, second] = [start(), start()]
  const ownerNow = async () =>
    (await bed().database.owner.kysely.selectFrom('audit.log').select('owner').executeTakeFirstOrThrow()).owner
  await first.sealNow()
  const owner = await ownerNow()
  await tamper(bed().database, `UPDATE audit.log SET lease_until = clock_timestamp() + interval '50 seconds'`)
  await renameTimes(accountId, 1)
  await second.sealNow()
  expect(await ownerNow()).toBe(owner)
  await first.stop()
  await renameTimes(accountId, 1)
  await second.sealNow()
  expect(await ownerNow()).not.toBe(owner)
  expectSound(await readSealedLog(bed().database.owner))
})

test('a sealer that was paused while another took over writes nothing more, and raises no alarm', async () => {
  const { accountId } = await bed().at.createAccount()
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
  await tamper(bed().database, `UPDATE audit.log SET lease_until = '-infinity'`)
  await renameTimes(accountId, 2)
  const other = start()
  await other.sealNow()
  const before = await readSealedLog(bed().database.owner)
  await renameTimes(accountId, 2)
  resume()
  await sleeping
  expect(await readSealedLog(bed().database.owner)).toEqual(before)
  expect(sleeper.logged.filter(({ level }) => level === 'error')).toEqual([])
})

function readingOf({ pool }: Database) {
  return { run: <Row>(query: Parameters<typeof send<Row>>[1]) => send<Row>(pool, query) }
}
