// Rules that can't stand are wrong input: said before anything is looked up, so that they tell nothing of what there is.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { newId } from '#secret/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'

let database: TestDatabase
let at: TestServices
let account: MadeAccount
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
})
afterAll(() => database.drop())

const namedBy = (rule: string) => ({ code: 'INVALID_INPUT', issues: [{ path: ['rules', rule] }] })

describe('rules of a new keyspace', () => {
  test.each([
    ['prefix', { prefix: 'A' }],
    ['activeKeysMax', { activeKeysMax: 0 }],
    ['codesAtCreation', { liveCodesMax: 1, codesAtCreation: 2 }],
    ['codeLifetimeDays', { codeLifetimeDays: 2, codeLifetimeDaysMax: 1 }],
    ['presentations', { presentations: [] }],
  ])('with a wrong %s are refused, whether the account is there and the name is free or not', async (rule, rules) => {
    await at.createKeyspace(account.accountId, {}, `taken ${rule}`)
    for (const [accountId, name] of [
      [account.accountId, 'free'],
      [account.accountId, `taken ${rule}`],
      [newId('acct', 0), 'free'],
      ['nothing', 'free'],
    ])
      expect(await at.refusal(createKeyspace, { accountId, name, rules })).toMatchObject(namedBy(rule))
  })
})

describe('changed rules', () => {
  test.each([
    ['prefix', { prefix: 'A' }],
    ['liveCodesMax', { liveCodesMax: 3 }],
    ['codeLifetimeDaysMax', { codeLifetimeDaysMax: 0 }],
    ['presentations', { presentations: [{ place: 'HEADER', name: 'X-Forwarded-User' }] }],
  ])('with a wrong %s are refused, whether the keyspace is there and may change or not', async (rule, rules) => {
    const { managementKeyspaceId } = account
    for (const keyspaceId of [await at.createKeyspace(account.accountId), managementKeyspaceId, newId('ks', 0), '']) {
      expect(await at.refusal(updateKeyspace, { keyspaceId, rules })).toMatchObject(namedBy(rule))
      const moved = { keyspaceId, rules, expectedVersion: 99 }
      expect(await at.refusal(updateKeyspace, moved)).toMatchObject(namedBy(rule))
    }
  })

  test('that only disagree with those that stay are found wrong once these are known', async () => {
    const rules = { codesAtCreation: 2 }
    const keyspaceId = await at.createKeyspace(account.accountId, { liveCodesMax: 1 })
    expect(await at.refusal(updateKeyspace, { keyspaceId, rules })).toMatchObject(namedBy('codesAtCreation'))
    expect(await at.refusal(updateKeyspace, { keyspaceId: newId('ks', 0), rules })).toMatchObject({ code: 'NOT_FOUND' })
  })
})
