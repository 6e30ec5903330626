// One operation may hold a hundred mutations. A credential that is stolen and then revoked must not finish the list.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())

test('a key that an operation revokes does none of the mutations that follow in it', async () => {
  const { accountId, managementKeyspaceId } = await app.createAccount('Acme')
  const credential = await app.createCredential(accountId, ['*'])
  const { viewer } = await app.ask<{ viewer: { viewerId: string } }, object>(
    '{ viewer { viewerId } }',
    {},
    { credential },
  )
  const { data, errors } = await app.execute<Record<string, unknown>, object>(
    `mutation ($self: ID!, $keyspaceId: ID!) {
      revoke: revokeKey(input: { keyId: $self }) { __typename }
      mint: createKey(input: { keyspaceId: $keyspaceId, name: "back door", permissions: ["*"] }) { __typename }
    }`,
    { self: viewer.viewerId, keyspaceId: managementKeyspaceId },
    { credential },
  )
  expect(data).toBeNull()
  expect(errors).toMatchObject([{ path: ['mint'], extensions: { code: 'UNAUTHENTICATED' } }])
  const { rows } = await app.database.owner.pool.query("SELECT 1 FROM state.key WHERE name = 'back door'")
  expect(rows).toEqual([])
})

test('a body that is no JSON is not quoted in the answer', async () => {
  const secret = 'Pa55word-is-very-Secret-1234'
  const response = await fetch(`${app.origin}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: `{"query":"{ __typename }","variables":{"secret":"${secret}`,
  })
  expect(response.status).toBe(400)
  const text = await response.text()
  expect(text).not.toContain(secret)
  expect(text).toContain('BAD_REQUEST')
})
