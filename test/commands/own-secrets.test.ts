// A caller's own secret, from the input to the verdict: unique in its keyspace for ever, under every secret of the server, and
// nowhere to be seen.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey } from '#commands/create-key.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { randomDigits } from '#secret/random.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testKeyring, testServices } from '#test/support/services.ts'
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
  keyspaceId = await at.createKeyspace(account.accountId, { customSecrets: true })
})
afterAll(() => database.drop())

const newSecret = () => `"${randomDigits(30)}'%\\`
const creating = (secret: string, inKeyspace = keyspaceId) => ({
  keyspaceId: inKeyspace,
  name: 'own',
  enabled: true,
  codes: [{ secret }],
})
const verify = async (key: string, question: object = {}, services: TestServices = at) =>
  (await verifyKeys(services, services.root.caller, [{ key, ...question }]))[0]

describe('an own secret', () => {
  test('verifies, whole and in no other way, like any other', async () => {
    const secret = newSecret()
    const { keyId, secrets } = await at.createKey(keyspaceId, { codes: [{ secret }] })
    expect(secrets).toEqual([secret])
    expect(await verify(secret)).toMatchObject({ code: 'VALID', keyId })
    for (const other of [secret.slice(1), `${secret}x`, secret.toLowerCase(), ` ${secret}`, `${secret} `])
      expect((await verify(other))?.code).toMatch(/^(NOT_FOUND|MALFORMED)$/)
  })

  test('is replaced and revoked like any other', async () => {
    const [first, second] = [newSecret(), newSecret()]
    const { keyId } = await at.createKey(keyspaceId, { codes: [{ secret: first }] })
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0, secret: second })
    expect([(await verify(first))?.code, (await verify(second))?.code]).toEqual(['REPLACED', 'VALID'])
    await at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })
    expect((await verify(second))?.code).toBe('REVOKED')
  })

  test('has a hint of the prefix and random digits, nothing of itself', async () => {
    const secret = newSecret()
    const { codeIds } = await at.createKey(keyspaceId, { codes: [{ secret }] })
    const { hint } = await at.database.kysely
      .selectFrom('state.code')
      .select('hint')
      .where('code_id', '=', codeIds[0] ?? '')
      .executeTakeFirstOrThrow()
    expect(hint).toMatch(/^key_[0-9A-Za-z]{10}$/)
    const parts = Array.from({ length: secret.length - 3 }, (_, index) => secret.slice(index, index + 4))
    expect(parts.filter((part) => hint.includes(part))).toEqual([])
  })

  test('that is weak is refused by name', async () => {
    expect(await at.refusal(createKey, creating('correct-horse-battery-staple'))).toEqual({ code: 'SECRET_TOO_WEAK' })
  })

  test('takes a keyspace that allows it, which a management keyspace never does', async () => {
    const other = await at.createKeyspace(account.accountId)
    expect(await at.refusal(createKey, creating(newSecret(), other))).toEqual({ code: 'SECRET_NOT_ALLOWED' })
    const { managementKeyspaceId } = account
    expect(await at.refusal(createKey, creating(newSecret(), managementKeyspaceId))).toEqual({
      code: 'SECRET_NOT_ALLOWED',
    })
    expect(
      await at.refusal(updateKeyspace, { keyspaceId: managementKeyspaceId, rules: { customSecrets: true } }),
    ).toEqual({ code: 'MANAGEMENT_KEYSPACE' })
  })

  test('is no credential of this API', async () => {
    const secret = newSecret()
    await at.createKey(keyspaceId, { codes: [{ secret }], permissions: ['*'] })
    expect(await authenticate(at, `Bearer ${secret}`)).toBeUndefined()
  })

  test('is in no answer to a retry, which is the first outcome', async () => {
    const input = { ...creating(newSecret()), idempotencyKey: 'own' }
    const first = await at.done(createKey, input)
    const again = await at.done(createKey, input)
    expect(again.result).toEqual(first.result)
    expect([first.secrets.size, again.secrets.size]).toEqual([1, 0])
    expect(await at.refusal(createKey, { ...input, codes: [{ secret: newSecret() }] })).toEqual({
      code: 'IDEMPOTENCY_KEY_REUSED',
    })
  })
})

