// The directory: one user for each external id, who they are in the vault only, and no role beyond the caller's own.
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addUser } from '#commands/add-user.ts'
import { removeUser } from '#commands/remove-user.ts'
import { updateUser } from '#commands/update-user.ts'
import { MANAGEMENT_PERMISSIONS } from '#domain/permission.ts'
import { permissionsOfRole, ROLES } from '#domain/user/roles.ts'
import { createLoaders } from '#queries/loaders.ts'
import { findUserByExternalId } from '#queries/users.ts'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testKeyring, testServices, tracesIn } from '#test/support/services.ts'

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let other: MadeAccount
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  other = await at.createAccount('Other')
})
afterAll(() => database.drop())

const readerOf = ({ database, keyring, clock }: TestServices) => ({
  database,
  keyring,
  now: clock.now(),
  memberId: null,
})
const findBy = async (externalId: string, { accountId } = account, services = at) =>
  (await findUserByExternalId(readerOf(services), accountId, externalId))?.user_id
const profileOf = (userId: string, services = at) =>
  createLoaders(readerOf(services), { kind: 'ROOT' }).profile.load(userId)
const add = (input: object, origin = at.root) =>
  at.run(addUser, { accountId: account.accountId, role: 'MEMBER', ...input }, origin)

describe('an external id', () => {
  test('belongs to one user of an account, and to others elsewhere', async () => {
    const userId = await at.addUser(account.accountId, { externalId: 'one@example.org' })
    expect(await add({ externalId: 'one@example.org' })).toMatchObject({ refusal: { code: 'NAME_IN_USE' } })
    const elsewhere = await at.addUser(other.accountId, { externalId: 'one@example.org' })
    expect(await findBy('one@example.org')).toBe(userId)
    expect(await findBy('one@example.org', other)).toBe(elsewhere)
  })

  test('is matched to the character', async () => {
    const ids = ['Case@example.org', 'case@example.org', 'caf\u00e9', 'cafe\u0301', 'a b', 'a  b']
    const users = await Promise.all(ids.map((externalId) => at.addUser(account.accountId, { externalId })))
    for (const [index, externalId] of ids.entries()) expect(await findBy(externalId)).toBe(users[index])
    for (const unknown of ['CASE@example.org', 'cafe', ' a b', 'a b ', '', '\0', '%', 'x'.repeat(10_000)])
      expect(await findBy(unknown)).toBeUndefined()
  })

  test.each(['', ' ', ' padded', 'padded ', 'a\nb', 'a\0b', 'x'.repeat(321), '\ud800', 5, null])(
    'is not %j',
    async (externalId) => {
      const outcome = await add({ externalId })
      expect(outcome).toMatchObject({ refusal: { code: 'INVALID_INPUT', issues: [{ path: ['externalId'] }] } })
    },
  )

  test('is free again once the user is removed, for a user of their own', async () => {
    const first = await at.addUser(account.accountId, { externalId: 'leaver' })
    await at.done(removeUser, { userId: first })
    expect(await findBy('leaver')).toBeUndefined()
    const second = await at.addUser(account.accountId, { externalId: 'leaver' })
    expect(second).not.toBe(first)
    expect(await findBy('leaver')).toBe(second)
    // Removing once more changes nothing, and does not take the name from who has it now.
    expect((await at.done(removeUser, { userId: first })).eventIds).toEqual([])
    expect(await findBy('leaver')).toBe(second)
  })

  test('is found, and taken, under every secret while a newer one is being introduced', async () => {
    const [older, newer] = ['k1,k2', 'k2,k1'].map((ids) =>
      testServices(database.serving, { keyring: testKeyring(...ids.split(',')), clock: at.clock }),
    ) as [TestServices, TestServices]
    const { accountId } = account
    const before = await older.addUser(accountId, { externalId: 'before' })
    const after = await newer.addUser(accountId, { externalId: 'after' })
    for (const services of [older, newer])
      for (const [externalId, userId] of [
        ['before', before],
        ['after', after],
      ] as const) {
        expect(await findBy(externalId, account, services)).toBe(userId)
        const input = { accountId, externalId, role: 'MEMBER' }
        expect(await services.refusal(addUser, input)).toEqual({ code: 'NAME_IN_USE' })
      }
    expect(await profileOf(before, newer)).toEqual({ externalId: 'before', displayName: null })
  })
})

