import { describe, expect, test } from 'vitest'
import { bed, eventCount, expectSound, renameTimes, start, useSealers } from '#test/audit/support/sealer-bed.ts'
import { rewind } from '#test/support/rewind.ts'
import { memoryAnchor, readSealedLog, type TestSealer, testSigningKeys } from '#test/support/sealing.ts'
import { backUp, restore, tamper } from '#test/support/tamper.ts'

useSealers()

describe('a sealer refuses, and says why, where', () => {
  const cases: readonly [string, (accountId: string) => Promise<void>, RegExp][] = [
    [
      'an event was changed before it was sealed',
      () => tamper(bed().database, `UPDATE log.event SET body = overlay(body placing 'x' from 20) WHERE version = 3`),
      /not as it was written: its MAC is wrong/,
    ],
    [
      'a column says otherwise than the body',
      () => tamper(bed().database, `UPDATE log.event SET type = 'key.created' WHERE version = 3`),
      /its body says otherwise than type/,
    ],
    [
      'an event was inserted',
      (accountId) =>
        tamper(
          bed().database,
          `CREATE TEMP TABLE forged ON COMMIT DROP AS
             SELECT * FROM log.event WHERE account_id = '${accountId}' ORDER BY position DESC LIMIT 1`,
          `UPDATE forged SET shard_position = shard_position + 1, position = position + 1, version = version + 1,
                  event_id = event_id || 'x'`,
          'INSERT INTO log.event TABLE forged',
          `UPDATE log.feed_shard SET head = head + 1, last_event_id = last_event_id || 'x' WHERE head > 0`,
        ),
      /not as it was written/,
    ],
    ['an event is missing', () => tamper(bed().database, 'DELETE FROM log.event WHERE version = 3'), /is missing/],
    [
      'the last event is missing',
      () => tamper(bed().database, 'DELETE FROM log.event WHERE version = (SELECT max(version) FROM log.event)'),
      /is missing/,
    ],
    [
      'an event is missing, and the counter says that there is one fewer',
      () =>
        tamper(
          bed().database,
          'DELETE FROM log.event WHERE version = 4',
          'UPDATE log.feed_shard SET head = head - 1 WHERE head > 0',
        ),
      /is missing/,
    ],
    [
      'a cursor was moved past events',
      () =>
        tamper(
          bed().database,
          `UPDATE audit.cursor c SET shard_position = c.shard_position + 2, event_id = e.event_id FROM log.event e
            WHERE e.shard = c.shard AND e.shard_position = c.shard_position + 2`,
        ),
      /not what has leaves/,
    ],
    [
      'what was sealed is not there any more',
      (accountId) => rewind(bed().database, accountId, 5),
      /not the one that was sealed/,
    ],
    [
      'what was sealed was replaced by as many other events',
      async (accountId) => {
        await rewind(bed().database, accountId, 5)
        await renameTimes(accountId, 8)
      },
      /not the one that was sealed/,
    ],
    [
      'the tiles were changed',
      () => tamper(bed().database, `UPDATE audit.tile SET hashes = overlay(hashes placing '\\x00' from 40)`),
      /tiles are not those/,
    ],
    [
      'the root was changed',
      () => tamper(bed().database, `UPDATE audit.log SET root = decode(repeat('00', 32), 'hex')`),
      /or another root|not the root/,
    ],
  ]

  test.each(cases)('%s', async (_what, change, why) => {
    const { accountId } = await bed().at.createAccount()
    const sealer = start()
    await renameTimes(accountId, 1)
    await sealer.sealNow()
    const before = await readSealedLog(bed().database.owner)
    await renameTimes(accountId, 4)
    await change(accountId)
    await sealer.sealNow()
    const after = await readSealedLog(bed().database.owner)
    expect(after.refusal).toMatch(why)
    expect(after.notes).toEqual(before.notes)
    expect(sealer.logged.filter(({ level }) => level === 'error')).toMatchObject([{ why: after.refusal }])
    // And so does one that knows nothing of it yet.
    await sealer.stop()
    const another = start()
    await another.sealNow()
    expect((await readSealedLog(bed().database.owner)).notes).toEqual(before.notes)
  })

  test('a former log was opened again beside the one that followed it', async () => {
    await bed().at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    await sealer.stop()
    const before = await readSealedLog(bed().database.owner)
    await tamper(
      bed().database,
      `INSERT INTO audit.log (log_number, origin, vkeys, size, root, closed_at)
         SELECT 2, replace(origin, 'audit/1', 'audit/2'), vkeys, size, root, now() FROM audit.log`,
    )
    await bed().at.createAccount()
    await start().sealNow()
    const after = await readSealedLog(bed().database.owner)
    expect(after.refusal).toMatch(/audit\/2 was begun after this log/)
    expect(after.notes).toEqual(before.notes)
  })

  test('it goes on by itself when all is right again', async () => {
    const { accountId } = await bed().at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    await renameTimes(accountId, 3)
    await tamper(bed().database, `UPDATE log.event SET type = 'x' WHERE version = 3`)
    await sealer.sealNow()
    expect((await readSealedLog(bed().database.owner)).refusal).not.toBeNull()
    await tamper(bed().database, `UPDATE log.event SET type = 'account.updated' WHERE version = 3`)
    await sealer.sealNow()
    const log = await readSealedLog(bed().database.owner)
    expect(log).toMatchObject({ refusal: null, size: (await eventCount()) + 1 })
    expectSound(log)
  })

  test('the database was set back to what an anchor has more of', async () => {
    const { accountId } = await bed().at.createAccount()
    const anchor = memoryAnchor()
    const sealer = start({ anchors: [anchor] })
    await sealer.sealNow()
    await backUp(bed().database)
    await renameTimes(accountId, 3)
    await sealer.stop()
    const lost = anchor.kept.at(-1)
    await restore(bed().database)
    await renameTimes(accountId, 1)
    const another = start({ anchors: [anchor] })
    await another.sealNow()
    const { refusal, size, notes } = await readSealedLog(bed().database.owner)
    expect(refusal).toBe(
      `the log has ${size} entries, and memory knows a checkpoint of ${lost?.size}: history was set back`,
    )
    expect(notes.at(-1)).not.toBe(lost?.note)
  })

  test('it was set back and had grown beyond the anchor again', async () => {
    const { accountId } = await bed().at.createAccount()
    const anchor = memoryAnchor()
    const sealer = start({ anchors: [anchor] })
    await sealer.sealNow()
    await backUp(bed().database)
    await renameTimes(accountId, 2)
    await sealer.stop()
    await restore(bed().database)
    // By one who had no anchor: a mistake in the configuration.
    await renameTimes(accountId, 5)
    const careless = start()
    await careless.sealNow()
    await careless.stop()
    const another = start({ anchors: [anchor] })
    await another.sealNow()
    expect((await readSealedLog(bed().database.owner)).refusal).toMatch(/history was changed/)
  })

  test('its own memory has more than the database', async () => {
    const { accountId } = await bed().at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    await backUp(bed().database)
    await renameTimes(accountId, 3)
    await sealer.sealNow()
    await restore(bed().database)
    await sealer.sealNow()
    expect((await readSealedLog(bed().database.owner)).refusal).toMatch(/this server knows a checkpoint/)
  })

  test('the database is set back between its look and its batch', async () => {
    const { accountId } = await bed().at.createAccount()
    let meanwhile: (() => Promise<void>) | undefined
    const sealer = start({
      onStep: async (step) => {
        if (step !== 'claimed') return
        await meanwhile?.()
        meanwhile = undefined
      },
    })
    await sealer.sealNow()
    await backUp(bed().database)
    await renameTimes(accountId, 3)
    await sealer.sealNow()
    const { notes } = await readSealedLog(bed().database.owner)
    await renameTimes(accountId, 1)
    meanwhile = () => restore(bed().database)
    await sealer.sealNow()
    const after = await readSealedLog(bed().database.owner)
    expect(after.refusal).toMatch(/not the root that was signed at/)
    expect(notes).toEqual(expect.arrayContaining([...after.notes]))
    expect(after.notes.length).toBeLessThan(notes.length)
  })

  test('the key that signed last is not configured', async () => {
    await bed().at.createAccount()
    const first = start({ keys: testSigningKeys('first') })
    await first.sealNow()
    await first.stop()
    await start({ keys: testSigningKeys('other') }).sealNow()
    expect((await readSealedLog(bed().database.owner)).refusal).toMatch(/not signed by the keys that are configured/)
  })

  test('a hash was added to a tile', async () => {
    const { accountId } = await bed().at.createAccount()
    const sealer = start()
    await sealer.sealNow()
    await tamper(bed().database, `UPDATE audit.tile SET hashes = hashes || decode(repeat('00', 32), 'hex')`)
    await renameTimes(accountId, 1)
    await sealer.sealNow()
    expect((await readSealedLog(bed().database.owner)).refusal).toMatch(/can not be stored: .*append-only/)
  })

  test('where checkpoints are kept can not be read', async () => {
    await bed().at.createAccount()
    const anchor = { ...memoryAnchor(), records: () => Promise.reject(new Error('EISDIR')) }
    const first = start()
    await first.sealNow()
    await first.stop()
    const { notes } = await readSealedLog(bed().database.owner)
    await start({ anchors: [anchor] }).sealNow()
    const after = await readSealedLog(bed().database.owner)
    expect(after).toMatchObject({ refusal: 'memory, where checkpoints are kept, can not be read: EISDIR', notes })
  })
})

