// Users without a default key get theirs: by the command that switches the rule on, by whoever sends it again, and by the sweep.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { fillDefaultKeys } from '#commands/fill-default-keys.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { checkState } from '#state/check.ts'
import { colliding } from '#test/support/colliding.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'

const ON = { defaultKeys: true, secretDisplay: 'REVEALABLE' }

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let late: string
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
  late = await at.createKeyspace(account.accountId, { ...ON, defaultKeys: false })
})

const defaultsOf = async (userId: string, keyspaceId: string) =>
  database.owner.kysely
    .selectFrom('state.key')
    .selectAll()
    .where('owner_id', '=', userId)
    .where('keyspace_id', '=', keyspaceId)
    .where('is_default', '=', true)
    .execute()

test('users who are without one get theirs once, wherever the process ended that was to make them', async () => {
  const users = await Promise.all(Array.from({ length: 12 }, () => at.addUser(account.accountId)))
  // As by a process that is killed right after its commit.
  const killed = { ...updateKeyspace, afterwards: async () => undefined }
  await at.done(killed, { keyspaceId: late, rules: { defaultKeys: true } })
  const countThere = async () => (await Promise.all(users.map((userId) => defaultsOf(userId, late)))).flat().length
  expect(await countThere()).toBe(0)

  let looks = 0
  const first = await fillDefaultKeys(at, { keyspaceId: late, correlationId: 'sweep', isStopped: () => ++looks > 2 })
  expect(await countThere()).toBe(first.made)
  expect(first.made).toBeGreaterThan(0)
  expect(first.made).toBeLessThan(12)
  // Two at once, as of two instances that start together.
  const rest = await Promise.all([1, 2].map(() => fillDefaultKeys(at, { correlationId: 'sweep' })))
  expect(first.made + rest.reduce((sum, { made }) => sum + made, 0)).toBe(12)
  expect(rest.map(({ failed }) => failed)).toEqual([0, 0])
  for (const userId of users) expect(await defaultsOf(userId, late)).toHaveLength(1)
  expect(await fillDefaultKeys(at, { correlationId: 'sweep' })).toEqual({ made: 0, failed: 0 })
})

describe('whoever switches the rule on and is not answered with all keys made', () => {
  const retried = () => ({ idempotencyKey: crypto.randomUUID() })
  const RULES = { rules: { defaultKeys: true } }
  const killed = <Ran extends typeof updateKeyspace | typeof createKeyspace>(command: Ran): Ran => ({
    ...command,
    afterwards: async () => undefined,
  })

  test.each([
    ['retries', { idempotencyKey: 'once', ...RULES }, { idempotencyKey: 'once', ...RULES }],
    ['asks for it anew', RULES, RULES],
    ['changes something else', RULES, { name: 'something else' }],
  ])('has the rest made who %s', async (_how, first, next) => {
    const userId = await at.addUser(account.accountId)
    await at.done(killed(updateKeyspace), { keyspaceId: late, ...first })
    expect(await defaultsOf(userId, late)).toEqual([])
    await at.done(updateKeyspace, { keyspaceId: late, ...next })
    expect(await defaultsOf(userId, late)).toHaveLength(1)
  })

  test('has the rest made by the retry of a creation', async () => {
    const userId = await at.addUser(account.accountId)
    const input = { accountId: account.accountId, name: 'born with it', rules: ON, ...retried() }
    const { result } = await at.done(killed(createKeyspace), input)
    expect(await defaultsOf(userId, result.keyspaceId)).toEqual([])
    expect(await at.done(createKeyspace, input)).toMatchObject({ result })
    expect(await defaultsOf(userId, result.keyspaceId)).toHaveLength(1)
  })

  test('has none made by a retry once the rule is off again', async () => {
    const userId = await at.addUser(account.accountId)
    const input = { keyspaceId: late, ...retried(), ...RULES }
    await at.done(killed(updateKeyspace), input)
    await at.done(updateKeyspace, { keyspaceId: late, rules: { defaultKeys: false } })
    await at.done(updateKeyspace, input)
    expect(await defaultsOf(userId, late)).toEqual([])
  })

  const keptFrom = <Result>(userId: string, times: number, work: () => Promise<Result>) =>
    colliding(database.owner, `NEW.owner_id = '${userId}'`, times, work)

  test('waits for those that other changes came before', async () => {
    const userId = await at.addUser(account.accountId)
    await keptFrom(userId, 7, () => at.done(updateKeyspace, { keyspaceId: late, ...RULES }))
    expect(await defaultsOf(userId, late)).toHaveLength(1)
  })

  test('is told where that is in vain, has the others made, and the rest by sending it again', async () => {
    const [kept, other] = [await at.addUser(account.accountId), await at.addUser(account.accountId)]
    const input = { keyspaceId: late, ...retried(), ...RULES }
    const refusal = await keptFrom(kept, 1_000, () => at.refusal(updateKeyspace, input))
    expect(refusal).toEqual({ code: 'CONFLICT', expectedVersion: null, actualVersion: null, isCommitted: true })
    expect([await defaultsOf(kept, late), await defaultsOf(other, late)]).toMatchObject([[], [{ owner_id: other }]])
    await at.done(updateKeyspace, input)
    expect(await defaultsOf(kept, late)).toHaveLength(1)
  })
})