describe('who a user is', () => {
  test('is read from the vault, the latest first, and changes nothing where it stays the same', async () => {
    const userId = await at.addUser(account.accountId, { externalId: 'renamed', displayName: 'First' })
    expect(await profileOf(userId)).toEqual({ externalId: 'renamed', displayName: 'First' })
    expect((await at.done(updateUser, { userId, displayName: 'First' })).eventIds).toEqual([])
    await at.done(updateUser, { userId, displayName: 'Second' })
    await at.done(updateUser, { userId, role: 'AUDITOR' })
    expect(await profileOf(userId)).toEqual({ externalId: 'renamed', displayName: 'Second' })
    await at.done(updateUser, { userId, displayName: null })
    expect((await at.done(updateUser, { userId, displayName: null })).eventIds).toEqual([])
    expect(await profileOf(userId)).toEqual({ externalId: 'renamed', displayName: null })
  })

  test('stands in no event: of each value there is the hash of what the vault holds', async () => {
    const userId = await at.addUser(account.accountId, { externalId: 'hashed', displayName: 'Name' })
    await at.done(updateUser, { userId, displayName: 'Other' })
    await at.done(updateUser, { userId, role: 'AUDITOR' })
    const { rows: events } = await database.owner.pool.query<{ version: number; body: Buffer }>(
      'SELECT version, body FROM log.event WHERE stream_id = $1 ORDER BY version',
      [userId],
    )
    const { rows: stored } = await database.owner.pool.query<{ version: number; name: string; ciphertext: Buffer }>(
      'SELECT version, name, ciphertext FROM vault.personal WHERE user_id = $1',
      [userId],
    )
    const hashes = (version: number) =>
      Object.fromEntries(
        stored
          .filter((row) => row.version === version)
          .map(({ name, ciphertext }) => [name, createHash('sha256').update(ciphertext).digest('hex')]),
      )
    expect(events.map(({ body }) => JSON.parse(body.toString('utf8')).personal)).toEqual([hashes(1), hashes(2), {}])
    expect(Object.keys(hashes(1)).sort()).toEqual(['displayName', 'externalId'])
    expect(Object.keys(hashes(2))).toEqual(['displayName'])
  })

  test('is nobody’s business in another account', async () => {
    const userId = await at.addUser(account.accountId, { externalId: 'private' })
    const stranger = await at.createCaller(other, ['*'])
    const loaders = createLoaders(readerOf(at), stranger.origin.caller)
    expect([await loaders.profile.load(userId), await loaders.user.load(userId)]).toEqual([null, null])
    expect(await findBy('private', other)).toBeUndefined()
  })

  test('is left alone by a rebuild, and is no part of state', async () => {
    const userId = await at.addUser(account.accountId, { externalId: 'rebuilt' })
    const vault = async () => (await database.owner.pool.query('SELECT * FROM vault.personal ORDER BY 2, 3, 4')).rows
    const before = await vault()
    await rebuildState(database.owner)
    expect(await vault()).toEqual(before)
    expect((await checkState(database.owner)).difference).toBeNull()
    expect(await profileOf(userId)).toEqual({ externalId: 'rebuilt', displayName: null })
    expect(await findBy('rebuilt')).toBe(userId)
  })
})

describe('a role', () => {
  const REFUSED = { code: 'GRANT_EXCEEDS_CALLER' }
  const everything = MANAGEMENT_PERMISSIONS

  test.each(ROLES)('%s is given only by who holds all that it permits', async (role) => {
    const { accountId } = account
    const needed = permissionsOfRole(role)
    const enough = await at.createCaller(account, ['users.write', ...needed])
    const all = needed.includes('*') ? everything : everything.filter((permission) => permission !== needed[0])
    const short = await at.createCaller(account, all)
    const userId = await at.addUser(accountId, { role: role === 'MEMBER' ? 'VERIFIER' : 'MEMBER' })
    const input = { accountId, externalId: `given ${role}`, role, idempotencyKey: 'escalation' }
    const before = await tracesIn(database.owner)
    expect(await at.refusal(addUser, input, short.origin)).toEqual(REFUSED)
    expect(await at.refusal(updateUser, { userId, role, idempotencyKey: 'escalation' }, short.origin)).toEqual(REFUSED)
    expect(await tracesIn(database.owner)).toEqual(before)
    await at.done(addUser, input, enough.origin)
    await at.done(updateUser, { userId, role }, enough.origin)
  })

  test('is kept, and taken away, by who holds less', async () => {
    const writer = await at.createCaller(account, ['users.write', 'keys.verify'])
    const userId = await at.addUser(account.accountId, { role: 'ADMINISTRATOR' })
    await at.done(updateUser, { userId, displayName: 'Boss', permissions: ['ads.read'] }, writer.origin)
    await at.done(updateUser, { userId, role: 'VERIFIER' }, writer.origin)
    await at.done(removeUser, { userId: await at.addUser(account.accountId, { role: 'AUDITOR' }) }, writer.origin)
  })

  test('refused tells nobody whether an external id is taken', async () => {
    const writer = await at.createCaller(account, ['users.write'])
    await at.addUser(account.accountId, { externalId: 'probed' })
    expect(await add({ externalId: 'probed', role: 'ADMINISTRATOR' }, writer.origin)).toMatchObject({
      refusal: REFUSED,
    })
  })
})

describe('a removed user', () => {
  test('is not found by updates', async () => {
    const userId = await at.addUser(account.accountId)
    await at.done(removeUser, { userId })
    expect(await at.refusal(updateUser, { userId, displayName: 'x' })).toEqual({ code: 'NOT_FOUND', subjectId: userId })
  })
})
