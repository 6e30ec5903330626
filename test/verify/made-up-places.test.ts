// A secret can be asked about anywhere, also in keyspaces that are made up. What is remembered of that must take nothing from those
// whose keys are in use, and must not outlive what it says.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { linkKey } from '#commands/link-key.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { type WatchedConnection, watchedConnection } from '#database/watched-connection.ts'
import type { Caller } from '#domain/caller.ts'
import { knownShardOf } from '#domain/ids.ts'
import { newId } from '#secret/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { statementsOf } from '#test/support/statements.ts'
import { PATIENTLY } from '#test/support/wait.ts'
import { createCodeFinder } from '#verify/code-finder.ts'
import { type VerifyQuestion, verifyKeys } from '#verify/verify-keys.ts'
import type { VerifyingServices } from '#verify/view.ts'

/** A code through a link takes more than others, and counts as two. */
const CACHE_CODES = 7

let database: TestDatabase
let at: TestServices
let loading: WatchedConnection
let small: VerifyingServices
let account: MadeAccount
let keyspaceId: string
let caller: Caller
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  loading = watchedConnection(database.serving, { patienceMs: PATIENTLY.timeout })
  account = await at.createAccount()
  keyspaceId = await at.createKeyspace(account.accountId)
  caller = { kind: 'KEY', keyId: 'key', codeId: 'code', accountId: account.accountId, permissions: ['keys.verify'] }
})
afterAll(async () => {
  loading.close()
  await database.drop()
})
beforeEach(() => {
  small?.codes.stop()
  small = { ...at, codes: createCodeFinder({ ...at, loading, cacheCodes: CACHE_CODES }) }
})

const madeUp = () => newId('ks', knownShardOf(account.accountId))

async function codeOf(question: VerifyQuestion, by: Caller = caller): Promise<string | undefined> {
  return (await verifyKeys(small, by, [question]))[0]?.code
}

async function secretOf(made: Promise<{ readonly secrets: readonly string[] }>): Promise<string> {
  return (await made).secrets[0] ?? ''
}

test('who holds one key pushes out nobody by asking about it in keyspaces that are made up, of others or in other accounts', async () => {
  const lender = await at.createAccount()
  const { keyId, secrets } = await at.createKey(await at.createKeyspace(lender.accountId))
  await at.done(linkKey, { accountId: account.accountId, keyId, policyIds: [await at.createPolicy(account.accountId)] })
  const inUse: readonly VerifyQuestion[] = [
    { key: await secretOf(at.createKey(keyspaceId)) },
    { key: await secretOf(at.createKey(keyspaceId)), keyspaceId },
    { key: secrets[0] ?? '', keyspaceId },
    { key: secrets[0] ?? '' },
  ]
  const ask = () => Promise.all(inUse.map((question) => codeOf(question)))
  expect(await ask()).toEqual(['VALID', 'VALID', 'VALID', 'VALID'])

  const key = await secretOf(at.createKey(keyspaceId))
  const foreign = await at.createKeyspace(lender.accountId)
  const places = [foreign, ...Array.from({ length: 4 * CACHE_CODES }, madeUp)]
  for (const place of places) expect(await codeOf({ key, keyspaceId: place })).toBe('NOT_FOUND')
  for (let i = 0; i < 2 * CACHE_CODES; i++) {
    const accountId = newId('acct', knownShardOf(account.accountId))
    expect(await codeOf({ key, accountId }, { kind: 'ROOT' })).toBe('NOT_FOUND')
  }
  expect(await statementsOf(ask)).toEqual([])
})

test('it costs no statement again, and ends with the key', async () => {
  const { keyId, secrets } = await at.createKey(keyspaceId)
  const question = { key: secrets[0] ?? '', keyspaceId: madeUp() }
  expect(await codeOf(question)).toBe('NOT_FOUND')
  expect(await statementsOf(() => codeOf(question))).toEqual([])
  await at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })
  expect(await statementsOf(() => codeOf(question))).toHaveLength(1)
})

test('a place that a link lets a key in to is one at once, and in use from then on', async () => {
  const lender = await at.createAccount()
  const { keyId, secrets } = await at.createKey(await at.createKeyspace(lender.accountId))
  const question = { key: secrets[0] ?? '', keyspaceId }
  expect(await codeOf(question)).toBe('NOT_FOUND')
  await at.done(linkKey, { accountId: account.accountId, keyId, policyIds: [await at.createPolicy(account.accountId)] })
  expect(await codeOf(question)).toBe('VALID')
  const key = await secretOf(at.createKey(keyspaceId))
  for (let i = 0; i < 2 * CACHE_CODES; i++) await codeOf({ key, keyspaceId: madeUp() })
  expect(await statementsOf(() => codeOf(question))).toEqual([])
})
