// Who calls: the root key and the codes of management keys, and nobody else.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { replaceRootKey } from '#cli/stored-root-key.ts'
import { deleteCode } from '#commands/delete-code.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { enableKey } from '#commands/enable-key.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { plusMs } from '#domain/instant.ts'
import { newRootKey } from '#secret/ids.ts'
import { mintSecret } from '#secret/mint.ts'
import { Secret } from '#secret/secret.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import {
  type MadeAccount,
  type MadeCaller,
  type TestServices,
  testKeyring,
  testServices,
} from '#test/support/services.ts'
import { statementsOf } from '#test/support/statements.ts'
import { authenticate } from '#verify/authenticate.ts'

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let rootKey: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  const root = newRootKey()
  rootKey = root.reveal()
  await replaceRootKey(at, root)
})
afterAll(() => database.drop())

const bearer = (credential: string) => authenticate(at, `Bearer ${credential}`)

describe('the root key', () => {
  test('is root', async () => {
    expect(await bearer(rootKey)).toEqual({ kind: 'ROOT' })
  })

  test('that was replaced is nobody, and the one in its place is root', async () => {
    const before = newRootKey()
    await replaceRootKey(at, before)
    const after = new Secret('correct horse battery staple'.replaceAll(' ', '-'))
    await replaceRootKey(at, after)
    expect(await bearer(before.reveal())).toBeUndefined()
    expect(await bearer(after.reveal())).toEqual({ kind: 'ROOT' })
    await replaceRootKey(at, new Secret(rootKey))
    expect(await bearer(after.reveal())).toBeUndefined()
  })

  test('that is nearly right is nobody', async () => {
    for (const credential of [rootKey.slice(0, -1), `${rootKey}0`, rootKey.toUpperCase(), `x${rootKey}`])
      expect(await bearer(credential)).toBeUndefined()
  })

  test('still is root after a newer secret of the server was put in front', async () => {
    const later = { ...at, keyring: testKeyring('k2', 'k1') }
    expect(await authenticate(later, `Bearer ${rootKey}`)).toEqual({ kind: 'ROOT' })
    expect(await authenticate({ ...at, keyring: testKeyring('k2') }, `Bearer ${rootKey}`)).toBeUndefined()
  })
})

describe('a code of a management key', () => {
  test('is that key, with its permissions as they are now', async () => {
    const made = await at.createCaller(account, ['events.*', 'keys.read'])
    const { keyId, secret } = made
    const [codeId] = made.codeIds
    const { accountId } = account
    expect(await bearer(secret)).toEqual({
      kind: 'KEY',
      keyId,
      codeId,
      accountId,
      permissions: ['events.*', 'keys.read'],
    })
    await at.done(updateKey, { keyId, permissions: ['keys.verify'] })
    expect(await bearer(secret)).toEqual({ kind: 'KEY', keyId, codeId, accountId, permissions: ['keys.verify'] })
  })

  test.each<[string, (made: MadeCaller) => Promise<unknown>]>([
    ['is revoked', ({ keyId }) => at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })],
    ['is deleted', ({ keyId }) => at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })],
    ['is disabled', ({ keyId }) => at.done(disableKey, { keyId })],
    [
      'has expired',
      async ({ keyId }) => {
        await at.done(updateKey, { keyId, expiresAt: plusMs(at.clock.now(), 1_000) })
        at.clock.advance(1_000)
      },
    ],
    ['has this code disabled', ({ codeIds: [codeId] }) => at.done(disableCode, { codeId })],
    ['has this code deleted', ({ codeIds: [codeId] }) => at.done(deleteCode, { codeId })],
    ['has this code replaced', ({ keyId }) => at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 })],
    [
      'has this code replaced, its overlap ended',
      async ({ keyId }) => {
        await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 60 })
        at.clock.advance(60_000)
      },
    ],
  ])('that %s is nobody', async (_what, happen) => {
    const made = await at.createCaller(account, ['*'])
    expect(await bearer(made.secret)).toBeDefined()
    await happen(made)
    expect(await bearer(made.secret)).toBeUndefined()
  })

  test('that was switched on again, or is in overlap, is the key again', async () => {
    const { keyId, secret } = await at.createCaller(account, ['*'])
    await at.done(disableKey, { keyId })
    await at.done(enableKey, { keyId })
    expect(await bearer(secret)).toMatchObject({ keyId })
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 60 })
    expect(await bearer(secret)).toMatchObject({ keyId })
  })

  test('whose overlap was ended is nobody to an instance that lags', async () => {
    const { keyId, secret } = await at.createCaller(account, ['*'])
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 3_600 })
    at.clock.advance(1_000)
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 3_600 })
    const clock = { ...at.clock, now: () => plusMs(at.clock.now(), -600_000) }
    expect(await authenticate({ ...at, clock }, `Bearer ${secret}`)).toBeUndefined()
  })
})

