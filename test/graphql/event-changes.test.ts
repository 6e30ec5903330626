// What events changed, as the API tells it, and to whom.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '#test/support/app.ts'

let app: TestApp
let accountId: string
let keyId: string
beforeAll(async () => {
  app = await startTestApp()
  ;({ accountId } = await app.createAccount())
  const keyspaceId = await app.createKeyspace(accountId)
  ;({ keyId } = await app.createKey(keyspaceId, { name: 'before' }))
})
afterAll(() => app.close())

const CHANGES = 'events { changes { field before after } }'
const UPDATE = `mutation ($input: UpdateKeyInput!) {
  updateKey(input: $input) { ... on UpdateKeySuccess { ${CHANGES} } ... on Error { message } }
}`
type Change = { field: string; before: unknown; after: unknown }
type Updated = { updateKey: { events: { changes: Change[] | null }[] } }

test('they are told in the answer of the mutation', async () => {
  const { updateKey } = await app.ask<Updated, object>(UPDATE, { input: { keyId, name: 'after', tags: ['a'] } })
  expect(updateKey.events).toEqual([
    {
      changes: [
        { field: 'name', before: 'before', after: 'after' },
        { field: 'tags', before: [], after: ['a'] },
      ],
    },
  ])
})

test('and to an auditor, of all that happened', async () => {
  const credential = await app.createCredential(accountId, ['accounts.read', 'events.read'])
  const query = `query ($accountId: ID!) { account(id: $accountId) { events(first: 100) { nodes { type changes { field } } } } }`
  type Events = { account: { events: { nodes: { type: string; changes: Change[] }[] } } }
  const { account } = await app.ask<Events, object>(query, { accountId }, { credential })
  expect(account.events.nodes.length).toBeGreaterThan(5)
  for (const { type, changes } of account.events.nodes) expect(changes, type).not.toEqual([])
})

test('what was before is not told to who may change a key and not read its history', async () => {
  const credential = await app.createCredential(accountId, ['keys.write'])
  const { data, errors } = await app.execute<Updated, object>(UPDATE, { input: { keyId, name: 'x' } }, { credential })
  expect(data?.updateKey.events).toEqual([{ changes: null }])
  expect(errors.map(({ extensions }) => extensions?.code)).toEqual(['FORBIDDEN'])
  expect(JSON.stringify({ data, errors })).not.toContain('after')
})
