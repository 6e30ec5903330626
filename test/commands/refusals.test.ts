// Every "no" that rules, limits and other things give, through the whole write path; each leaves nothing behind.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Command, CommonInput, Origin } from '#commands/command.ts'
import { createKey } from '#commands/create-key.ts'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { deleteCode } from '#commands/delete-code.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { deleteKeyspace } from '#commands/delete-keyspace.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { enableCode } from '#commands/enable-code.ts'
import { enableKey } from '#commands/enable-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateCode } from '#commands/update-code.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices, tracesIn } from '#test/support/services.ts'

let database: TestDatabase
let at: TestServices
let account: MadeAccount
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
})
afterAll(() => database.drop())

/** Asks with an idempotency key, so that a claim would be left behind. */
async function refusal<I extends CommonInput, R>(command: Command<I, R>, input: object, origin?: Origin) {
  const before = await tracesIn(database.owner)
  const answer = await at.refusal(command, { ...input, idempotencyKey: 'refused' }, origin)
  expect(await tracesIn(database.owner)).toEqual(before)
  return answer
}

/** A command whose end was reached already: it succeeds and makes no event. */
async function nothingToDo<I extends CommonInput, R>(command: Command<I, R>, input: object) {
  const before = await tracesIn(database.owner)
  expect((await at.done(command, input)).eventIds).toEqual([])
  expect(await tracesIn(database.owner)).toEqual(before)
}

const keyspaceWith = (rules: object = {}) => at.createKeyspace(account.accountId, rules)

describe('names of keyspaces', () => {
  test('are unique in an account, among those that are not deleted', async () => {
    const { accountId } = await at.createAccount()
    const first = await at.createKeyspace(accountId, {}, 'Billing')
    const second = await at.createKeyspace(accountId, {}, 'billing')
    expect(await refusal(createKeyspace, { accountId, name: 'Billing' })).toEqual({ code: 'NAME_IN_USE' })
    expect(await refusal(updateKeyspace, { keyspaceId: second, name: 'Billing' })).toEqual({ code: 'NAME_IN_USE' })
    await nothingToDo(updateKeyspace, { keyspaceId: first, name: 'Billing' })
    await at.done(updateKeyspace, { keyspaceId: first, name: 'Accounting' })
    await at.done(updateKeyspace, { keyspaceId: second, name: 'Billing' })
    await at.done(deleteKeyspace, { keyspaceId: second })
    await at.createKeyspace(accountId, {}, 'Billing')
  })

  test('may be the same in two accounts', async () => {
    for (const name of ['One', 'Two']) await at.createKeyspace((await at.createAccount(name)).accountId, {}, 'Billing')
  })

  test('cannot be the management keyspace’s', async () => {
    const { accountId } = await at.createAccount()
    expect(await refusal(createKeyspace, { accountId, name: 'management' })).toEqual({ code: 'NAME_IN_USE' })
  })
})

describe('a keyspace', () => {
  test('with a key that is not deleted cannot go, a revoked or expired one included', async () => {
    const keyspaceId = await keyspaceWith()
    const expiresAt = plusMs(at.clock.now(), DAY_MS)
    const revoked = await at.createKey(keyspaceId)
    const expired = await at.createKey(keyspaceId, { expiresAt })
    await at.done(revokeKey, { keyId: revoked.keyId, reason: 'UNSPECIFIED' })
    at.clock.advance(2 * DAY_MS)
    expect(await refusal(deleteKeyspace, { keyspaceId })).toEqual({ code: 'KEYSPACE_NOT_EMPTY' })
    for (const { keyId } of [revoked, expired]) {
      expect(await refusal(deleteKeyspace, { keyspaceId })).toEqual({ code: 'KEYSPACE_NOT_EMPTY' })
      await at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })
    }
    await at.done(deleteKeyspace, { keyspaceId })
  })

  test('that was deleted takes no keys and no changes, and can be deleted again', async () => {
    const keyspaceId = await keyspaceWith()
    await at.done(deleteKeyspace, { keyspaceId })
    const gone = { code: 'NOT_FOUND', subjectId: keyspaceId }
    expect(await refusal(createKey, { keyspaceId, name: 'late', enabled: true })).toEqual(gone)
    expect(await refusal(updateKeyspace, { keyspaceId, name: 'late' })).toEqual(gone)
    await nothingToDo(deleteKeyspace, { keyspaceId })
  })

  test('keeps its rules together: an update is checked as merged with what stays', async () => {
    const keyspaceId = await keyspaceWith({ codesAtCreation: 2, codeLifetimeDays: 30 })
    for (const [rules, path] of [
      [{ liveCodesMax: 1 }, 'codesAtCreation'],
      [{ codeLifetimeDaysMax: 29 }, 'codeLifetimeDays'],
    ] as const)
      expect(await refusal(updateKeyspace, { keyspaceId, rules })).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['rules', path] }],
      })
    await at.done(updateKeyspace, { keyspaceId, rules: { liveCodesMax: 1, codesAtCreation: 1 } })
  })
})

