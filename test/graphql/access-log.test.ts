// The access log over HTTP: recorded by a service with no other right, read by who may, of an account and of a key.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type IssuedKey, startTestApp, type TestApp } from '#test/support/app.ts'

const operation = (name: string) =>
  readFile(join(import.meta.dirname, `../../schema/operations/${name}.graphql`), 'utf8')
const [RECORD, ACCESS_LOG, KEY_ACCESS_LOG] = await Promise.all(
  ['record-access', 'access-log', 'key-access-log'].map(operation),
)

let app: TestApp
let accountId: string
let key: IssuedKey
let recorder: string
let reader: string
beforeAll(async () => {
  app = await startTestApp()
  ;({ accountId } = await app.createAccount())
  key = await app.createKey(await app.createKeyspace(accountId), { logging: { request: true, response: false } })
  recorder = await app.createCredential(accountId, ['logs.write'])
  reader = await app.createCredential(accountId, ['logs.read', 'accounts.read', 'keys.read'])
})
afterAll(() => app.close())

const entry = (given: object = {}) => ({ keyId: key.keyId, at: app.clock.now(), verdict: 'VALID', ...given })

const execute = (document = '', variables: object = {}, credential?: string) =>
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, each looked at by one test.
  app.execute<any, object>(document, variables, credential === undefined ? {} : { credential })

test('what a service records is read of the account and of the key, newest first', async () => {
  for (const status of [200, 201]) {
    const input = {
      entries: [
        entry({ codeId: key.codeId, status, path: `/a?key=${key.secret}`, requestBody: '{}', responseBody: 'x' }),
      ],
    }
    const { data } = await execute(RECORD, { input }, recorder)
    expect(data.recordAccess).toEqual({ __typename: 'RecordAccessSuccess', recorded: 1 })
    app.clock.advance(1_000)
  }
  const { data } = await execute(ACCESS_LOG, { accountId, first: 1 }, reader)
  const { nodes, pageInfo } = data.account.accessLog
  expect(nodes).toMatchObject([
    {
      keyId: key.keyId,
      codeId: key.codeId,
      verdict: 'VALID',
      status: 201,
      path: '/a?key=[redacted]',
      requestBody: '{}',
      responseBody: null,
    },
  ])
  expect(pageInfo.hasNextPage).toBe(true)
  const next = await execute(ACCESS_LOG, { accountId, first: 1, after: pageInfo.endCursor }, reader)
  expect(next.data.account.accessLog).toMatchObject({ nodes: [{ status: 200 }], pageInfo: { hasNextPage: false } })
  const ofKey = await execute(
    KEY_ACCESS_LOG,
    { keyId: key.keyId, filter: { verdicts: ['VALID'], codeId: key.codeId } },
    reader,
  )
  expect(ofKey.data.key.accessLog.edges.map(({ node }: { node: object }) => node)).toMatchObject([
    { status: 201 },
    { status: 200 },
  ])
})

test('reading takes logs.read, and recording logs.write', async () => {
  const other = await app.createCredential(accountId, ['logs.write', 'accounts.read', 'keys.read', 'events.read'])
  for (const [document, variables] of [
    [ACCESS_LOG, { accountId }],
    [KEY_ACCESS_LOG, { keyId: key.keyId }],
  ] as const) {
    const { data, errors } = await execute(document, variables, other)
    expect(Object.values(data)).toEqual([{ accessLog: null }])
    expect(errors.map(({ extensions }) => extensions?.code)).toEqual(['FORBIDDEN'])
  }
  const { data, errors } = await execute(RECORD, { input: { entries: [entry()] } }, reader)
  expect([data, errors[0]?.extensions?.code]).toEqual([null, 'FORBIDDEN'])
})

test('what is wrong is named, and nothing of the batch is recorded', async () => {
  const before = await execute(ACCESS_LOG, { accountId }, reader)
  const wrong = await execute(RECORD, { input: { entries: [entry(), entry({ status: 42 })] } }, recorder)
  expect(wrong.data.recordAccess).toMatchObject({
    __typename: 'InvalidInputError',
    issues: [{ path: ['entries', '1', 'status'] }],
  })
  const missing = await execute(RECORD, { input: { entries: [entry(), entry({ keyId: 'key_x' })] } }, recorder)
  expect(missing.data.recordAccess).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' })
  expect(await execute(ACCESS_LOG, { accountId }, reader)).toMatchObject({ data: before.data })
})

test('500 entries with long bodies fit into requests of 1 MiB, and secrets into no log', async () => {
  const entries = Array.from({ length: 500 }, () => entry({ requestBody: `${key.secret} ${'x'.repeat(1_700)}` }))
  expect((await execute(RECORD, { input: { entries } }, recorder)).data.recordAccess.recorded).toBe(500)
  expect(JSON.stringify(app.logged)).not.toContain(key.secret.slice(-38))
})

test('a key that calls this API is used by that', async () => {
  const { keyId, secret } = await app.createKey(
    (
      await app.ask<{ account: { managementKeyspace: { id: string } } }, object>(
        'query ($id: ID!) { account(id: $id) { managementKeyspace { id } } }',
        { id: accountId },
      )
    ).account.managementKeyspace.id,
    { permissions: ['keys.read'] },
  )
  const ask = 'query ($id: ID!) { key(id: $id) { lastUsedAt codes { lastUsedAt } } }'
  const at = app.clock.now()
  expect((await execute(ask, { id: keyId }, secret)).data.key).toEqual({
    lastUsedAt: null,
    codes: [{ lastUsedAt: null }],
  })
  await app.app.services.uses.flush()
  expect((await execute(ask, { id: keyId })).data.key).toEqual({ lastUsedAt: at, codes: [{ lastUsedAt: at }] })
})

test('long unused keys are found, and keys ordered by their last use', async () => {
  const keyspaceId = await app.createKeyspace(accountId)
  const [first, second, never] = [
    await app.createKey(keyspaceId),
    await app.createKey(keyspaceId),
    await app.createKey(keyspaceId),
  ]
  for (const { secret } of [second, first]) {
    app.clock.advance(60_000)
    await app.ask('query ($key: String!) { verifyKey(input: { key: $key }) { valid } }', { key: secret })
  }
  await app.app.services.uses.flush()
  const list = async (variables: object) => {
    const { data } = await execute(
      'query ($id: ID!, $filter: KeyFilter, $orderBy: KeyOrder) { keyspace(id: $id) { keys(filter: $filter, orderBy: $orderBy) { nodes { id } } } }',
      { id: keyspaceId, ...variables },
    )
    return data.keyspace.keys.nodes.map(({ id }: { id: string }) => id)
  }
  const order = (direction: string) => ({ orderBy: { field: 'LAST_USED_AT', direction } })
  expect(await list(order('ASC'))).toEqual([second.keyId, first.keyId, never.keyId])
  expect(await list(order('DESC'))).toEqual([first.keyId, second.keyId, never.keyId])
  const unused = { filter: { unusedSince: app.clock.now() }, ...order('ASC') }
  expect(await list(unused)).toEqual([second.keyId, never.keyId])
})
