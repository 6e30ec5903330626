// The write path itself: one transaction that commits whole or not at all, tried again where another command was first.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DecideStep } from '#commands/command.ts'
import { createKey } from '#commands/create-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { runCommand } from '#commands/run-command.ts'
import { updateKey } from '#commands/update-key.ts'
import { systemClock } from '#database/clock.ts'
import { connect, type Database, statement } from '#database/connect.ts'
import { inTransaction } from '#database/transaction.ts'
import { knownShardOf } from '#domain/ids.ts'
import { epochMsOf } from '#domain/instant.ts'
import { lockStreams } from '#log/load.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testServices, tracesIn } from '#test/support/services.ts'

let database: TestDatabase
let at: TestServices
let keyspaceId: string
/** Its connections are made to break. */
let fragile: Database
beforeAll(async () => {
  database = await createTestDatabase()
  fragile = connect({
    connection: database.servingConnection,
    prepared: true,
    poolSize: 2,
    queryTimeoutMs: 30_000,
    applicationName: 'keyledger-test-fragile',
    onIdleError: () => undefined,
  })
  at = testServices(database.serving)
  keyspaceId = await at.createKeyspace((await at.createAccount()).accountId)
})
afterAll(async () => {
  await fragile.close()
  await database.drop()
})

/** The command, with something that happens each time before it decides. */
function meddling(meddle: (step: DecideStep, attempt: number) => Promise<unknown>): typeof updateKey {
  let attempt = 0
  return {
    ...updateKey,
    async decide(step, input) {
      attempt += 1
      await meddle(step, attempt)
      return updateKey.decide(step, input)
    },
  }
}

const failure = (code: string) => Promise.reject(Object.assign(new Error('collided'), { code }))

describe('a command that collides with another', () => {
  test.each(['KL001', '23505', '40001', '40P01', '55P03'])('is tried again after %s', async (code) => {
    const { keyId } = await at.createKey(keyspaceId)
    const tries: number[] = []
    const command = meddling((_step, attempt) => {
      tries.push(attempt)
      return attempt < 3 ? failure(code) : Promise.resolve()
    })
    const { eventIds } = await at.done(command, { keyId, name: 'third time', idempotencyKey: code })
    expect(tries).toEqual([1, 2, 3])
    expect(eventIds).toHaveLength(1)
    expect(await versionOf(keyId)).toBe(3)
  })

  test('three times is refused with a conflict that no version explains', async () => {
    const { keyId } = await at.createKey(keyspaceId)
    const before = await tracesIn(database.owner)
    let tries = 0
    const command = meddling(() => {
      tries += 1
      return failure('40P01')
    })
    expect(await at.refusal(command, { keyId, name: 'never', idempotencyKey: 'never' })).toEqual({
      code: 'CONFLICT',
      expectedVersion: null,
      actualVersion: null,
    })
    expect(tries).toBe(3)
    expect(await tracesIn(database.owner)).toEqual(before)
  })

  test('decides again by what the other one has made of the thing', async () => {
    const { keyId } = await at.createKey(keyspaceId)
    const seen: number[] = []
    const command: typeof updateKey = {
      ...updateKey,
      async decide(step, input) {
        seen.push(step.streams.get(keyId)?.version ?? 0)
        if (seen.length === 1) await failure('KL001')
        return updateKey.decide(step, input)
      },
      async locate(step, input) {
        const located = await updateKey.locate(step, input)
        await at.done(updateKey, { keyId, name: `meanwhile ${seen.length}` })
        return located
      },
    }
    await at.done(command, { keyId, name: 'last' })
    expect(seen).toEqual([3, 4])
    expect(await versionOf(keyId)).toBe(5)
  })
})

