// Keys that open nothing unless a user has been authenticated as well, on real rows.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { disableKey } from '#commands/disable-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { type VerifyQuestion, verifyKeys } from '#verify/verify-keys.ts'

let database: TestDatabase
let at: TestServices
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
afterAll(() => database.drop())

async function made(rules: object) {
  const { accountId } = await at.createAccount()
  const keyspaceId = await at.createKeyspace(accountId, rules)
  const { keyId, secrets } = await at.createKey(keyspaceId, { permissions: ['ads.read'] })
  const verify = async (question: Partial<VerifyQuestion> = {}) => {
    const [verdict] = await verifyKeys(at, { kind: 'ROOT' }, [{ key: secrets[0] ?? '', keyspaceId, ...question }])
    return verdict?.code
  }
  return { keyspaceId, keyId, verify }
}

test('a key of such a keyspace is good for nothing without a user, blank names included', async () => {
  const { verify } = await made({ upstreamUserRequired: true })
  for (const upstreamUser of [undefined, null, '', '  ', '\t'])
    expect(await verify({ upstreamUser })).toBe('UPSTREAM_USER_REQUIRED')
  expect(await verify({ upstreamUser: 'kharnagy@domain.corp' })).toBe('VALID')
  expect(await verify({ permission: 'ads.write' })).toBe('UPSTREAM_USER_REQUIRED')
  expect(await verify({ permission: 'ads.write', upstreamUser: 'k' })).toBe('INSUFFICIENT_PERMISSIONS')
})

test('the rule holds for the keys that are there, as soon as it is changed', async () => {
  const { keyspaceId, keyId, verify } = await made({})
  const require = (upstreamUserRequired: boolean) =>
    at.done(updateKeyspace, { keyspaceId, rules: { upstreamUserRequired } })
  expect(await verify()).toBe('VALID')
  await require(true)
  expect(await verify()).toBe('UPSTREAM_USER_REQUIRED')
  await require(false)
  expect(await verify()).toBe('VALID')
  await require(true)
  await at.done(disableKey, { keyId })
  expect(await verify()).toBe('DISABLED')
})
