// The usual request takes a way of its own past Yoga's: it must be answered as Yoga would, to the letter, and nothing twice.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '#test/support/app.ts'

let app: TestApp
let keyspaceId: string
let accountId: string
let secret: string
let administrator: string
beforeAll(async () => {
  app = await startTestApp()
  accountId = (await app.createAccount()).accountId
  keyspaceId = await app.createKeyspace(accountId)
  secret = (await app.createKey(keyspaceId)).secret
  administrator = await app.createCredential(accountId, ['*'])
})
afterAll(() => app.close())

type Asked = { readonly body: string; readonly accept?: string; readonly credential?: string }

/** A query in the URL, of which Yoga takes no notice, keeps a request out of the fast lane. */
async function answer({ body, accept, credential = app.rootKey }: Asked, search: '' | '?lane=yoga') {
  const response = await fetch(`${app.origin}/graphql${search}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${credential}`,
      'x-request-id': 'lanes',
      ...(accept === undefined ? {} : { accept }),
    },
    body,
  })
  const { status, headers } = response
  const kept = ['content-type', 'cache-control', 'retry-after', 'allow'].map((name) => [name, headers.get(name)])
  return { status, headers: kept, text: await response.text() }
}

const json = (query: unknown, rest: object = {}) => JSON.stringify({ query, ...rest })
const VERIFY = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { valid code name tags expiresAt } }'

const corpus: readonly (readonly [string, () => Asked])[] = [
  ['a query', () => ({ body: json('{ viewer { kind permissions account { id } } }') })],
  [
    'aliases and fragments',
    () => ({ body: json('{ a: viewer { ...v } b: viewer { ...v } } fragment v on Viewer { kind }') }),
  ],
  [
    'what is read as root',
    () => ({ body: json(`{ account(id: "${accountId}") { name keyspaces { nodes { id } } } }`) }),
  ],
  [
    'what is read as a key of the account',
    () => ({
      body: json('{ viewer { account { id keys { nodes { name codes { hint } } } } } }'),
      credential: administrator,
    }),
  ],
  ['introspection', () => ({ body: json('{ __schema { queryType { name } } }') })],
  [
    'plain fields of the root, some under other names',
    () => ({
      body: json(
        `query ($input: VerifyKeyInput!, $inputs: [VerifyKeyInput!]!) {
          first: verifyKey(input: $input) { is: valid valid code metadata tags logging { request } }
          plain: verifyKey(input: $input) { is: valid valid code metadata tags permissions position slot }
          verifyKeys(inputs: $inputs) { valid keyId name }
        }`,
        {
          variables: {
            input: { key: secret },
            inputs: [{ key: secret }, { key: 'nobody', consistency: 'BOUNDED' }],
          },
        },
      ),
    }),
  ],
  [
    'nothing but plain fields',
    () => ({
      body: json(
        `query ($input: VerifyKeyInput! = { key: "nobody's-own-secret" }) {
          a: verifyKey(input: $input) { is: valid valid code metadata tags permissions position slot message }
          b: verifyKey(input: { key: "${secret}" }) { valid keyId }
          verifyKeys(inputs: []) { valid }
        }`,
      ),
    }),
  ],
  ...['', 'nobody'].map((credential): readonly [string, () => Asked] => [
    `a plain field beside one that can not be asked, by ${credential || 'root'}`,
    () => ({
      body: json(
        'query ($p: VerifyKeyInput = { key: "x" }) { a: verifyKey(input: { key: "x" }) { code } b: verifyKey(input: $p) { code } }',
        { variables: { p: null } },
      ),
      ...(credential !== '' && { credential }),
    }),
  ]),
  ['a field that is called __proto__', () => ({ body: json('{ viewer { __proto__: kind } }') })],
  ...['application/json, text/plain, */*', 'application/graphql-response+json, application/json'].map(
    (accept): readonly [string, () => Asked] => [
      `a client that takes ${accept}`,
      () => ({ body: json('{ viewer { kind } }'), accept }),
    ],
  ),
  [
    'a client that takes GraphQL answers rather than JSON',
    () => ({ body: json('{ viewer { kind } }'), accept: 'application/graphql-response+json,application/json;q=0.9' }),
  ],
  ['a plain field twice', () => ({ body: json('{ viewer { kind kind } viewer { permissions } }') })],
  [
    'a plain field that fails',
    () => ({ body: json(VERIFY, { variables: { input: { key: secret, permission: 'ads AND' } } }) }),
  ],
  [
    'a plain field for whom it is not',
    () => ({ body: json(VERIFY, { variables: { input: { key: secret } } }), credential: 'nobody' }),
  ],
  [
    'more plain fields than one operation may ask for',
    () => ({
      body: json(
        `query ($input: VerifyKeyInput!) { ${Array.from({ length: 101 }, (_, index) => `v${index}: verifyKey(input: $input) { valid }`).join(' ')} }`,
        { variables: { input: { key: secret } } },
      ),
    }),
  ],
  ['a verification', () => ({ body: json(VERIFY, { variables: { input: { key: secret, keyspaceId } } }) })],
  [
    'a refused mutation',
    () => ({ body: json('mutation { revokeKey(input: { keyId: "x" }) { __typename ... on Error { code } } }') }),
  ],
  [
    'one of two operations',
    () => ({ body: json('query A { viewer { kind } } query B { node(id: "x") { id } }', { operationName: 'B' }) }),
  ],
  ['no operation of the name', () => ({ body: json('query A { viewer { kind } }', { operationName: 'C' }) })],
  ['two operations and no name', () => ({ body: json('query A { viewer { kind } } query B { viewer { kind } }') })],
  ['a syntax error', () => ({ body: json('{ viewer {') })],
  ['an unknown field', () => ({ body: json('{ viewer { colour } }') })],
  ['a missing variable', () => ({ body: json(VERIFY) })],
  ['a wrong variable', () => ({ body: json(VERIFY, { variables: { input: { key: 7 } } }) })],
  ['variables that are a list', () => ({ body: json(VERIFY, { variables: [] }) })],
  ['variables that are null', () => ({ body: json('{ viewer { kind } }', { variables: null, operationName: null }) })],
  ['extensions', () => ({ body: json('{ viewer { kind } }', { extensions: { a: 1 } }) })],
  ['extensions that are no object', () => ({ body: json('{ viewer { kind } }', { extensions: 1 }) })],
  ['nobody', () => ({ body: json('{ viewer { kind } }'), credential: 'nobody' })],
  [
    'a right that is lacking in part',
    () => ({
      body: json(`{ node(id: "${accountId}") { id ... on Account { keys { totalCount } } } }`),
      credential: 'nobody',
    }),
  ],
  ['a broken argument', () => ({ body: json('{ accounts(first: 1000) { totalCount } }') })],
  [
    'a broken expression',
    () => ({ body: json(VERIFY, { variables: { input: { key: secret, permission: 'a AND' } } }) }),
  ],
  [
    'too large an operation',
    () => ({ body: json(`{ ${Array.from({ length: 200 }, (_, i) => `v${i}: viewer { kind }`).join(' ')} }`) }),
  ],
  ['too long a document', () => ({ body: json(`{ viewer { kind } } #${'x'.repeat(40_000)}`) })],
  ['a member that is none of a request', () => ({ body: json('{ viewer { kind } }', { id: 7 }) })],
  ['a member that is called like a prototype', () => ({ body: `{"query":"{ viewer { kind } }","__proto__":{}}` })],
  ['no query', () => ({ body: json(undefined) })],
  ['a query that is no text', () => ({ body: json(7) })],
  ['a batch', () => ({ body: `[${json('{ viewer { kind } }')}]` })],
  ['null', () => ({ body: 'null' })],
  ['no JSON', () => ({ body: '{' })],
  ['nothing', () => ({ body: '' })],
]