describe('no first log is begun where', () => {
  async function forget(): Promise<void> {
    await tamper(bed().database, 'TRUNCATE audit.log, audit.cursor, audit.leaf, audit.tile, audit.checkpoint')
  }

  async function expectNone(sealer: TestSealer, why: RegExp): Promise<void> {
    await sealer.sealNow()
    const { rows } = await bed().database.owner.pool.query('SELECT FROM audit.log WHERE closed_at IS NULL')
    expect(rows).toEqual([])
    expect(sealer.logged.find(({ level }) => level === 'error')?.why).toMatch(why)
  }

  test('an anchor knows of one', async () => {
    const anchor = memoryAnchor()
    const first = start({ anchors: [anchor] })
    await first.sealNow()
    await first.stop()
    await forget()
    await expectNone(start({ anchors: [anchor] }), /memory knows a checkpoint of .*: history was lost/)
  })

  test('the server remembers one, though all it did was to look at it', async () => {
    await bed().at.createAccount()
    const first = start()
    await first.sealNow()
    await first.stop()
    const second = start()
    await second.sealNow()
    await forget()
    await expectNone(second, /this server knows a checkpoint/)
  })

  test('one was closed', async () => {
    const sealer = start()
    await sealer.sealNow()
    await tamper(bed().database, 'UPDATE audit.log SET closed_at = clock_timestamp()')
    await expectNone(sealer, /no audit log is open, and .* was closed/)
  })
})

describe('what keeps no sealer from sealing', () => {
  test('lines of an anchor that no key of ours has signed', async () => {
    await bed().at.createAccount()
    const anchor = memoryAnchor()
    const origin = 'keys.example.org/audit/1'
    anchor.kept.push({ origin, size: 900_000, root: 'r', note: `${origin}\n900000\nr\n\n— ${origin} x\n`, heads: {} })
    await start({ anchors: [anchor] }).sealNow()
    const log = await readSealedLog(bed().database.owner)
    expect(log.size).toBe((await eventCount()) + 1)
  })

  test('a lease that no sealer can have taken', async () => {
    await bed().at.createAccount()
    const first = start()
    await first.sealNow()
    await tamper(bed().database, `UPDATE audit.log SET lease_until = 'infinity'`)
    await bed().at.createAccount()
    await start().sealNow()
    expect((await readSealedLog(bed().database.owner)).size).toBe((await eventCount()) + 1)
  })
})
