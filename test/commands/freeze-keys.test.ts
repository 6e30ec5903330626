// Keys from before their keyspace was frozen keep what their policies grant then: by the command that freezes it, by whoever sends
// it again, and by the sweep.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { deletePolicy } from '#commands/delete-policy.ts'
import { FREEZING, freezeKeys } from '#commands/freeze-keys.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { updatePolicy } from '#commands/update-policy.ts'
import { checkState } from '#state/check.ts'
import { colliding, holding } from '#test/support/colliding.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { PATIENTLY } from '#test/support/wait.ts'

const FROZEN = { rules: { authorizations: 'FROZEN' } }
const EDITABLE = { rules: { authorizations: 'EDITABLE' } }

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let keyspaceId: string
let policyId: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
afterAll(async () => {
  expect(await checkState(database.owner)).toMatchObject({ difference: null })
  await database.drop()
})
beforeEach(async () => {
  account = await at.createAccount()
  keyspaceId = await at.createKeyspace(account.accountId)
  policyId = await at.createPolicy(account.accountId, { permissions: ['ads.read'] })
})

const keyWith = async (...policyIds: readonly string[]) => (await at.createKey(keyspaceId, { policyIds })).keyId
const keysWith = (count: number) => Promise.all(Array.from({ length: count }, () => keyWith(policyId)))
const rowOf = (keyId: string) =>
  database.owner.kysely.selectFrom('state.key').selectAll().where('key_id', '=', keyId).executeTakeFirstOrThrow()
const keptBy = async (keyId: string) =>
  (await rowOf(keyId)).frozen_policies?.map(({ permissions }) => permissions.join(' ')) ?? null
const frozenEvents = async (keyId: string) =>
  (
    await database.owner.pool.query(
      `SELECT actor_kind, actor_id, correlation_id, data FROM log.event
        WHERE stream_id = $1 AND type = 'key.frozen' ORDER BY version`,
      [keyId],
    )
  ).rows

/** As by a process that is killed right after its commit. */
const killed = { ...updateKeyspace, afterwards: async () => undefined }

describe('freezing a keyspace', () => {
  test('is for each key an event of the server’s own, in the request that caused it', async () => {
    const keyId = await keyWith(policyId)
    const { version } = await rowOf(keyId)
    await at.done(updateKeyspace, { keyspaceId, ...FROZEN }, { caller: { kind: 'ROOT' }, correlationId: 'the request' })
    const kept = [{ policyId, permissions: ['ads.read'], endpoints: [] }]
    const event = { actor_kind: 'SYSTEM', actor_id: null, correlation_id: 'the request' }
    expect(await frozenEvents(keyId)).toEqual([{ ...event, data: { frozenPolicies: kept } }])
    expect(await rowOf(keyId)).toMatchObject({ frozen_policies: kept, version: version + 1 })
    await at.done(updatePolicy, { policyId, permissions: ['*'] })
    expect(await keptBy(keyId)).toEqual(['ads.read'])
  })

  test('leaves out what grants nothing any more, what is frozen, and what is in another keyspace', async () => {
    const revoked = await keyWith(policyId)
    await at.done(revokeKey, { keyId: revoked, reason: 'UNSPECIFIED' })
    const { keyId: elsewhere } = await at.createKey(await at.createKeyspace(account.accountId))
    const before = await keyWith(policyId)
    await at.done(updateKeyspace, { keyspaceId, ...FROZEN })
    const born = await keyWith(policyId)
    await at.done(updateKeyspace, { keyspaceId, name: 'other' })
    for (const keyId of [revoked, elsewhere, born]) expect(await frozenEvents(keyId)).toEqual([])
    expect(await frozenEvents(before)).toHaveLength(1)
    expect(await Promise.all([revoked, elsewhere, born].map(keptBy))).toEqual([null, null, ['ads.read']])
  })

  test('keeps a key without policies as it is, too', async () => {
    const keyId = await keyWith()
    await at.done(updateKeyspace, { keyspaceId, ...FROZEN })
    expect(await keptBy(keyId)).toEqual([])
  })

  test('waits for a key that is just being made: none slips through between the two', async () => {
    const keyId = await holding(database.owner, `NEW.name = 'held'`, async ({ waiting, release }) => {
      const making = at.createKey(keyspaceId, { name: 'held', policyIds: [policyId] })
      await vi.waitFor(async () => expect(await waiting()).toBe(1), PATIENTLY)
      let answered = false
      const freezing = at.done(updateKeyspace, { keyspaceId, ...FROZEN }).then(() => {
        answered = true
      })
      await vi.waitFor(async () => expect(answered || (await waiting()) === 2).toBe(true), PATIENTLY)
      await release()
      await freezing
      return (await making).keyId
    })
    expect(await keptBy(keyId)).toEqual(['ads.read'])
  })

  test('is for good: opened again, what was frozen stays so, and what is new is not', async () => {
    const before = await keyWith(policyId)
    await at.done(updateKeyspace, { keyspaceId, ...FROZEN })
    await at.done(updateKeyspace, { keyspaceId, ...EDITABLE })
    const after = await keyWith(policyId)
    for (const change of [{ policyIds: [] }, { permissions: ['*'] }])
      expect(await at.refusal(updateKey, { keyId: before, ...change })).toEqual({ code: 'AUTHORIZATIONS_FROZEN' })
    expect(await keptBy(after)).toBeNull()
    await at.done(updateKey, { keyId: after, policyIds: [] })
    await at.done(updatePolicy, { policyId, permissions: [] })
    // Once more: each keeps what it had when it was frozen.
    await at.done(updateKeyspace, { keyspaceId, ...FROZEN })
    expect([await keptBy(before), await keptBy(after)]).toEqual([['ads.read'], []])
    await at.done(deletePolicy, { policyId })
  })

  test('takes more events where policies are larger than one', async () => {
    const names = (n: number) => Array.from({ length: 100 }, (_, i) => `${'p'.repeat(120)}.${100_000 + n * 1_000 + i}`)
    const policyIds = await Promise.all(
      Array.from({ length: 9 }, (_, n) => at.createPolicy(account.accountId, { permissions: names(n) })),
    )
    const keyId = await keyWith(...policyIds)
    await at.done(updateKeyspace, { keyspaceId, ...FROZEN })
    expect(await frozenEvents(keyId)).toHaveLength(3)
    expect((await rowOf(keyId)).frozen_policies).toMatchObject(policyIds.map((id) => ({ policyId: id })))
    expect(await keptBy(keyId)).toEqual(policyIds.map((_, n) => names(n).join(' ')))
  })

  test('is done in transactions of at most 100 keys, or some thousand events of them', async () => {
    await keysWith(230)
    await at.done(updateKeyspace, { keyspaceId, ...FROZEN })
    const { rows } = await database.owner.pool.query<{ count: number }>(
      `SELECT count(*)::integer AS count FROM log.event WHERE account_id = $1 AND type = 'key.frozen' GROUP BY xmin::text`,
      [account.accountId],
    )
    expect(rows.map(({ count }) => count).sort()).toEqual([100, 100, 30])

    const keys = [1, 4_000, 999, 2, 90_000, 1, 1].map((version, n) => ({ key_id: `key_${n}`, version }))
    const parts = FREEZING.parts(keys).map((part) => part.map(({ version }) => version))
    expect(parts).toEqual([[1, 4_000, 999], [2], [90_000], [1, 1]])
  })
})

