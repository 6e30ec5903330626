import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Origin } from '#commands/command.ts'
import { createAccount } from '#commands/create-account.ts'
import { createKey } from '#commands/create-key.ts'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { createPolicy } from '#commands/create-policy.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { deletePolicy } from '#commands/delete-policy.ts'
import { linkKey } from '#commands/link-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { runCommand } from '#commands/run-command.ts'
import { unlinkKey } from '#commands/unlink-key.ts'
import { systemClock } from '#database/clock.ts'
import { newKeyringText, parseKeyring } from '#secret/keyring.ts'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { recordingLogger } from '#test/support/log.ts'
import { testVerifying } from '#test/support/verifying.ts'
import { PATIENTLY } from '#test/support/wait.ts'
import { gatherAccesses } from '#usage/accesses.ts'
import { gatherUses } from '#usage/uses.ts'
import { verifyKeys } from '#verify/verify-keys.ts'
import type { VerifyingServices } from '#verify/view.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

const origin: Origin = { caller: { kind: 'ROOT' }, correlationId: 'rebuild' }

let database: TestDatabase
let services: VerifyingServices
let keyspaceId: string

beforeAll(async () => {
  database = await createTestDatabase()
  const ring = parseKeyring(newKeyringText())
  if (!ring.ok) throw new Error('a new keyring is well-formed')
  const { log } = recordingLogger()
  const uses = gatherUses({ database: database.serving, log })
  const accessLog = { database: database.serving, clock: systemClock, accessLogDays: 30 }
  const verifying = testVerifying(database.serving, ring.keyring, PATIENTLY.timeout)
  services = {
    ...accessLog,
    ...verifying,
    keyring: ring.keyring,
    uses,
    accesses: gatherAccesses({ ...accessLog, log }),
    identityTokens: null,
  }
  const account = await done(runCommand(services, origin, createAccount, { name: 'Acme' }))
  const keyspace = await done(
    runCommand(services, origin, createKeyspace, { accountId: account.accountId, name: 'main' }),
  )
  keyspaceId = keyspace.result.keyspaceId
})
afterAll(() => database.drop())

async function done<R>(outcome: Promise<{ kind: string } & R>) {
  const settled = await outcome
  if (settled.kind !== 'done') throw new Error(`refused: ${JSON.stringify(settled)}`)
  return settled as Extract<Awaited<typeof outcome>, { kind: 'done' }>
}

async function makeKey(name: string) {
  return done(
    runCommand(services, origin, createKey, { keyspaceId, name, enabled: true, tags: ['a'], metadata: { n: 1 } }),
  )
}

describe('rebuild', () => {
  test('while commands and verifications go on, loses none and stops none', async () => {
    let stop = false
    let rounds = 0
    const writer = async (id: number) => {
      while (!stop) {
        const { result, secrets } = await makeKey(`key ${id}`)
        await done(
          runCommand(services, origin, rotateKey, { keyId: result.keyId, slot: 'PRIMARY', overlapSeconds: 60 }),
        )
        const [secret] = secrets.values()
        const [verdict] = await verifyKeys(services, origin.caller, [{ key: secret?.reveal() ?? '' }])
        expect(verdict?.code).toBe('VALID')
        if (rounds++ % 3 === 0)
          await done(runCommand(services, origin, deleteKey, { keyId: result.keyId, reason: 'UNSPECIFIED' }))
      }
    }
    const writers = [1, 2, 3].map(writer)
    const generations = []
    for (let i = 0; i < 3; i++) generations.push((await rebuildState(database.owner)).generation)
    stop = true
    await Promise.all(writers)

    expect(generations).toEqual([2n, 3n, 4n])
    expect(rounds).toBeGreaterThan(3)
    expect(await checkState(database.owner)).toMatchObject({ difference: null })
  })

  test('is not stopped by what is free again and taken anew: names, and keys that are linked', async () => {
    const { accountId } = await done(runCommand(services, origin, createAccount, { name: 'Linking' }))
    const { result: lent } = await makeKey('lent')
    let stop = false
    let rounds = 0
    const writer = async (name: string) => {
      while (!stop) {
        const policy = { accountId, name, description: 'd', permissions: [] }
        const { result } = await done(runCommand(services, origin, createPolicy, policy))
        const { policyId } = result
        if (name === 'linking') {
          const input = { accountId, keyId: lent.keyId, policyIds: [policyId] }
          const linked = await done(runCommand(services, origin, linkKey, input))
          await done(runCommand(services, origin, unlinkKey, { linkId: linked.result.linkId }))
        }
        await done(runCommand(services, origin, deletePolicy, { policyId }))
        rounds++
      }
    }
    const writers = ['linking', 'other'].map(writer)
    try {
      for (let i = 0; i < 5; i++) await rebuildState(database.owner)
    } finally {
      stop = true
      await Promise.all(writers)
    }
    expect(rounds).toBeGreaterThan(10)
    expect(await checkState(database.owner)).toMatchObject({ difference: null })
  })

  test('refuses to run twice at once, and then runs again', async () => {
    const both = await Promise.allSettled([rebuildState(database.owner), rebuildState(database.owner)])
    const reasons = both.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : []))
    expect(reasons).toEqual([expect.stringContaining('Another rebuild of this database is under way')])
    await rebuildState(database.owner)
  })

  test('leaves tables, indexes and grants as the migrations made them', async () => {
    const catalog = async () =>
      (
        await database.owner.pool.query(`
          SELECT format('%s %s', tablename, indexdef) AS text FROM pg_indexes WHERE schemaname = 'state'
          UNION ALL SELECT format('%s %s %s', table_name, grantee, privilege_type)
            FROM information_schema.table_privileges WHERE table_schema = 'state'
          UNION ALL SELECT format('%s %s', relname, reloptions) FROM pg_class WHERE relnamespace = 'state'::regnamespace
          UNION ALL SELECT format('%s %s %s %s %s', table_name, ordinal_position, column_name, is_nullable, collation_name)
            FROM information_schema.columns WHERE table_schema = 'state' ORDER BY 1`)
      ).rows
    const before = await catalog()
    await rebuildState(database.owner)
    expect(await catalog()).toEqual(before)
  })
})

describe('rebuild --check', () => {
  test.each([
    [
      'a changed column',
      `UPDATE state.key SET enabled = NOT enabled WHERE key_id = $1`,
      'differs from the log in enabled',
    ],
    ['a lost row', `DELETE FROM state.code WHERE key_id = $1`, 'is missing'],
    [
      'a row the log knows nothing of',
      `INSERT INTO state.code SELECT (jsonb_populate_record(c, '{"code_id": "code_00zzzzzzzzzzzzzzzzzzzz", "ordinal": 99}')).*
         FROM state.code c WHERE key_id = $1`,
      'should not exist',
    ],
    [
      'a row of a stream the log knows nothing of',
      `INSERT INTO state.key SELECT (jsonb_populate_record(k, '{"key_id": "key_00zzzzzzzzzzzzzzzzzzzz"}')).*
         FROM state.key k WHERE key_id = $1`,
      'should not exist',
    ],
  ])('names %s', async (_what, tamper, difference) => {
    const { result } = await makeKey('tampered')
    expect((await checkState(database.owner)).difference).toBeNull()
    await database.owner.pool.query(tamper, [result.keyId])
    expect((await checkState(database.owner)).difference).toContain(difference)
    await rebuildState(database.owner)
    expect((await checkState(database.owner)).difference).toBeNull()
  })
})