describe('the management keyspace', () => {
  const full = () => at.createCaller(account, ['*'])
  const lesser = () => at.createCaller(account, ['keyspaces.write', 'keys.write'])

  test.each([
    ['prefix', { prefix: 'other' }],
    ['liveCodesMax', { liveCodesMax: 1 }],
    ['codesAtCreation', { codesAtCreation: 0 }],
    ['expiryRequired', { expiryRequired: true }],
    ['codeDeletion', { codeDeletion: 'WHEN_DISABLED' }],
    ['one of several', { activeKeysMax: 100, prefix: 'other' }],
  ])('keeps its rule %s, even for root', async (_rule, rules) => {
    const input = { keyspaceId: account.managementKeyspaceId, rules }
    for (const origin of [at.root, (await full()).origin])
      expect(await refusal(updateKeyspace, input, origin)).toEqual({ code: 'MANAGEMENT_KEYSPACE' })
  })

  test('is never deleted', async () => {
    const { managementKeyspaceId } = await at.createAccount()
    expect(await refusal(deleteKeyspace, { keyspaceId: managementKeyspaceId })).toEqual({ code: 'MANAGEMENT_KEYSPACE' })
  })

  test.each([
    ['name', { name: 'Operators' }],
    ['lifetimes', { rules: { codeLifetimeDays: 90, codeLifetimeDaysMax: 365 } }],
    ['limit of active keys', { rules: { activeKeysMax: 1_000 } }],
  ])('lets who holds everything change its %s, and nobody else', async (_what, change) => {
    const input = { keyspaceId: account.managementKeyspaceId, ...change }
    expect(await refusal(updateKeyspace, input, (await lesser()).origin)).toEqual({ code: 'GRANT_EXCEEDS_CALLER' })
    await at.done(updateKeyspace, input, (await full()).origin)
  })
})

