// No secret of the server is called unused while what is known of a user hangs on it.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { countSecretUses } from '#cli/secret-uses.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { testKeyring, testServices } from '#test/support/services.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

test('keys of personal data and digests of external ids are counted under their secret', async () => {
  const at = testServices(database.serving, { keyring: testKeyring('k1') })
  const { accountId } = await at.createAccount()
  await at.addUser(accountId)
  await at.addUser(accountId)
  await testServices(database.serving, { keyring: testKeyring('k2', 'k1') }).addUser(accountId, { externalId: 'later' })
  const uses = await countSecretUses(database.owner)
  const ofUsers = (id: string) => uses.get(id)?.filter((use) => use.includes('users'))
  expect(ofUsers('k1')).toEqual([
    '2 users (the keys of their personal data)',
    '2 users (digests of their external ids)',
  ])
  expect(ofUsers('k2')).toEqual([
    '1 users (the keys of their personal data)',
    '1 users (digests of their external ids)',
  ])
})