describe('a command that fails', () => {
  test.each<[string, (step: DecideStep) => Promise<unknown>]>([
    ['in its own code', () => Promise.reject(new Error('a defect'))],
    ['in a statement', (step: DecideStep) => step.transaction.run(statement('SELECT 1 / 0', []))],
    ['with an unknown SQLSTATE', () => failure('XX000')],
  ])('%s leaves nothing, and its connection is good for the next', async (where, meddle) => {
    const { keyId } = await at.createKey(keyspaceId)
    const before = await tracesIn(database.owner)
    for (let times = 0; times < 6; times++)
      await expect(at.run(meddling(meddle), { keyId, name: 'x', idempotencyKey: where })).rejects.toThrow()
    expect(await tracesIn(database.owner)).toEqual(before)
    await at.done(updateKey, { keyId, name: 'x', idempotencyKey: where })
  })

  // An error event without a listener would end the process, and fails this file.
  test.each<[string, (ended: Promise<unknown>, step: DecideStep) => Promise<unknown>]>([
    ['between two statements', (ended) => ended],
    ['during a statement', (_ended, step) => step.transaction.run(statement('SELECT pg_sleep(60)', []))],
  ])('because its connection breaks %s leaves nothing either', async (when, go) => {
    const breaking = testServices(fragile)
    const { keyId } = await at.createKey(keyspaceId)
    const before = await tracesIn(database.owner)
    const command = meddling(async (step) => {
      const [row] = await step.transaction.run(statement<{ pid: number }>('SELECT pg_backend_pid() AS pid', []))
      const ended = database.serving.pool.query('SELECT pg_terminate_backend($1, 5000)', [row?.pid])
      await Promise.all([ended, go(ended, step)])
    })
    const asked = { keyId, name: 'broken', idempotencyKey: when }
    await expect(breaking.run(command, asked)).rejects.toThrow()
    expect(await tracesIn(database.owner)).toEqual(before)
    expect((await breaking.done(updateKey, asked)).eventIds).toHaveLength(1)
  })

  test('in its rows appends no event: both commit together', async () => {
    const { keyId } = await at.createKey(keyspaceId)
    await database.owner.pool.query(`ALTER TABLE state.key ADD CONSTRAINT trap CHECK (name <> 'trapped') NOT VALID`)
    const before = await tracesIn(database.owner)
    await expect(at.run(updateKey, { keyId, name: 'trapped', idempotencyKey: 'trap' })).rejects.toMatchObject({
      code: '23514',
    })
    expect(await tracesIn(database.owner)).toEqual(before)
    await database.owner.pool.query('ALTER TABLE state.key DROP CONSTRAINT trap')
  })
})

describe('a command', () => {
  test('takes the time from the database, after its locks', async () => {
    const { accountId } = await at.createAccount()
    const keys = await at.createKeyspace(accountId)
    const { keyId } = await at.createKey(keys)
    const services = { ...at, clock: systemClock }
    const freed = await inTransaction(database.owner, async (transaction) => {
      await transaction.run(lockStreams(knownShardOf(accountId), [{ id: keyId, exclusive: true }]))
      const waiting = runCommand(services, at.root, updateKey, { keyId, name: 'waited' })
      await expect.poll(lockWaits).toBe(1)
      const [row] = await transaction.run(statement<{ now: string }>('SELECT clock_timestamp() AS now', []))
      return { waiting, now: row?.now ?? '' }
    })
    await freed.waiting
    const { rows } = await database.owner.pool.query(
      `SELECT decided_at FROM log.event WHERE stream_id = $1 AND type = 'key.updated'`,
      [keyId],
    )
    expect(epochMsOf(rows[0].decided_at)).toBeGreaterThanOrEqual(Math.floor(epochMsOf(freed.now)))
  })

  test('that waits for another one’s lock longer than its patience is refused, and not for ever', async () => {
    const { accountId } = await at.createAccount()
    const keys = await at.createKeyspace(accountId)
    const { keyId } = await at.createKey(keys)
    const impatient: typeof updateKey = {
      ...updateKey,
      async locate(step, input) {
        await step.transaction.run(statement(`SELECT set_config('lock_timeout', $1, true)`, ['20ms']))
        return updateKey.locate(step, input)
      },
    }
    await inTransaction(database.owner, async (transaction) => {
      await transaction.run(lockStreams(knownShardOf(accountId), [{ id: keyId, exclusive: true }]))
      expect(await at.refusal(impatient, { keyId, name: 'impatient' })).toMatchObject({ code: 'CONFLICT' })
    })
  })

  test('tells secrets that are the code’s, and only in boxes', async () => {
    const made = await at.done(createKey, { keyspaceId, name: 'secrets', enabled: true, codes: [{}, {}] })
    const { keyId } = made.result
    expect([...made.secrets.keys()]).toEqual(made.result.issuedCodeIds)
    const rotated = await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 })
    expect([...rotated.secrets.keys()]).toEqual(rotated.result.issuedCodeIds)
    for (const outcome of [made, rotated]) {
      const shown = `${JSON.stringify(outcome)} ${String([...outcome.secrets.values()])}`
      for (const secret of outcome.secrets.values()) expect(shown).not.toContain(secret.reveal())
    }
    expect(await at.refusal(issueCode, { keyId })).toMatchObject({ code: 'CODE_LIMIT_REACHED' })
  })
})

async function versionOf(streamId: string): Promise<number> {
  const { rows } = await database.owner.pool.query('SELECT version FROM log.stream WHERE stream_id = $1', [streamId])
  return rows[0].version
}

async function lockWaits(): Promise<number> {
  const { rows } = await database.serving.pool.query(
    `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  )
  return rows.length
}
