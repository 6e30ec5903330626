// What acting as a user makes of verdicts, and of who may call this API.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { removeUser } from '#commands/remove-user.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateUser } from '#commands/update-user.ts'
import type { Endpoint } from '#domain/endpoint.ts'
import { permissionsOfRole, type Role } from '#domain/user/roles.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { statementsOf } from '#test/support/statements.ts'
import { authenticate } from '#verify/authenticate.ts'
import { verifyKeys } from '#verify/verify-keys.ts'

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let keyspaceId: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  keyspaceId = await at.createKeyspace(account.accountId)
})
afterAll(() => database.drop())

const DENIED = 'INSUFFICIENT_PERMISSIONS'

let count = 0
async function userWith(permissions: readonly string[], role: Role = 'MEMBER') {
  count += 1
  const externalId = `Zoë ${count}, "Ops"`
  return { userId: await at.addUser(account.accountId, { externalId, permissions, role }), externalId }
}
const keyWith = async (input: object, within = keyspaceId) => {
  const { keyId, codeIds, secrets } = await at.createKey(within, input)
  return { keyId, codeId: codeIds[0] ?? '', secret: secrets[0] ?? '' }
}

async function verdict(key: string, permission: string | null = null, endpoint: Endpoint | null = null) {
  const [found] = await verifyKeys(at, { kind: 'ROOT' }, [{ key, permission, endpoint }])
  return found!
}
const code = async (...asked: Parameters<typeof verdict>) => (await verdict(...asked)).code

describe('a key that acts as a user', () => {
  test('opens what both may, tells what that is, and who the user and the owner are', async () => {
    const [user, owner] = [await userWith(['ads.read', 'reports.*']), await userWith([])]
    const { secret } = await keyWith({
      permissions: ['ads.*', 'reports.read', 'own'],
      actsAs: user.externalId,
      ownerId: owner.userId,
    })
    expect(await verdict(secret, 'ads.read AND reports.read')).toMatchObject({
      code: 'VALID',
      permissions: ['ads.read', 'reports.read'],
      actsAs: user.externalId,
      owner: owner.externalId,
    })
    for (const asked of ['ads.write', 'own', 'reports.export', 'ads.read AND own'])
      expect(await code(secret, asked)).toBe(DENIED)
    expect(await code(secret, 'own OR ads.read')).toBe('VALID')
  })

  test('is told of whatever the verdict, and in one statement', async () => {
    const user = await userWith([])
    const { secret } = await keyWith({ permissions: ['*'], actsAs: user.externalId, ownerId: user.userId })
    const sent = await statementsOf(async () => {
      const told = { code: DENIED, actsAs: user.externalId, owner: user.externalId, permissions: [] }
      expect(await verdict(secret, 'ads.read')).toMatchObject(told)
    })
    expect(sent).toHaveLength(1)
  })

  test('without an owner or a user tells none', async () => {
    expect(await verdict((await keyWith({})).secret)).toMatchObject({ owner: null, actsAs: null })
    const owner = await userWith([])
    const { secret } = await keyWith({ permissions: ['own'], ownerId: owner.userId })
    expect(await verdict(secret, 'own')).toMatchObject({ code: 'VALID', owner: owner.externalId, actsAs: null })
  })

  test('goes by what the user may at the moment, where it is frozen too', async () => {
    const frozen = await at.createKeyspace(account.accountId, { authorizations: 'FROZEN' })
    const user = await userWith(['ads.read'])
    const policyIds = [await at.createPolicy(account.accountId, { permissions: ['ads.*'] })]
    for (const within of [keyspaceId, frozen]) {
      const { secret } = await keyWith({ policyIds, actsAs: user.externalId }, within)
      expect(await code(secret, 'ads.read')).toBe('VALID')
      await at.done(updateUser, { userId: user.userId, permissions: ['ads.write'] })
      expect([await code(secret, 'ads.read'), await code(secret, 'ads.write')]).toEqual([DENIED, 'VALID'])
      await at.done(updateUser, { userId: user.userId, permissions: ['ads.read'] })
    }
  })

  test('has rules of its own, which open nothing where the user may do none of it', async () => {
    const user = await userWith(['ads.read'])
    const endpoints = [{ methods: ['GET'], path: '/ads/*' }]
    const keyFor = async (permissions: readonly string[]) => {
      const policyIds = [await at.createPolicy(account.accountId, { permissions, endpoints })]
      return (await keyWith({ policyIds, actsAs: user.externalId })).secret
    }
    const [ads, reports] = [await keyFor(['ads.*']), await keyFor(['reports.*'])]
    const [there, elsewhere] = ['/ads/7', '/x'].map((path) => ({ method: 'GET', path }))
    expect([await code(ads, 'ads.read', there), await code(ads, null, there)]).toEqual(['VALID', 'VALID'])
    expect([await code(ads, 'ads.read', elsewhere), await code(ads, null, elsewhere)]).toEqual([DENIED, DENIED])
    expect([await code(ads, 'ads.write', there), await code(reports, null, there)]).toEqual([DENIED, DENIED])
  })

  test('follows whom it is made to act as', async () => {
    const [ann, bob] = [await userWith(['a']), await userWith(['b'])]
    const { keyId, secret } = await keyWith({ permissions: ['*'], actsAs: ann.externalId })
    const opens = async () => [await code(secret, 'a'), await code(secret, 'b'), await code(secret, 'c')]
    expect(await opens()).toEqual(['VALID', DENIED, DENIED])
    await at.done(updateKey, { keyId, actsAs: bob.externalId })
    expect(await opens()).toEqual([DENIED, 'VALID', DENIED])
    await at.done(updateKey, { keyId, actsAs: null })
    expect(await opens()).toEqual(['VALID', 'VALID', 'VALID'])
  })

  test('opens nothing once the user is removed, and grants nothing', async () => {
    const user = await userWith(['*'])
    const { secret } = await keyWith({ permissions: ['*'], actsAs: user.externalId })
    expect(await code(secret)).toBe('VALID')
    await at.done(removeUser, { userId: user.userId })
    for (const asked of [null, 'a'])
      expect(await verdict(secret, asked)).toMatchObject({ valid: false, permissions: [] })
  })
})

