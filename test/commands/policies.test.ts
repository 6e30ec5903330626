// Policies through the whole write path: their names, who holds them, and that nobody makes more of a credential by them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Command, CommonInput, Origin } from '#commands/command.ts'
import { createKey } from '#commands/create-key.ts'
import { createPolicy } from '#commands/create-policy.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { deletePolicy } from '#commands/delete-policy.ts'
import { disableCode } from '#commands/disable-code.ts'
import { enableCode } from '#commands/enable-code.ts'
import { enableKey } from '#commands/enable-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { updatePolicy } from '#commands/update-policy.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type MadeCaller, type TestServices, testServices, tracesIn } from '#test/support/services.ts'
import type { AnyCommand } from './cases.ts'

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

async function refusal<I extends CommonInput, R>(command: Command<I, R>, input: object, origin?: Origin) {
  const before = await tracesIn(database.owner)
  const answer = await at.refusal(command, { ...input, idempotencyKey: 'refused' }, origin)
  expect(await tracesIn(database.owner)).toEqual(before)
  return answer
}

const policyWith = (input: object = {}) => at.createPolicy(account.accountId, input)
const createKeyInput = (input: object) => ({ keyspaceId, name: 'k', enabled: true, ...input })

describe('the input of a policy', () => {
  const valid = () => ({ accountId: account.accountId, name: 'n', description: 'd', permissions: ['ads.read'] })
  const rule = (path: string, methods: readonly string[] = ['GET']) => ({ path, methods })

  test.each([
    ['a blank name', { name: ' ' }, ['name']],
    ['a blank description', { description: '\n ' }, ['description']],
    ['what is no permission', { permissions: ['Ads'] }, ['permissions', '0']],
    ['a permission twice', { permissions: ['a', 'a'] }, ['permissions']],
    ['too many permissions', { permissions: Array.from({ length: 101 }, (_, i) => `p${i}`) }, ['permissions']],
    ['a regular expression', { endpoints: [rule('/a'), rule('/(a+)+')] }, ['endpoints', '1', 'path']],
    ['a pattern that does not compile', { endpoints: [rule('/a{')] }, ['endpoints', '0', 'path']],
    ['a path that is none', { endpoints: [rule('a')] }, ['endpoints', '0', 'path']],
    ['no method', { endpoints: [rule('/a', [])] }, ['endpoints', '0', 'methods']],
    ['a method in lower case', { endpoints: [rule('/a', ['GET', 'post'])] }, ['endpoints', '0', 'methods', '1']],
    ['a method twice', { endpoints: [rule('/a', ['GET', 'GET'])] }, ['endpoints', '0', 'methods']],
    ['too many methods', { endpoints: [rule('/a', [...'ABCDEFGHIJK'])] }, ['endpoints', '0', 'methods']],
    ['too many rules', { endpoints: Array.from({ length: 33 }, (_, i) => rule(`/${i}`)) }, ['endpoints']],
  ])('%s is refused, with the way to it', async (_what, wrong, path) => {
    const expected = { code: 'INVALID_INPUT', issues: [{ path, message: expect.stringMatching(/^must /) }] }
    expect(await refusal(createPolicy, { ...valid(), ...wrong })).toEqual(expected)
    const { accountId: _accountId, ...changes } = { ...valid(), ...wrong }
    expect(await refusal(updatePolicy, { policyId: await policyWith(), ...changes })).toEqual(expected)
  })

  test.each(['name', 'description'])('null does not clear the %s', async (field) => {
    const policyId = await policyWith()
    expect(await refusal(updatePolicy, { policyId, [field]: null })).toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('the largest that is accepted fits into the log, and so does the largest key', async () => {
    const permissions = Array.from({ length: 100 }, (_, i) => `${'p'.repeat(124)}.${String(i).padStart(3, '0')}`)
    const methods = [...'ABCDEFGHIJ'].map((letter) => letter.repeat(20))
    const endpoints = Array.from({ length: 32 }, (_, i) =>
      rule(`/${String(i).padStart(3, '0')}${'\\*'.repeat(126)}`, methods),
    )
    const text = '"'.repeat(2_000)
    const input = { name: '"'.repeat(200), description: text, permissions, endpoints }
    const policyId = await policyWith(input)
    await at.done(updatePolicy, { policyId, ...input, name: "'".repeat(200), description: `${text.slice(1)}x` })
    const policyIds = await Promise.all(Array.from({ length: 50 }, () => policyWith()))
    const tags = Array.from({ length: 50 }, (_, i) => `${'€'.repeat(98)}${10 + i}`)
    const metadata = { a: 'x'.repeat(16_384 - 8) }
    await at.createKey(keyspaceId, { description: '€'.repeat(2_000), tags, metadata, permissions, policyIds })
  })
})

describe('names of policies', () => {
  test('are unique in an account, among those that are not deleted', async () => {
    const { accountId } = await at.createAccount()
    const make = (name: string) => ({ accountId, name, description: 'd', permissions: [] })
    const first = await at.createPolicy(accountId, { name: 'Ads' })
    const second = await at.createPolicy(accountId, { name: 'ads' })
    expect(await refusal(createPolicy, make('Ads'))).toEqual({ code: 'NAME_IN_USE' })
    expect(await refusal(updatePolicy, { policyId: second, name: 'Ads' })).toEqual({ code: 'NAME_IN_USE' })
    expect((await at.done(updatePolicy, { policyId: first, name: 'Ads' })).eventIds).toEqual([])
    await at.done(deletePolicy, { policyId: first })
    await at.done(updatePolicy, { policyId: second, name: 'Ads' })
    await at.createPolicy((await at.createAccount()).accountId, { name: 'Ads' })
  })
})

describe('a policy that is given to a key', () => {
  test.each(['pol_0100000000000000000000', 'key_0100000000000000000000', '', "'; --"])(
    'must exist: %j is named as missing',
    async (missing) => {
      const policyIds = [await policyWith(), missing]
      const expected = { code: 'NOT_FOUND', subjectId: missing }
      expect(await refusal(createKey, createKeyInput({ policyIds }))).toEqual(expected)
      const { keyId } = await at.createKey(keyspaceId)
      expect(await refusal(updateKey, { keyId, policyIds })).toEqual(expected)
    },
  )

  test('must be of the same account, whoever asks', async () => {
    // Until one lies in the same shard, where nothing but the account tells them apart.
    let other = await at.createAccount()
    while (other.accountId.slice(0, 7) !== account.accountId.slice(0, 7)) other = await at.createAccount()
    const foreign = await at.createPolicy(other.accountId, { permissions: ['*'] })
    const expected = { code: 'NOT_FOUND', subjectId: foreign }
    const { keyId } = await at.createKey(keyspaceId)
    const { origin } = await at.createCaller(account, ['*'])
    for (const by of [undefined, origin]) {
      expect(await refusal(createKey, createKeyInput({ policyIds: [foreign] }), by)).toEqual(expected)
      expect(await refusal(updateKey, { keyId, policyIds: [foreign] }, by)).toEqual(expected)
    }
    for (const command of [updatePolicy, deletePolicy])
      expect(await refusal(command as AnyCommand, { policyId: foreign }, origin)).toEqual(expected)
  })

  test('must not be deleted, and is not changed any more', async () => {
    const policyId = await policyWith()
    await at.done(deletePolicy, { policyId })
    const expected = { code: 'NOT_FOUND', subjectId: policyId }
    expect(await refusal(createKey, createKeyInput({ policyIds: [policyId] }))).toEqual(expected)
    expect(await refusal(updatePolicy, { policyId, name: 'x' })).toEqual(expected)
    expect((await at.done(deletePolicy, { policyId })).eventIds).toEqual([])
  })

  test('is given once, and no more than 50 are', async () => {
    const policyId = await policyWith()
    const many = Array.from({ length: 51 }, (_, i) => `pol_${i}`)
    for (const policyIds of [[policyId, policyId], many])
      expect(await refusal(createKey, createKeyInput({ policyIds }))).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['policyIds'] }],
      })
  })
})

