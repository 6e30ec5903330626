// What policies make of verdicts, and of who may call this API.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deletePolicy } from '#commands/delete-policy.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { updatePolicy } from '#commands/update-policy.ts'
import type { Endpoint } from '#domain/endpoint.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
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

const policyWith = (permissions: readonly string[], endpoints?: readonly object[]) =>
  at.createPolicy(account.accountId, { permissions, endpoints })
const keyWith = async (input: object, within = keyspaceId) => {
  const { keyId, secrets } = await at.createKey(within, input)
  return { keyId, secret: secrets[0] ?? '' }
}

async function verdict(key: string, permission: string | null = null, endpoint: Endpoint | null = null) {
  const [found] = await verifyKeys(at, { kind: 'ROOT' }, [{ key, permission, endpoint }])
  return found!
}
const code = async (...asked: Parameters<typeof verdict>) => (await verdict(...asked)).code
const DENIED = 'INSUFFICIENT_PERMISSIONS'

describe('a key', () => {
  test('grants what its policies grant, beside what it was given directly', async () => {
    const policyIds = [await policyWith(['reports.*', 'ads.read']), await policyWith(['x.y'])]
    const { secret } = await keyWith({ policyIds, permissions: ['own', 'ads.read'] })
    expect(await verdict(secret, 'own AND reports.read AND x.y')).toMatchObject({
      code: 'VALID',
      permissions: ['ads.read', 'own', 'reports.*', 'x.y'],
    })
    expect(await code(secret, 'x.z')).toBe(DENIED)
  })

  test('without policies grants what it did', async () => {
    const { secret } = await keyWith({ permissions: ['own'] })
    expect(await verdict(secret, 'own')).toMatchObject({ code: 'VALID', permissions: ['own'] })
    expect(await code((await keyWith({})).secret)).toBe('VALID')
  })

  test('goes by its policies as they are at the moment', async () => {
    const policyId = await policyWith(['ads.read'])
    const { keyId, secret } = await keyWith({ policyIds: [policyId] })
    expect(await code(secret, 'ads.read')).toBe('VALID')
    await at.done(updatePolicy, { policyId, permissions: ['ads.write'] })
    expect(await code(secret, 'ads.read')).toBe(DENIED)
    expect(await code(secret, 'ads.write')).toBe('VALID')
    await at.done(updatePolicy, { policyId, endpoints: [{ methods: ['GET'], path: '/ads' }] })
    expect(await code(secret, 'ads.write')).toBe(DENIED)
    expect(await code(secret)).toBe(DENIED)
    await at.done(updateKey, { keyId, policyIds: [] })
    expect(await code(secret)).toBe('VALID')
    expect(await code(secret, 'ads.write')).toBe(DENIED)
  })

  test('with endpoint rules is good where they say, whichever key of a batch it is', async () => {
    const endpoints = [{ methods: ['GET', 'HEAD'], path: '/ads/:id' }]
    const { secret } = await keyWith({ policyIds: [await policyWith(['ads.read'], endpoints)] })
    const full = await keyWith({ permissions: ['*'] })
    const asked = [
      [secret, 'ads.read', { method: 'GET', path: '/ads/7?x=1' }, 'VALID'],
      [secret, 'ads.read', { method: 'POST', path: '/ads/7' }, DENIED],
      [secret, 'ads.read', { method: 'GET', path: '/ads/../ads/7' }, DENIED],
      [secret, 'ads.read', null, DENIED],
      [secret, 'ads.write', { method: 'GET', path: '/ads/7' }, DENIED],
      [secret, null, { method: 'HEAD', path: '/ads/7' }, 'VALID'],
      [secret, null, { method: 'HEAD', path: '/ads' }, DENIED],
      [secret, null, null, DENIED],
      [full.secret, null, { method: 'DELETE', path: '/' }, 'VALID'],
      [full.secret, null, null, 'VALID'],
    ] as const
    const questions = asked.map(([key, permission, endpoint]) => ({ key, permission, endpoint }))
    const verdicts = await verifyKeys(at, { kind: 'ROOT' }, questions)
    expect(verdicts.map(({ code }) => code)).toEqual(asked.map(([, , , expected]) => expected))
  })
})