const ACCEPTS = [
  undefined,
  '*/*',
  'application/json',
  'application/graphql-response+json',
  'application/json;q=0.5',
  'text/html',
]

describe('both lanes answer alike', () => {
  test.each(corpus)('%s', async (_what, asked) => {
    for (const accept of ACCEPTS) {
      const request = { ...asked(), ...(accept === undefined ? {} : { accept }) }
      // Twice: the first prepares the document.
      for (let i = 0; i < 2; i++)
        expect(comparable(await answer(request, ''))).toEqual(comparable(await answer(request, '?lane=yoga')))
    }
  })
})

/** Instants differ from one request to the next. */
function comparable({ text, ...rest }: Awaited<ReturnType<typeof answer>>) {
  return { ...rest, text: text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'T') }
}

test('a mutation whose answer holds an error is executed once', async () => {
  const query = `mutation { createKey(input: { keyspaceId: "${keyspaceId}", name: "once" }) { ... on CreateKeySuccess { key { id events(first: 1000) { totalCount } } } } }`
  const { text } = await answer({ body: json(query) }, '')
  expect(JSON.parse(text).errors).toHaveLength(1)
  const { data } = await app.execute(
    `{ keyspace(id: "${keyspaceId}") { keys(filter: { name: "once" }) { totalCount } } }`,
  )
  expect(data).toEqual({ keyspace: { keys: { totalCount: 1 } } })
})

test('a mutation in a request that is refused is not executed', async () => {
  const query = `mutation { createKey(input: { keyspaceId: "${keyspaceId}", name: "refused" }) { ... on CreateKeySuccess { key { id events(first: 1000) { totalCount } } } } }`
  const { status } = await answer({ body: json(query, { foo: 1 }) }, '')
  expect(status).toBe(400)
  const { data } = await app.execute(
    `{ keyspace(id: "${keyspaceId}") { keys(filter: { name: "refused" }) { totalCount } } }`,
  )
  expect(data).toEqual({ keyspace: { keys: { totalCount: 0 } } })
})