describe('a management key that acts as a user', () => {
  const managed = (actsAs: string, permissions: readonly string[]) =>
    keyWith({ actsAs, permissions }, account.managementKeyspaceId)
  const caller = (secret: string) => authenticate(at, `Bearer ${secret}`)

  test('makes a caller who is that user, and may do what both permit', async () => {
    const { userId, externalId } = await userWith(['ads.read'], 'AUDITOR')
    const { accountId } = account
    const { keyId, codeId, secret } = await managed(externalId, ['keys.*', 'links.write'])
    expect(await caller(secret)).toEqual({
      kind: 'USER',
      userId,
      by: { keyId, codeId },
      accountId,
      role: 'AUDITOR',
      permissions: ['keys.read'],
      applicationPermissions: ['ads.read'],
    })
  })

  test('follows the role at once, and is nobody once the user is removed', async () => {
    const { userId, externalId } = await userWith([], 'ADMINISTRATOR')
    const { keyId, secret } = await managed(externalId, ['*'])
    expect(await caller(secret)).toMatchObject({ permissions: ['*'] })
    await at.done(updateUser, { userId, role: 'VERIFIER' })
    expect(await caller(secret)).toMatchObject({ role: 'VERIFIER', permissions: ['keys.verify'] })
    await at.done(removeUser, { userId })
    expect(await caller(secret)).toBeUndefined()
    expect(keyId).toMatch(/^key_/)
  })

  test('is bounded by the role and by no application permission, in its own verdict too', async () => {
    const { externalId } = await userWith(['ads.read'], 'AUDITOR')
    const { secret } = await managed(externalId, ['keys.read', 'keys.write', 'ads.read'])
    const [told] = await verifyKeys(at, { kind: 'ROOT' }, [{ key: secret, keyspaceId: account.managementKeyspaceId }])
    expect(told).toMatchObject({ code: 'VALID', permissions: ['keys.read'] })
    expect(permissionsOfRole('AUDITOR')).toContain('keys.read')
  })
})
