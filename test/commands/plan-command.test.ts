// Every command can be tried before it is done: decided alike, for whoever may do it or may read all of it, and nothing is written.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Origin } from '#commands/command.ts'
import { type Plan, planCommand } from '#commands/plan-command.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { updatePolicy } from '#commands/update-policy.ts'
import { send, statement } from '#database/connect.ts'
import { inSnapshot } from '#database/transaction.ts'
import { DenialError } from '#domain/caller.ts'
import { MANAGEMENT_PERMISSIONS } from '#domain/permission.ts'
import { newId } from '#secret/ids.ts'
import { rebuildState } from '#state/rebuild.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { checksums } from '#test/support/plaintexts.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { type AnyCommand, type Case, cases } from './cases.ts'

let database: TestDatabase
let at: TestServices
let own: MadeAccount
let stranger: Origin
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  own = await at.createAccount()
  stranger = (await at.createCaller(await at.createAccount('Foreign'), ['*'])).origin
})
afterAll(() => database.drop())

const callerWith = (permissions: readonly string[]): Origin => ({
  caller: { kind: 'KEY', keyId: newId('key', 0), codeId: newId('code', 0), accountId: own.accountId, permissions },
  correlationId: 'test',
})

async function leavesNothing<T>(work: () => Promise<T>): Promise<T> {
  const before = await checksums(database.owner)
  const result = await work()
  expect(await checksums(database.owner)).toEqual(before)
  return result
}

async function planned(command: AnyCommand, input: unknown, origin = at.root): Promise<Plan> {
  const plan = await leavesNothing(() => planCommand(at, origin, command, input))
  if (plan.kind === 'refused') throw new Error(`${command.name} was refused: ${JSON.stringify(plan.refusal)}`)
  return plan
}

async function refusal(command: AnyCommand, input: unknown, origin = at.root) {
  const plan = await leavesNothing(() => planCommand(at, origin, command, input))
  if (plan.kind === 'refused') return plan.refusal
  throw new Error(`${command.name} was not refused`)
}

const READS = ['accounts.read', 'keys.read', 'events.read']

describe.each(cases)('$name', ({ command, id, versioned, neverRetried, events, prepare }: Case) => {
  test('tells its events and makes none of them', async () => {
    const input = await prepare(at, own)
    const plan = await planned(command, input)
    expect(plan.events.map(({ fact }) => fact.type)).toEqual(events)
    const { eventIds } = await at.done(command, input)
    expect(eventIds).toHaveLength(events.length)
    // Done, it would be done no more, or refused as a second one.
    const again = await planCommand(at, at.root, command, input)
    const second = await at.run(command, input)
    if (again.kind === 'planned') expect(second).toMatchObject({ kind: 'done' })
    else expect(second).toEqual(again)
    if (again.kind === 'planned' && second.kind === 'done') expect(again.events).toHaveLength(second.eventIds.length)
  })

  test('is told to who may run it, to who may read all of it, and to nobody else', async () => {
    const { permission } = command
    const input = await prepare(at, own)
    const others = MANAGEMENT_PERMISSIONS.filter((other) => other !== permission)
    for (const missing of READS) {
      const lacking = callerWith(permission === 'root' ? ['*'] : others.filter((other) => other !== missing))
      if (permission === missing) continue
      await leavesNothing(() => expect(planCommand(at, lacking, command, input)).rejects.toThrow(DenialError))
    }
    if (permission === 'root') return
    // What they must hold themselves is asked of who may run it all the same, and not of who may only read.
    const told = await planCommand(at, callerWith([permission]), command, input)
    if (told.kind === 'refused') expect(told.refusal).toEqual({ code: 'GRANT_EXCEEDS_CALLER' })
    const read = await planned(command, input, callerWith(READS))
    expect(read.events.map(({ fact }) => fact.type)).toEqual(events)
  })

  if (id !== null)
    test('finds nothing of another account', async () => {
      const input = await prepare(at, own)
      expect(await refusal(command, input, stranger)).toEqual({ code: 'NOT_FOUND', subjectId: input[id] })
    })

  if (versioned)
    test('refuses what has moved on', async () => {
      const input = await prepare(at, own)
      expect(await refusal(command, { ...input, expectedVersion: 99 })).toMatchObject({ code: 'CONFLICT' })
    })

  test.skipIf(neverRetried)('meets an idempotency key as a retry would, and claims none', async () => {
    const idempotencyKey = `planned ${command.name}`
    const input = { ...(await prepare(at, own)), idempotencyKey }
    expect((await planned(command, input)).events).toHaveLength(events.length)
    await at.done(command, input)
    expect((await planned(command, input)).events).toEqual([])
    expect(await refusal(command, { ...input, [id ?? 'name']: 'other' })).toEqual({ code: 'IDEMPOTENCY_KEY_REUSED' })
  })
})