describe('nobody is', () => {
  test('a key of an application, whatever it grants and whatever its prefix', async () => {
    for (const prefix of ['key', 'keyledgers', 'root']) {
      const keyspaceId = await at.createKeyspace(account.accountId, { prefix })
      const { secrets } = await at.createKey(keyspaceId, { permissions: ['*'] })
      expect(secrets[0]).toMatch(new RegExp(`^${prefix}_`))
      expect(await bearer(secrets[0] ?? '')).toBeUndefined()
    }
  })

  test('a secret that was never issued', async () => {
    for (const prefix of ['keyledger', 'root', 'key']) expect(await bearer(mintSecret(prefix).reveal())).toBeUndefined()
  })

  test.each<[string, (credential: string) => string | undefined]>([
    ['without a header', () => undefined],
    ['with an empty one', () => ''],
    ['without a scheme', (credential) => credential],
    ['with the scheme alone', () => 'Bearer'],
    ['with the scheme and a space', () => 'Bearer '],
    ['with another scheme', (credential) => `Basic ${credential}`],
    ['with another scheme, encoded', (credential) => `Basic ${Buffer.from(`x:${credential}`).toString('base64')}`],
    ['with a scheme that only begins so', (credential) => `Bearers ${credential}`],
    ['without the space', (credential) => `Bearer${credential}`],
    ['with a tab for it', (credential) => `Bearer\t${credential}`],
    ['with something before', (credential) => ` Bearer ${credential}`],
    ['with something behind', (credential) => `Bearer ${credential} x`],
    ['with two credentials', (credential) => `Bearer ${credential}, Bearer ${credential}`],
    ['with a quoted one', (credential) => `Bearer "${credential}"`],
    ['with a newline', (credential) => `Bearer ${credential}\n`],
    ['with NUL', (credential) => `Bearer ${credential}\0`],
    ['with another alphabet', (credential) => `Bearer ${credential}\u00e9`],
    ['with a lone surrogate', (credential) => `Bearer ${credential}\ud800`],
    ['with quotes', () => `Bearer ' OR '1'='1`],
  ])('who comes %s', async (_what, headerFor) => {
    const { secret } = await at.createCaller(account, ['*'])
    for (const credential of [secret, rootKey]) expect(await authenticate(at, headerFor(credential))).toBeUndefined()
  })
})

describe('a credential', () => {
  test('may follow its scheme in any case and by any spaces', async () => {
    for (const header of [`bearer ${rootKey}`, `BEARER   ${rootKey}`, `Bearer ${rootKey}  `])
      expect(await authenticate(at, header)).toEqual({ kind: 'ROOT' })
  })

  test('costs one statement, right or wrong, where it is not known yet, and none where it can be none', async () => {
    const { secret } = await at.createCaller(account, ['*'])
    const costs = async (header: string) => (await statementsOf(() => authenticate(at, header))).map(({ text }) => text)
    const management = await costs(`Bearer ${secret}`)
    expect(management).toHaveLength(1)
    expect(await costs(`Bearer ${mintSecret('keyledger').reveal()}`)).toEqual(management)
    expect(await costs(`Bearer ${secret}`)).toEqual([])
    const root = await costs(`Bearer ${rootKey}`)
    expect(root).toEqual([])
    for (const other of [mintSecret('root').reveal(), `${secret}0`, 'x', '%', `'`, 'x'.repeat(512)])
      expect(await costs(`Bearer ${other}`)).toEqual(root)
    for (const header of [
      '',
      'Bearer',
      `Bearer ${'x'.repeat(513)}`,
      `Bearer ${'x'.repeat(1_000_000)}`,
      `Bearer ${'\ud800'}`,
    ])
      expect(await costs(header)).toEqual([])
  })
})