describe('once used in a keyspace, an own secret is in use for ever', () => {
  test('also when its code was replaced, and its key deleted', async () => {
    const secret = newSecret()
    const { keyId } = await at.createKey(keyspaceId, { codes: [{ secret }] })
    expect(await at.refusal(createKey, creating(secret))).toEqual({ code: 'SECRET_IN_USE' })
    const rotating = { keyId, slot: 'PRIMARY', overlapSeconds: 0 }
    expect(await at.refusal(rotateKey, { ...rotating, secret })).toEqual({ code: 'SECRET_IN_USE' })
    await at.done(rotateKey, rotating)
    expect(await at.refusal(issueCode, { keyId, secret })).toEqual({ code: 'SECRET_IN_USE' })
    await at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })
    expect(await at.refusal(createKey, creating(secret))).toEqual({ code: 'SECRET_IN_USE' })
  })

  test('under whichever secret of the server it was used', async () => {
    const secret = newSecret()
    await at.createKey(keyspaceId, { codes: [{ secret }] })
    const newer = testServices(database.serving, { keyring: testKeyring('k2', 'k1'), clock: at.clock })
    const older = testServices(database.serving, { keyring: testKeyring('k1', 'k2'), clock: at.clock })
    expect(await newer.refusal(createKey, creating(secret))).toEqual({ code: 'SECRET_IN_USE' })
    const another = newSecret()
    await newer.createKey(keyspaceId, { codes: [{ secret: another }] })
    expect(await older.refusal(createKey, creating(another))).toEqual({ code: 'SECRET_IN_USE' })
    for (const services of [newer, older])
      for (const key of [secret, another]) expect((await verify(key, {}, services))?.code).toBe('VALID')
  })

  test('but not in another keyspace; then only who names one is answered', async () => {
    const secret = newSecret()
    const other = await at.createKeyspace(account.accountId, { customSecrets: true })
    const here = await at.createKey(keyspaceId, { codes: [{ secret }] })
    const there = await at.createKey(other, { codes: [{ secret }] })
    expect(await verify(secret)).toMatchObject({ code: 'NOT_FOUND', keyId: null })
    expect(await verify(secret, { accountId: account.accountId })).toMatchObject({ code: 'NOT_FOUND', keyId: null })
    expect(await verify(secret, { keyspaceId })).toMatchObject({ code: 'VALID', keyId: here.keyId })
    expect(await verify(secret, { keyspaceId: other })).toMatchObject({ code: 'VALID', keyId: there.keyId })
  })

  test('and not in another account, whose callers each find their own', async () => {
    const secret = newSecret()
    const foreign = await at.createAccount('Foreign')
    const theirs = await at.createKeyspace(foreign.accountId, { customSecrets: true })
    await at.createKey(keyspaceId, { codes: [{ secret }] })
    const { keyId } = await at.createKey(theirs, { codes: [{ secret }] })
    const { origin } = await at.createCaller(foreign, ['keys.verify'])
    expect(await verifyKeys(at, origin.caller, [{ key: secret }])).toMatchObject([{ code: 'VALID', keyId }])
  })
})

test('a string is looked up if it could be a secret, and is malformed otherwise', async () => {
  const longest = randomDigits(256)
  for (const [key, code] of [
    [randomDigits(15), 'MALFORMED'],
    [randomDigits(16), 'NOT_FOUND'],
    [longest, 'NOT_FOUND'],
    [`${longest}x`, 'MALFORMED'],
    ['with a space between', 'MALFORMED'],
    ['größer-als-ASCII-ist-es', 'MALFORMED'],
    [`key_${randomDigits(10)}_${randomDigits(38)}`, 'MALFORMED'],
  ] as const)
    expect((await verify(key))?.code, key).toBe(code)
})