describe('what follows a command', () => {
  test('default keys of users who are without are planned as they are then made', async () => {
    const account = await at.createAccount()
    const keyspaceId = await at.createKeyspace(account.accountId, { secretDisplay: 'REVEALABLE' })
    for (const _ of [1, 2, 3]) await at.addUser(account.accountId)
    const input = { keyspaceId, rules: { defaultKeys: true } }
    const plan = await planned(updateKeyspace as AnyCommand, input)
    const shown = ({ fact, actor, own: isOwn }: Plan['events'][number]) => `${fact.type} ${actor.kind} ${isOwn}`
    const key = ['key.created SYSTEM false', 'code.issued SYSTEM false']
    expect(plan.events.map(shown)).toEqual(['keyspace.updated ROOT true', ...key, ...key, ...key])
    const owners = plan.events.flatMap(({ fact }) => (fact.type === 'key.created' ? [fact.data.ownerId] : []))
    expect(new Set(owners).size).toBe(3)
    const before = await headOf(account.accountId)
    await at.done(updateKeyspace, input)
    expect((await headOf(account.accountId)) - before).toBe(plan.events.length)
    expect((await planned(updateKeyspace as AnyCommand, input)).events).toEqual([])
  })

  test('keys that a rule freezes are planned as they are then frozen', async () => {
    const account = await at.createAccount()
    const policyId = await at.createPolicy(account.accountId, { permissions: ['ads.read'] })
    const keyspaceId = await at.createKeyspace(account.accountId)
    const keys = [await at.createKey(keyspaceId, { policyIds: [policyId] }), await at.createKey(keyspaceId)]
    const input = { keyspaceId, rules: { authorizations: 'FROZEN' } }
    const plan = await planned(updateKeyspace as AnyCommand, input)
    const told = plan.events.map(({ fact, subject }) => [fact.type, subject.id, fact.data])
    const { rows: heads } = await database.owner.pool.query(
      'SELECT max(position) FROM log.event WHERE account_id = $1',
      [account.accountId],
    )
    await at.done(updateKeyspace, input)
    const { rows } = await database.owner.pool.query(
      'SELECT type, stream_id, data FROM log.event WHERE account_id = $1 AND position > $2 ORDER BY position',
      [account.accountId, heads[0]?.max],
    )
    expect(told).toEqual(rows.map(({ type, stream_id, data }) => [type, stream_id, data]))
    expect(told).toHaveLength(1 + keys.length)
    expect(plan.stopping.stops).toEqual([])
  })

  async function headOf(accountId: string): Promise<number> {
    const { rows } = await database.owner.pool.query('SELECT position FROM log.account WHERE account_id = $1', [
      accountId,
    ])
    return Number(rows[0]?.position)
  }
})

