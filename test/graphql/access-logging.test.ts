// The switches of the access log: set with a key, told by it and by every verdict about it.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type IssuedKey, startTestApp, type TestApp } from '#test/support/app.ts'

let app: TestApp
let keyspaceId: string
beforeAll(async () => {
  app = await startTestApp()
  keyspaceId = await app.createKeyspace((await app.createAccount()).accountId)
})
afterAll(() => app.close())

const TOLD = `query ($id: ID!, $key: String!) {
  key(id: $id) { logging { request response } }
  verifyKey(input: { key: $key }) { code logging { request response } }
}`

type Logging = { request: boolean; response: boolean }

/** As the key and as the verdict tell it. */
async function toldOf({ keyId, secret }: IssuedKey): Promise<readonly Logging[]> {
  const told = await app.ask<{ key: { logging: Logging }; verifyKey: { logging: Logging } }, object>(TOLD, {
    id: keyId,
    key: secret,
  })
  return [told.key.logging, told.verifyKey.logging]
}

async function update(keyId: string, input: object): Promise<number> {
  const mutation = `mutation ($input: UpdateKeyInput!) {
    updateKey(input: $input) { ... on UpdateKeySuccess { events { data } } ... on Error { message } }
  }`
  const { updateKey } = await app.ask<{ updateKey: { events: object[] } }, object>(mutation, {
    input: { keyId, ...input },
  })
  return updateKey.events.length
}

const off = { request: false, response: false }

test('logging is off unless asked for, and each switch is its own', async () => {
  expect(await toldOf(await app.createKey(keyspaceId))).toEqual([off, off])
  const logging = { request: true, response: false }
  const key = await app.createKey(keyspaceId, { logging })
  expect(await toldOf(key)).toEqual([logging, logging])
})

test('an update sets both switches, leaves them where they are absent, and clears them by null', async () => {
  const key = await app.createKey(keyspaceId, { logging: { request: true, response: true } })
  expect(await update(key.keyId, { name: 'renamed' })).toBe(1)
  expect((await toldOf(key))[0]).toEqual({ request: true, response: true })
  const logging = { request: false, response: true }
  expect(await update(key.keyId, { logging })).toBe(1)
  expect(await toldOf(key)).toEqual([logging, logging])
  expect(await update(key.keyId, { logging })).toBe(0)
  expect(await update(key.keyId, { logging: null })).toBe(1)
  expect(await toldOf(key)).toEqual([off, off])
})

test('a verdict about a secret that is not known tells nothing of logging', async () => {
  const { verifyKey } = await app.ask<{ verifyKey: { logging: null } }, object>(
    '{ verifyKey(input: { key: "x" }) { logging { request } } }',
  )
  expect(verifyKey.logging).toBeNull()
})
