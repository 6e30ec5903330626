// Verification keeps metadata as text; whoever asks for it is told what was given, as a key's own field tells it.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '#test/support/app.ts'

let app: TestApp
let keyspaceId: string
beforeAll(async () => {
  app = await startTestApp()
  const { accountId } = await app.createAccount()
  keyspaceId = await app.createKeyspace(accountId)
})
afterAll(() => app.close())

const CREATE = `mutation ($input: CreateKeyInput!) {
  createKey(input: $input) { ... on CreateKeySuccess { key { id } issued { secret } } }
}`
type Created = {
  readonly createKey: { readonly key: { readonly id: string }; readonly issued: { readonly secret: string }[] }
}

const TOLD = {
  'past the general executor': 'query ($key: String!) { told: verifyKey(input: { key: $key }) { metadata } }',
  'by the general executor':
    'query ($key: String!) { told: verifyKey(input: { key: $key }) { metadata logging { request } } }',
  'in a batch': 'query ($key: String!) { told: verifyKeys(inputs: [{ key: $key }]) { metadata } }',
}
type Told = { readonly metadata: unknown }

test.each([
  ['an object', '{"b":1,"a":{"10":true,"9":null,"é":"語"},"B":[]}'],
  ['a member named __proto__', '{"__proto__":{"b":1},"constructor":{"__proto__":null}}'],
  ['nothing in it', '{}'],
  ['a list of null', '[null,[null],{"a":null}]'],
  ['text', '"true"'],
  ['an empty text', '""'],
  ['no', 'false'],
  ['zero', '0'],
  ['numbers', '[1e308,-1.5e-7,9007199254740991,0.1]'],
  ['the most empty objects', JSON.stringify(Array.from({ length: 5_400 }, () => ({})))],
])('%s is told by every verification as the key tells it', async (_what, json) => {
  const input = { keyspaceId, name: 'told', metadata: JSON.parse(json) }
  const { createKey } = await dataOf<Created>(CREATE, { input })
  const { key } = await dataOf<{ key: Told }>('query ($id: ID!) { key(id: $id) { metadata } }', {
    id: createKey.key.id,
  })
  expect(key.metadata).toEqual(JSON.parse(json))
  // Loaded, and then known.
  for (const _time of [1, 2])
    for (const query of Object.values(TOLD)) {
      const { told } = await dataOf<{ told: Told | [Told] }>(query, { key: createKey.issued[0]?.secret })
      const [{ metadata }] = Array.isArray(told) ? told : [told]
      expect(JSON.stringify(metadata)).toBe(JSON.stringify(key.metadata))
    }
})

test('none is told as null of what is nobody’s', async () => {
  for (const query of Object.values(TOLD)) {
    const { told } = await dataOf<{ told: Told | [Told] }>(query, { key: 'nobody-has-such-a-secret' })
    expect((Array.isArray(told) ? told : [told])[0]?.metadata).toBeNull()
  }
})

async function dataOf<Data>(query: string, variables: Readonly<Record<string, unknown>>): Promise<Data> {
  const { data, errors } = await app.execute<Data, Readonly<Record<string, unknown>>>(query, variables)
  expect(errors).toEqual([])
  return data as Data
}