describe('deletePolicy', () => {
  const IN_USE = { code: 'POLICY_IN_USE' }

  test('waits until no key holds it: switched off or expired ones do', async () => {
    const policyId = await policyWith()
    const held = await at.createKey(keyspaceId, { policyIds: [policyId], enabled: false })
    expect(await refusal(deletePolicy, { policyId })).toEqual(IN_USE)
    await at.done(updateKey, { keyId: held.keyId, policyIds: null })
    await at.done(deletePolicy, { policyId })
  })

  test.each([
    ['revoked', revokeKey],
    ['deleted', deleteKey],
  ])('does not wait for a %s key', async (_what, command) => {
    const policyId = await policyWith()
    const { keyId } = await at.createKey(keyspaceId, { policyIds: [policyId] })
    expect(await refusal(deletePolicy, { policyId })).toEqual(IN_USE)
    await at.done(command as AnyCommand, { keyId, reason: 'UNSPECIFIED' })
    await at.done(deletePolicy, { policyId })
  })

  test('does not wait for a frozen key, also when its keyspace no longer is', async () => {
    const frozen = await at.createKeyspace(account.accountId, { authorizations: 'FROZEN' })
    const policyId = await policyWith()
    await at.createKey(frozen, { policyIds: [policyId] })
    await at.done(updateKeyspace, { keyspaceId: frozen, rules: { authorizations: 'EDITABLE' } })
    await at.done(deletePolicy, { policyId })
  })

  test('does not wait for a key that was made before its keyspace was frozen', async () => {
    const later = await at.createKeyspace(account.accountId)
    const policyId = await policyWith()
    await at.createKey(later, { policyIds: [policyId] })
    expect(await refusal(deletePolicy, { policyId })).toEqual(IN_USE)
    await at.done(updateKeyspace, { keyspaceId: later, rules: { authorizations: 'FROZEN' } })
    await at.done(deletePolicy, { policyId })
  })
})