describe('what stops', () => {
  test('asking for a user stops those who come without one, of the keyspace and of links into it', async () => {
    const keyspaceId = await at.createKeyspace(own.accountId)
    const { codeIds } = await at.createKey(keyspaceId)
    const lent = await at.createForeignKey()
    const elsewhere = await at.createForeignKey()
    const into = await at.linkKey(own.accountId, lent.keyId, { keyspaceId })
    const everywhere = await at.linkKey(own.accountId, elsewhere.keyId)
    const plan = await planned(updateKeyspace as AnyCommand, { keyspaceId, rules: { upstreamUserRequired: true } })
    const told = plan.stopping.stops.map((stop) => [stop.kind === 'code' ? stop.codeId : stop.linkId, stop.loss])
    expect(told).toContainEqual([codeIds[0], 'SOME'])
    expect(told).toContainEqual([into, 'SOME'])
    expect(told).toContainEqual([everywhere, 'SOME'])
    const back = { keyspaceId, rules: { upstreamUserRequired: false } }
    await at.done(updateKeyspace, { keyspaceId, rules: { upstreamUserRequired: true } })
    expect((await planned(updateKeyspace as AnyCommand, back)).stopping.stops).toEqual([])
  })

  test('a code in overlap stops where another rotation ends the overlap', async () => {
    const { keyId, codeIds } = await at.createKey(await at.createKeyspace(own.accountId))
    const overlapping = { keyId, slot: 'PRIMARY', overlapSeconds: 3_600 }
    const first = await planned(rotateKey as AnyCommand, overlapping)
    const [rotated] = first.events.flatMap(({ fact }) => (fact.type === 'key.rotated' ? [fact.data] : []))
    const stop = { kind: 'code', codeId: codeIds[0], keyId, loss: 'ALL' }
    expect(first.stopping.stops).toEqual([{ ...stop, at: rotated?.overlapEndsAt }])
    const { result } = await at.done(rotateKey, overlapping)
    const { stops } = (await planned(rotateKey as AnyCommand, overlapping)).stopping
    expect(stops).toMatchObject([stop, { ...stop, codeId: result.issuedCodeIds[0] }])
    expect(stops[0]?.at).not.toBe(stops[1]?.at)
    const atOnce = (await planned(rotateKey as AnyCommand, { ...overlapping, overlapSeconds: 0 })).stopping.stops
    expect(atOnce.map((stop) => stop.kind === 'code' && stop.codeId).toSorted()).toEqual(
      [codeIds[0], result.issuedCodeIds[0]].toSorted(),
    )
  })

  test('of a key of another account that was let in, its own account is told nothing', async () => {
    const policyId = await at.createPolicy(own.accountId, { permissions: ['ads.read'] })
    const lent = await at.createForeignKey()
    const linkId = await at.linkKey(own.accountId, lent.keyId, { policyIds: [policyId] })
    const { stops } = (await planned(updatePolicy as AnyCommand, { policyId, permissions: [] })).stopping
    expect(stops).toMatchObject([{ kind: 'link', linkId, loss: 'SOME' }])
    const revoke = cases.find(({ name }) => name === 'revokeKey')?.command as AnyCommand
    const theirs = await planned(revoke, { keyId: lent.keyId, reason: 'UNSPECIFIED' })
    const [codeId] = lent.codeIds
    expect(theirs.stopping.stops).toMatchObject([{ kind: 'code', codeId, keyId: lent.keyId, loss: 'ALL' }])
  })
})

test('who may only read may not try a secret of their own', async () => {
  const keyspaceId = await at.createKeyspace(own.accountId, { customSecrets: true })
  const { keyId } = await at.createKey(keyspaceId)
  const input = { keyId, slot: 'PRIMARY', overlapSeconds: 0, secret: 'kX9vQ2Lm7RtB4zWcJh5pN8' }
  expect(await refusal(rotateKey as AnyCommand, input, callerWith(READS))).toMatchObject({
    code: 'INVALID_INPUT',
    issues: [{ path: ['secret'] }],
  })
  expect((await planned(rotateKey as AnyCommand, input, callerWith(['keys.write']))).events).toHaveLength(1)
})

test('what is planned sees one state, whether or not a rebuild would like to swap it', async () => {
  const tables = ['state.account']
  const swapped = await inSnapshot(database.serving, tables, async ({ run }) => {
    await run(statement('SELECT 1 FROM log.feed_shard', []))
    let done = false
    const rebuilt = rebuildState(database.owner).finally(() => {
      done = true
    })
    const waits = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
    while (!done && (await send(database.owner.pool, statement(waits, []))).length === 0);
    const accounts = await run(statement('SELECT 1 FROM state.account', []))
    return { rebuilt, accounts: accounts.length }
  })
  expect(swapped.accounts).toBeGreaterThan(0)
  await swapped.rebuilt
})

test('the snapshot can write nothing', async () => {
  const work = inSnapshot(database.serving, ['state.account'], ({ run }) =>
    run(statement('DELETE FROM vault.idempotency', [])),
  )
  await expect(work).rejects.toMatchObject({ code: '25006' })
})
