// A plaintext is in the answer that issues it and nowhere else: after every mutation there is, all tables are searched.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { replaceRootKey } from '#cli/stored-root-key.ts'
import { createKey } from '#commands/create-key.ts'
import { newRootKey } from '#secret/ids.ts'
import { parseToken } from '#secret/token.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { recordingLogger } from '#test/support/log.ts'
import { formsOf, readAllTables, type Table, tablesWith } from '#test/support/plaintexts.ts'
import { type TestServices, testServices } from '#test/support/services.ts'
import { recordAccess } from '#usage/record-access.ts'
import { gatherUses } from '#usage/uses.ts'
import { authenticate } from '#verify/authenticate.ts'
import { verifyKeys } from '#verify/verify-keys.ts'
import { type Everything, everyCommand, runEveryMutation } from './every-mutation.ts'

let database: TestDatabase
let at: TestServices
let everything: Everything
let rootKey: string
let dump: readonly Table[]
beforeAll(async () => {
  database = await createTestDatabase()
  const uses = gatherUses({ database: database.serving, log: recordingLogger().log })
  at = testServices(database.serving, { uses })
  const root = newRootKey()
  rootKey = root.reveal()
  await replaceRootKey(at, root)
  everything = await runEveryMutation(at)
  await at.run(createKey, { keyspaceId: 'refused', name: 'x', enabled: true, idempotencyKey: 'refused' })
  const questions = everything.plaintexts.map((key) => ({ key }))
  await verifyKeys(at, at.root.caller, questions)
  for (const plaintext of [rootKey, ...everything.plaintexts]) await authenticate(at, `Bearer ${plaintext}`)
  await recordEverywhere()
  await uses.flush()
  dump = await readAllTables(database.owner)
})
afterAll(() => database.drop())

/** Uses as a careless recorder tells them: with every secret wherever clients present and services repeat them. */
async function recordEverywhere(): Promise<void> {
  const [accountId = ''] = everything.accountIds
  const { keyId } = await at.createKey(await at.createKeyspace(accountId), {
    logging: { request: true, response: true },
  })
  const entries = [rootKey, ...everything.plaintexts].map((secret) => ({
    keyId,
    at: at.clock.now(),
    verdict: 'VALID',
    path: `/v1?api_key=${encodeURIComponent(secret)}`,
    requestBody: `POST /v1 HTTP/1.1\r\nAuthorization: Bearer ${secret}\r\nX-API-Key: ${secret}\r\n\r\n`,
    responseBody: JSON.stringify({ key: secret, headers: [`Authorization: Bearer ${secret}`] }),
  }))
  expect(await recordAccess(at, at.root.caller, { entries })).toMatchObject({ kind: 'recorded' })
}

describe('after every mutation', () => {
  test('all of which have run', async () => {
    const names = (await everyCommand()).map(({ name }) => name)
    expect(names.length).toBeGreaterThan(15)
    expect([...everything.ran].sort()).toEqual(names.sort())
    expect(new Set(everything.plaintexts).size).toBeGreaterThan(10)
    expect(dump.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'log.event',
        'state.code',
        'vault.idempotency',
        'vault.root_key',
        'usage.access_log',
        'usage.code_use',
        'migration.applied',
      ]),
    )
  })

  test('no table holds a plaintext, as text, hex or base64', () => {
    for (const plaintext of everything.plaintexts)
      for (const form of formsOf(plaintext)) expect(tablesWith(dump, form)).toEqual([])
  })

  test('no table holds the root key, as text, hex or base64', () => {
    for (const form of formsOf(rootKey)) expect(tablesWith(dump, form)).toEqual([])
  })

  test('no table tells who a user is, as text, hex or base64', () => {
    expect(everything.personal.length).toBeGreaterThan(3)
    for (const name of everything.personal) for (const form of formsOf(name)) expect(tablesWith(dump, form)).toEqual([])
  })

  test('no table holds an idempotency key or a secret of the server', () => {
    const server = Buffer.alloc(32, 'k1')
    for (const text of [...everything.idempotencyKeys, ...formsOf(server.toString('latin1'))])
      expect(tablesWith(dump, text)).toEqual([])
  })

  test('hints and digests are there, by which the search would have found plaintexts', () => {
    const hints = everything.plaintexts.flatMap((plaintext) => parseToken(plaintext)?.hint ?? [])
    expect(hints.length).toBeGreaterThan(10)
    expect(hints.length).toBeLessThan(everything.plaintexts.length)
    const elsewhere = (name: string) => name !== 'usage.access_log'
    for (const hint of hints) expect(tablesWith(dump, hint).filter(elsewhere)).toEqual(['log.event', 'state.code'])
  })
})

describe('the search', () => {
  const secret = 'key_0123456789_abcdefghijABCDEFGHIJ0123456789abXXXXXX'
  test.each([
    ['text', secret],
    ['hex', Buffer.from(`..${secret}..`).toString('hex')],
    ['base64', Buffer.from(secret).toString('base64')],
    ['base64 behind one byte', Buffer.from(`.${secret}.`).toString('base64')],
    ['base64 behind two bytes', Buffer.from(`..${secret}...`).toString('base64')],
    ['base64url', Buffer.from(`.....${secret}.`).toString('base64url')],
  ])('finds a plaintext in %s', (_form, stored) => {
    const tables = [{ name: 'a', bytes: Buffer.from(`{"data": "${stored}"}`) }]
    expect(formsOf(secret).flatMap((form) => tablesWith(tables, form))).not.toEqual([])
  })
})