describe('a frozen key', () => {
  test('that would keep too large a copy is refused, naming its policies', async () => {
    const frozen = await at.createKeyspace(account.accountId, { authorizations: 'FROZEN' })
    const permissions = Array.from({ length: 100 }, (_, i) => `${'p'.repeat(124)}.${String(i).padStart(3, '0')}`)
    const policyIds = await Promise.all(Array.from({ length: 5 }, () => policyWith({ permissions })))
    const input = { keyspaceId: frozen, name: 'k', enabled: true }
    const asked = await refusal(createKey, { ...input, policyIds })
    expect(asked).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['policyIds'] }] })
    await at.createKey(frozen, { policyIds: policyIds.slice(1) })
  })
})

describe('nobody mints more than they hold', () => {
  const REFUSED = { code: 'GRANT_EXCEEDS_CALLER' }
  let writer: MadeCaller
  let wide: string
  let narrow: string
  beforeAll(async () => {
    writer = await at.createCaller(account, ['keys.write', 'policies.write'])
    wide = await policyWith({ permissions: ['events.read'] })
    narrow = await policyWith({ permissions: ['keys.write'] })
  })
  const managed = (input: object) => at.createKey(account.managementKeyspaceId, input)

  test('by a management key with a policy', async () => {
    const input = { keyspaceId: account.managementKeyspaceId, name: 'mine', enabled: true }
    expect(await refusal(createKey, { ...input, policyIds: [narrow, wide] }, writer.origin)).toEqual(REFUSED)
    await at.done(createKey, { ...input, policyIds: [narrow] }, writer.origin)
  })

  test('by giving one a policy', async () => {
    const { keyId } = await managed({})
    expect(await refusal(updateKey, { keyId, policyIds: [wide] }, writer.origin)).toEqual(REFUSED)
    await at.done(updateKey, { keyId, policyIds: [narrow] }, writer.origin)
  })

  test('by anything that returns, revives or strengthens one that has a policy already', async () => {
    const made = await managed({ policyIds: [wide], enabled: false })
    const { keyId } = made
    await at.done(disableCode, { codeId: made.codeIds[0] })
    const asked = [
      [updateKey, { keyId, policyIds: [wide, narrow] }],
      [enableKey, { keyId }],
      [issueCode, { keyId }],
      [rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }],
      [enableCode, { codeId: made.codeIds[0] }],
    ] as const
    for (const [command, input] of asked)
      expect(await refusal(command as AnyCommand, input, writer.origin), command.name).toEqual(REFUSED)
    const holder = await at.createCaller(account, ['keys.write', 'events.read'])
    await at.done(enableKey, { keyId }, holder.origin)
  })

  test('by editing a policy that a management key holds, also a switched off one', async () => {
    const policyId = await policyWith()
    const { keyId } = await managed({ policyIds: [policyId], enabled: false })
    const more = { policyId, permissions: ['events.read'] }
    expect(await refusal(updatePolicy, more, writer.origin)).toEqual(REFUSED)
    await at.done(updatePolicy, { policyId, permissions: ['keys.write'] }, writer.origin)
    await at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })
    await at.done(updatePolicy, more, writer.origin)
  })

  test('by lifting the endpoint rules that keep a wider management key out', async () => {
    const endpoints = [{ methods: ['GET'], path: '/nowhere' }]
    const policyId = await policyWith({ endpoints })
    await managed({ policyIds: [policyId], permissions: ['*'] })
    const other = await policyWith({ endpoints })
    await managed({ policyIds: [other, wide] })
    for (const held of [policyId, other])
      expect(await refusal(updatePolicy, { policyId: held, endpoints: null }, writer.origin)).toEqual(REFUSED)
  })

  test('yet names and descriptions are free, and so is what applications grant', async () => {
    const policyId = await policyWith({ permissions: ['*'] })
    await managed({ policyIds: [policyId] })
    await at.done(updatePolicy, { policyId, name: 'renamed', description: 'told', permissions: ['*'] }, writer.origin)
    const application = await policyWith()
    await at.createKey(keyspaceId, { policyIds: [application] })
    await at.done(updatePolicy, { policyId: application, permissions: ['*'] }, writer.origin)
  })
})
