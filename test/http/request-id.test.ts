// One id for a request: in its answer whatever that is, in the log, and in all events that it caused, by which these are found.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { PATIENTLY } from '#test/support/wait.ts'

let app: TestApp
let accountId: string
let keyspaceId: string
let codeId: string
let secret: string
beforeAll(async () => {
  app = await startTestApp()
  ;({ accountId } = await app.createAccount())
  keyspaceId = await app.createKeyspace(accountId, { secretDisplay: 'REVEALABLE' })
  ;({ codeId, secret } = await app.createKey(keyspaceId))
  for (const externalId of ['ann', 'bob']) await app.addUser(accountId, { externalId })
})
afterAll(() => app.close())

let sent = 0
const newRequestId = () => `request-${++sent}`

type Asked = { readonly path: string; readonly method?: string; readonly body?: string; readonly headers?: object }

async function ask({ path, method, body, headers = {} }: Asked, requestId: string | undefined) {
  const given = { authorization: `Bearer ${app.rootKey}`, 'content-type': 'application/json', ...headers }
  const response = await fetch(app.origin + path, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...given, ...(requestId === undefined ? {} : { 'x-request-id': requestId }) } as Record<string, string>,
    ...(body === undefined ? {} : { body }),
  })
  await response.arrayBuffer()
  return response
}

const graphql = (query: string, search = ''): Asked => ({ path: `/graphql${search}`, body: JSON.stringify({ query }) })
const nobody = { authorization: 'Bearer nothing' }
const stream = { accept: 'text/event-stream' }

const requests: readonly (readonly [string, number, () => Asked])[] = [
  ['GraphQL, by the usual way', 200, () => graphql('{ viewer { kind } }')],
  ['GraphQL, by the other', 200, () => graphql('{ viewer { kind } }', '?lane=yoga')],
  ['GraphQL by GET', 200, () => ({ path: '/graphql?query=%7B__typename%7D', headers: { accept: 'application/json' } })],
  ['a denial', 200, () => ({ ...graphql('{ viewer { kind } }'), headers: nobody })],
  ['a document that is none', 200, () => graphql('{')],
  ['a body that is none', 400, () => ({ path: '/graphql', body: '{' })],
  ['a body that is too long', 413, () => ({ path: '/graphql', body: 'x'.repeat(1_100_000) })],
  ['a type that is not spoken', 415, () => ({ path: '/graphql', body: 'x', headers: { 'content-type': 'text/x' } })],
  [
    'a subscription that ends',
    200,
    () => ({ ...graphql('subscription { events(accountId: "x") { id } }'), headers: stream }),
  ],
  ['a download', 200, () => ({ path: `/codes/${codeId}/secret.txt` })],
  ['a download of nothing', 404, () => ({ path: '/codes/x/secret.txt' })],
  ['an export', 200, () => ({ path: `/accounts/${accountId}/events.csv` })],
  ['an export by nobody', 401, () => ({ path: `/accounts/${accountId}/events.csv`, headers: nobody })],
  ['an export that is asked for wrongly', 400, () => ({ path: `/accounts/${accountId}/events.csv?x=1` })],
  [
    'forward-auth',
    200,
    () => ({
      path: `/forward-auth?keyspace=${keyspaceId}&endpoints=ignore`,
      headers: { 'x-keyledger-authorization': `Bearer ${app.rootKey}`, authorization: `Bearer ${secret}` },
    }),
  ],
  ['forward-auth that refuses', 401, () => ({ path: '/forward-auth' })],
  ['a tile that is not', 404, () => ({ path: '/audit/1/tile/0/000' })],
  ['entries for nobody', 401, () => ({ path: '/audit/1/tile/entries/000', headers: nobody })],
  ['health', 200, () => ({ path: '/health/live' })],
  ['readiness', 200, () => ({ path: '/health/ready' })],
  ['a method that is not', 405, () => ({ path: '/health/live', method: 'DELETE' })],
  ['nothing', 404, () => ({ path: '/nothing' })],
]

describe('every answer has the id of its request', () => {
  test.each(requests)('%s', async (_, status, asked) => {
    const requestId = newRequestId()
    const response = await ask(asked(), requestId)
    expect([response.status, response.headers.get('x-request-id')]).toEqual([status, requestId])
    const logged = expect.objectContaining({ requestId, msg: 'request' })
    await vi.waitFor(() => expect(app.logged).toContainEqual(logged), PATIENTLY)
    const unnamed = await ask(asked(), undefined)
    expect(unnamed.headers.get('x-request-id')).toMatch(/^req_[0-9A-Za-z]{20}$/)
  })
})

async function causedBy(correlationId: string): Promise<readonly string[]> {
  const query = `query ($accountId: ID!, $filter: EventFilter) {
    account(id: $accountId) { events(filter: $filter) { nodes { type correlationId } } } }`
  type Found = { account: { events: { nodes: { type: string; correlationId: string }[] } } }
  const { account } = await app.ask<Found, object>(query, { accountId, filter: { correlationId } })
  for (const event of account.events.nodes) expect(event.correlationId).toBe(correlationId)
  return account.events.nodes.map(({ type }) => type)
}

describe('all that a request did is found by it', () => {
  test.each(['', '?lane=yoga'])('be it many mutations in one /graphql%s', async (search) => {
    const requestId = newRequestId()
    const create = (alias: string) =>
      `${alias}: createKey(input: { keyspaceId: "${keyspaceId}", name: "x" }) { __typename }`
    await ask(graphql(`mutation { ${create('a')} ${create('b')} }`, search), requestId)
    expect(await causedBy(requestId)).toEqual(['key.created', 'code.issued', 'key.created', 'code.issued'])
  })

  test('be it an id that the server gave', async () => {
    const rename = graphql(
      `mutation { updateAccount(input: { accountId: "${accountId}", name: "again" }) { __typename } }`,
    )
    const response = await ask(rename, undefined)
    expect(await causedBy(response.headers.get('x-request-id') ?? '')).toEqual(['account.updated'])
  })

  test('be it what follows in transactions of its own', async () => {
    const requestId = newRequestId()
    const input = `{ keyspaceId: "${keyspaceId}", rules: { defaultKeys: true } }`
    await ask(graphql(`mutation { updateKeyspace(input: ${input}) { __typename } }`), requestId)
    expect(await causedBy(requestId)).toEqual([
      'keyspace.updated',
      ...['key.created', 'code.issued', 'key.created', 'code.issued'],
    ])
  })

  test('be it a download', async () => {
    const requestId = newRequestId()
    await ask({ path: `/codes/${codeId}/secret.txt` }, requestId)
    expect(await causedBy(requestId)).toEqual(['code.revealed'])
  })
})