describe('the limit of active keys', () => {
  test('counts neither revoked, deleted nor expired keys, but disabled ones', async () => {
    const keyspaceId = await keyspaceWith({ activeKeysMax: 2 })
    const input = { keyspaceId, name: 'one more', enabled: true }
    const full = { code: 'KEY_LIMIT_REACHED', activeKeysMax: 2 }
    const [first, second] = [await at.createKey(keyspaceId), await at.createKey(keyspaceId, { enabled: false })]
    expect(await refusal(createKey, input)).toEqual(full)
    await at.done(disableKey, { keyId: first.keyId })
    expect(await refusal(createKey, input)).toEqual(full)
    await at.done(revokeKey, { keyId: first.keyId, reason: 'UNSPECIFIED' })
    await at.createKey(keyspaceId, { expiresAt: plusMs(at.clock.now(), 1_000) })
    expect(await refusal(createKey, input)).toEqual(full)
    at.clock.advance(1_000)
    await at.createKey(keyspaceId)
    expect(await refusal(createKey, input)).toEqual(full)
    await at.done(deleteKey, { keyId: second.keyId, reason: 'UNSPECIFIED' })
    await at.createKey(keyspaceId)
  })

  test('is checked again for a key that an update brings back from its expiry', async () => {
    const keyspaceId = await keyspaceWith({ activeKeysMax: 1 })
    const { keyId } = await at.createKey(keyspaceId, { expiresAt: plusMs(at.clock.now(), 1_000) })
    await at.done(updateKey, { keyId, expiresAt: plusMs(at.clock.now(), 2_000) })
    at.clock.advance(2_000)
    const other = await at.createKey(keyspaceId)
    for (const expiresAt of [null, plusMs(at.clock.now(), 1_000)])
      expect(await refusal(updateKey, { keyId, expiresAt })).toEqual({ code: 'KEY_LIMIT_REACHED', activeKeysMax: 1 })
    await at.done(updateKey, { keyId, name: 'still expired' })
    await at.done(revokeKey, { keyId: other.keyId, reason: 'UNSPECIFIED' })
    await at.done(updateKey, { keyId, expiresAt: null })
    expect(await refusal(createKey, { keyspaceId, name: 'late', enabled: true })).toMatchObject({
      code: 'KEY_LIMIT_REACHED',
    })
  })

  test('that is lowered below what there is revokes nothing and lets no more in', async () => {
    const keyspaceId = await keyspaceWith()
    const keys = [await at.createKey(keyspaceId), await at.createKey(keyspaceId)]
    await at.done(updateKeyspace, { keyspaceId, rules: { activeKeysMax: 1 } })
    expect(await refusal(createKey, { keyspaceId, name: 'late', enabled: true })).toMatchObject({ activeKeysMax: 1 })
    await at.done(rotateKey, { keyId: keys[0]!.keyId, slot: 'PRIMARY', overlapSeconds: 0 })
    await at.done(updateKeyspace, { keyspaceId, rules: { activeKeysMax: null } })
    await at.createKey(keyspaceId)
  })

  // The keyspace was locked to be shared, as it had no limit when it was looked at.
  test('that comes between looking and locking is exact all the same', async () => {
    const keyspaceId = await keyspaceWith()
    await at.createKey(keyspaceId)
    let looks = 0
    const overtaken: typeof createKey = {
      ...createKey,
      async locate(step, input) {
        const located = await createKey.locate(step, input)
        looks += 1
        if (looks === 1) await at.done(updateKeyspace, { keyspaceId, rules: { activeKeysMax: 2 } })
        return located
      },
    }
    await at.done(overtaken, { keyspaceId, name: 'second', enabled: true })
    expect(looks).toBe(2)
    expect(await at.refusal(createKey, { keyspaceId, name: 'third', enabled: true })).toMatchObject({
      code: 'KEY_LIMIT_REACHED',
    })
  })
})

describe('a keyspace deleted between looking and locking', () => {
  test('takes no key any more', async () => {
    const keyspaceId = await keyspaceWith()
    const overtaken: typeof createKey = {
      ...createKey,
      async locate(step, input) {
        const located = await createKey.locate(step, input)
        await at.done(deleteKeyspace, { keyspaceId })
        return located
      },
    }
    const answer = await at.refusal(overtaken, { keyspaceId, name: 'late', enabled: true })
    expect(answer).toEqual({ code: 'NOT_FOUND', subjectId: keyspaceId })
  })
})