describe('a key whose authorizations are frozen', () => {
  test('grants what its policies granted when it was made, whatever becomes of them or of its keyspace', async () => {
    const frozen = await at.createKeyspace(account.accountId, { authorizations: 'FROZEN' })
    const endpoints = [{ methods: ['GET'], path: '/ads' }]
    const policyId = await policyWith(['ads.read'])
    const scoped = await policyWith(['ads.write'], endpoints)
    const { secret } = await keyWith({ policyIds: [policyId, scoped], permissions: ['own'] }, frozen)
    const there = { method: 'GET', path: '/ads' }
    const asBefore = async () => {
      expect(await verdict(secret, 'ads.read AND own AND ads.write', there)).toMatchObject({
        code: 'VALID',
        permissions: ['ads.read', 'ads.write', 'own'],
      })
      expect(await code(secret, 'ads.write')).toBe(DENIED)
      expect(await code(secret, 'other')).toBe(DENIED)
    }
    await asBefore()
    await at.done(updatePolicy, { policyId, permissions: ['other', '*'] })
    await at.done(updatePolicy, { policyId: scoped, endpoints: null })
    await asBefore()
    await at.done(updateKeyspace, { keyspaceId: frozen, rules: { authorizations: 'EDITABLE' } })
    await asBefore()
    await at.done(deletePolicy, { policyId })
    await at.done(deletePolicy, { policyId: scoped })
    await asBefore()
  })

  test('or when its keyspace was frozen, if that was later', async () => {
    const later = await at.createKeyspace(account.accountId)
    const endpoints = [{ methods: ['GET'], path: '/ads' }]
    const policyId = await policyWith(['first'])
    const scoped = await policyWith(['ads.write'], endpoints)
    const { secret } = await keyWith({ policyIds: [policyId, scoped], permissions: ['own'] }, later)
    await at.done(updatePolicy, { policyId, permissions: ['ads.read'] })
    expect(await code(secret, 'ads.read')).toBe('VALID')
    await at.done(updateKeyspace, { keyspaceId: later, rules: { authorizations: 'FROZEN' } })
    const asThen = async () => {
      expect(await verdict(secret, 'ads.read AND own AND ads.write', { method: 'GET', path: '/ads' })).toMatchObject({
        code: 'VALID',
        permissions: ['ads.read', 'ads.write', 'own'],
      })
      expect(await code(secret, 'ads.write')).toBe(DENIED)
      expect(await code(secret, 'other')).toBe(DENIED)
    }
    await asThen()
    await at.done(updatePolicy, { policyId, permissions: ['other', '*'] })
    await at.done(updatePolicy, { policyId: scoped, endpoints: null })
    await asThen()
    await at.done(updateKeyspace, { keyspaceId: later, rules: { authorizations: 'EDITABLE' } })
    await asThen()
    await at.done(deletePolicy, { policyId })
    await at.done(deletePolicy, { policyId: scoped })
    await asThen()
  })

  test('and without policies stays without any', async () => {
    const frozen = await at.createKeyspace(account.accountId, { authorizations: 'FROZEN' })
    const { secret } = await keyWith({ permissions: ['own'] }, frozen)
    expect(await verdict(secret, 'own')).toMatchObject({ code: 'VALID', permissions: ['own'] })
  })
})

describe('a caller of this API', () => {
  const callerWith = async (input: object) => {
    const { secret } = await keyWith(input, account.managementKeyspaceId)
    return () => authenticate(at, `Bearer ${secret}`)
  }

  test('may do what the policies of its key say, at the moment', async () => {
    const policyId = await policyWith(['keys.read'])
    const caller = await callerWith({ policyIds: [policyId], permissions: ['events.read'] })
    expect(await caller()).toMatchObject({ kind: 'KEY', permissions: ['events.read', 'keys.read'] })
    await at.done(updatePolicy, { policyId, permissions: [] })
    expect(await caller()).toMatchObject({ permissions: ['events.read'] })
  })

  test('is nobody while a policy of its key has endpoint rules, which are about another service', async () => {
    const policyId = await policyWith(['*'], [{ methods: ['*'], path: '/*' }])
    const caller = await callerWith({ policyIds: [policyId], permissions: ['keys.read'] })
    expect(await caller()).toBeUndefined()
    await at.done(updatePolicy, { policyId, endpoints: [] })
    expect(await caller()).toMatchObject({ permissions: ['*', 'keys.read'] })
  })
})