test('keys are frozen once, wherever the process ended that was to freeze them', async () => {
  const keyIds = await keysWith(130)
  await at.done(killed, { keyspaceId, ...FROZEN })
  const countFrozen = async () => (await Promise.all(keyIds.map(keptBy))).filter((kept) => kept !== null).length
  expect(await countFrozen()).toBe(0)
  let looks = 0
  const first = await freezeKeys(at, { keyspaceId, correlationId: 'sweep', isStopped: () => ++looks > 2 })
  expect([first, await countFrozen()]).toEqual([{ made: 100, failed: 0 }, 100])
  // Two at once, as of two instances that start together.
  const rest = await Promise.all([1, 2].map(() => freezeKeys(at, { correlationId: 'sweep' })))
  expect(rest.map(({ made }) => made).sort()).toEqual([0, 30])
  expect(rest.map(({ failed }) => failed)).toEqual([0, 0])
  for (const keyId of keyIds) expect(await frozenEvents(keyId)).toHaveLength(1)
  expect(await freezeKeys(at, { correlationId: 'sweep' })).toEqual({ made: 0, failed: 0 })
})

describe('whoever freezes a keyspace and is not answered with all keys frozen', () => {
  test.each([
    ['retries', { idempotencyKey: 'once', ...FROZEN }, { idempotencyKey: 'once', ...FROZEN }],
    ['asks for it anew', FROZEN, FROZEN],
    ['changes something else', FROZEN, { name: 'something else' }],
  ])('has the rest frozen who %s', async (_how, first, next) => {
    const keyId = await keyWith(policyId)
    await at.done(killed, { keyspaceId, ...first })
    expect(await keptBy(keyId)).toBeNull()
    // Edited by nobody meanwhile, and still reached by edits of its policies, up to when it is.
    expect(await at.refusal(updateKey, { keyId, policyIds: [] })).toEqual({ code: 'AUTHORIZATIONS_FROZEN' })
    await at.done(updatePolicy, { policyId, permissions: [] })
    await at.done(updateKeyspace, { keyspaceId, ...next })
    expect(await keptBy(keyId)).toEqual([''])
  })

  test('has none frozen by a retry once the keyspace is open again', async () => {
    const keyId = await keyWith(policyId)
    const input = { keyspaceId, idempotencyKey: crypto.randomUUID(), ...FROZEN }
    await at.done(killed, input)
    await at.done(updateKeyspace, { keyspaceId, ...EDITABLE })
    await at.done(updateKeyspace, input)
    expect(await keptBy(keyId)).toBeNull()
    await at.done(updateKey, { keyId, policyIds: [] })
  })

  const keptFrom = <Result>(keyId: string, times: number, work: () => Promise<Result>) =>
    colliding(database.owner, `NEW.key_id = '${keyId}'`, times, work)

  test('waits for those that other changes came before', async () => {
    const keyId = await keyWith(policyId)
    await keptFrom(keyId, 7, () => at.done(updateKeyspace, { keyspaceId, ...FROZEN }))
    expect(await keptBy(keyId)).toEqual(['ads.read'])
  })

  test('is told where that is in vain, has the other parts frozen, and the rest by sending it again', async () => {
    const keyIds = (await keysWith(101)).sort()
    const [kept, other] = [keyIds[0] ?? '', keyIds[100] ?? '']
    const input = { keyspaceId, idempotencyKey: crypto.randomUUID(), ...FROZEN }
    const refusal = await keptFrom(kept, 1_000, () => at.refusal(updateKeyspace, input))
    expect(refusal).toEqual({ code: 'CONFLICT', expectedVersion: null, actualVersion: null, isCommitted: true })
    expect([await keptBy(kept), await keptBy(other)]).toEqual([null, ['ads.read']])
    await at.done(updateKeyspace, input)
    expect(await keptBy(kept)).toEqual(['ads.read'])
  })
})