describe('codes', () => {
  test('are limited, and a slot is taken once', async () => {
    const keyspaceId = await keyspaceWith({ liveCodesMax: 2 })
    const { keyId } = await at.createKey(keyspaceId)
    expect(await refusal(issueCode, { keyId, slot: 'PRIMARY' })).toEqual({
      code: 'CODE_LIMIT_REACHED',
      liveCodesMax: 2,
    })
    await at.done(issueCode, { keyId })
    expect(await refusal(issueCode, { keyId })).toEqual({ code: 'CODE_LIMIT_REACHED', liveCodesMax: 2 })
    expect(
      await refusal(createKey, { keyspaceId, name: 'x', enabled: true, codes: [{}, { slot: 'PRIMARY' }] }),
    ).toEqual({
      code: 'CODE_LIMIT_REACHED',
      liveCodesMax: 2,
    })
  })

  test('are rotated only where there is one', async () => {
    const { keyId } = await at.createKey(await keyspaceWith())
    const input = { keyId, slot: 'SECONDARY', overlapSeconds: 0 }
    expect(await refusal(rotateKey, input)).toEqual({ code: 'SLOT_EMPTY', slot: 'SECONDARY' })
  })

  test('that no longer live are not switched, and those that do may have to be off to be deleted', async () => {
    const { keyId, codeIds } = await at.createKey(await keyspaceWith({ codeDeletion: 'WHEN_DISABLED' }))
    const [first] = codeIds
    expect(await refusal(deleteCode, { codeId: first })).toEqual({ code: 'CODE_ENABLED' })
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 })
    for (const command of [enableCode, disableCode, deleteCode])
      expect(await refusal(command, { codeId: first })).toEqual({ code: 'CODE_NOT_LIVE' })
    await at.done(updateCode, { codeId: first, description: 'history may be described' })
  })

  test('expire as the keyspace says', async () => {
    const keyspaceId = await keyspaceWith({ expiryRequired: true, codeLifetimeDaysMax: 30 })
    const input = { keyspaceId, name: 'x', enabled: true }
    const latest = plusMs(at.clock.now(), 30 * DAY_MS)
    expect(await refusal(createKey, input)).toEqual({ code: 'EXPIRY_REQUIRED' })
    for (const expiresAt of [null, at.clock.now(), plusMs(latest, 1)])
      expect(await refusal(createKey, { ...input, codes: [{ expiresAt }] })).toEqual({
        code: 'EXPIRY_OUT_OF_RANGE',
        latest,
      })
    await at.done(createKey, { ...input, codes: [{ expiresAt: latest }] })
    expect(await refusal(createKey, { ...input, codes: [], expiresAt: at.clock.now() })).toEqual({
      code: 'EXPIRY_OUT_OF_RANGE',
      latest: null,
    })
  })
})

describe('what has ended', () => {
  const mutations = (keyId: string, codeId: string | undefined) =>
    [
      [updateKey, { keyId, name: 'late' }],
      [enableKey, { keyId }],
      [disableKey, { keyId }],
      [issueCode, { keyId }],
      [rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }],
      [updateCode, { codeId, description: 'late' }],
      [enableCode, { codeId }],
      [disableCode, { codeId }],
      [deleteCode, { codeId }],
    ] as readonly (readonly [Command<CommonInput, unknown>, object])[]

  test('stays ended: no mutation changes a revoked key but its deletion, and none a deleted one', async () => {
    const { keyId, codeIds } = await at.createKey(await keyspaceWith())
    await at.done(revokeKey, { keyId, reason: 'KEY_COMPROMISE', note: 'first' })
    for (const [command, input] of mutations(keyId, codeIds[0]))
      expect(await refusal(command, input), command.name).toEqual({ code: 'KEY_REVOKED' })
    await nothingToDo(revokeKey, { keyId, reason: 'SUPERSEDED', note: 'second' })
    await at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })
    for (const [command, input] of mutations(keyId, codeIds[0]))
      expect(await refusal(command, input), command.name).toEqual({ code: 'KEY_DELETED' })
    await nothingToDo(deleteKey, { keyId, reason: 'SUPERSEDED' })
    await nothingToDo(revokeKey, { keyId, reason: 'SUPERSEDED' })
  })

  test('is reached without an event where it was reached already', async () => {
    const { keyId, codeIds } = await at.createKey(await keyspaceWith())
    const codeId = codeIds[0]
    await nothingToDo(enableKey, { keyId })
    await nothingToDo(enableCode, { codeId })
    await nothingToDo(updateKey, { keyId, tags: [], metadata: null, expiresAt: null, logging: null })
    await nothingToDo(updateCode, { codeId, description: null })
    await at.done(disableKey, { keyId })
    await at.done(disableCode, { codeId })
    await nothingToDo(disableKey, { keyId })
    await nothingToDo(disableCode, { codeId })
    await at.done(deleteCode, { codeId })
    await nothingToDo(deleteCode, { codeId })
  })
})
