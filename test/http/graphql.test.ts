import { serverAudits } from 'graphql-http'
import { afterAll, describe, expect, test } from 'vitest'
import { type ClientError, startTestApp } from '#test/support/app.ts'

const app = await startTestApp()
const closed = await startTestApp({ graphiql: false, introspection: false })
afterAll(() => Promise.all([app.close(), closed.close()]))

type Answer = { readonly data?: unknown; readonly errors?: readonly ClientError[] }

async function post(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}, to = app) {
  const response = await fetch(`${to.origin}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${to.rootKey}`, ...headers },
    body,
  })
  return { response, answer: (await response.json()) as Answer }
}

function get(parameters: Record<string, string>, headers: Record<string, string> = {}) {
  return fetch(`${app.origin}/graphql?${new URLSearchParams(parameters)}`, {
    headers: { authorization: `Bearer ${app.rootKey}`, ...headers },
  })
}

describe('GraphQL over HTTP', () => {
  for (const audit of serverAudits({ url: () => `${app.origin}/graphql` }))
    test(`${audit.id} ${audit.name}`, async () => {
      expect(await audit.fn()).toMatchObject({ status: 'ok' })
    })
})

describe('answers', () => {
  test.each(['{ viewer { kind } }', '{ viewer { nothing } }', '{'])('are never cached: %s', async (query) => {
    const { response } = await post(JSON.stringify({ query }))
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect((await get({ query })).headers.get('cache-control')).toBe('no-store')
  })

  test('carry the request id, which is the correlation id of the events', async () => {
    const query =
      'mutation { createAccount(input: { name: "Acme" }) { ... on CreateAccountSuccess { events { correlationId } } } }'
    const { response, answer } = await post(JSON.stringify({ query }), { 'x-request-id': 'trace-42' })
    expect(response.headers.get('x-request-id')).toBe('trace-42')
    expect(answer).toMatchObject({
      data: { createAccount: { events: [{ correlationId: 'trace-42' }, { correlationId: 'trace-42' }] } },
    })
  })

  test('grant nothing to other origins', async () => {
    const { response } = await post('{"query":"{ viewer { kind } }"}', { origin: 'https://elsewhere.example' })
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  test('to two credentials at once are those to none', async () => {
    const { response, answer } = await post('{"query":"{ viewer { kind } }"}', {
      authorization: `Bearer ${app.rootKey}`,
      Authorization: 'Bearer another',
    })
    expect(response.status).toBe(200)
    expect(answer.errors?.[0]?.extensions?.code).toBe('UNAUTHENTICATED')
  })

  test('to errors always have a code', async () => {
    for (const query of [
      '{',
      '{ nothing }',
      '',
      'query ($a: Int!) { viewer { kind } }',
      'query A { viewer { kind } } query B { viewer { kind } }',
    ]) {
      const { answer } = await post(JSON.stringify({ query }))
      for (const { extensions } of answer.errors ?? [{}]) expect(extensions?.code, query).toEqual(expect.any(String))
    }
  })
})

describe('over GET', () => {
  test('queries are answered', async () => {
    const response = await get({ query: '{ viewer { kind } }' })
    expect([response.status, await response.json()]).toEqual([200, { data: { viewer: { kind: 'ROOT' } } }])
  })

  test('mutations are refused', async () => {
    const response = await get({ query: 'mutation { createAccount(input: { name: "Acme" }) { __typename } }' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
  })

  test.each([
    '{ verifyKey(input: { key: "a" }) { valid } }',
    '{ innocent: verifyKey(input: { key: "a" }) { valid } }',
    'query ($i: [VerifyKeyInput!]!) { verifyKeys(inputs: $i) { valid } }',
    'query A { viewer { kind } } query B { ...f } fragment f on Query { verifyKey(input: { key: "a" }) { valid } }',
  ])('nothing is verified, as a URL is no place for a secret: %s', async (query) => {
    const response = await get({ query, operationName: query.startsWith('query A') ? 'A' : '', variables: '{"i":[]}' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] })
  })

  test('broken variables are the client’s fault', async () => {
    const response = await get({ query: '{ viewer { kind } }', variables: '{"a":' })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] })
    expect(app.logged.filter(({ level }) => level === 'error')).toEqual([])
  })
})

test('is measured with the variables it comes with, however small it was before', async () => {
  const query = `query ($a: [VerifyKeyInput!]!, $b: [VerifyKeyInput!]!) { a: verifyKeys(inputs: $a) { valid } b: verifyKeys(inputs: $b) { valid } }`
  const ask = async (count: number) => {
    const inputs = Array.from({ length: count }, () => ({ key: 'x' }))
    const { answer } = await post(JSON.stringify({ query, variables: { a: inputs, b: inputs } }))
    return answer.errors?.[0]?.extensions?.code
  }
  expect([await ask(1), await ask(50), await ask(51), await ask(1)]).toEqual([
    undefined,
    undefined,
    'OPERATION_TOO_LARGE',
    undefined,
  ])
})

describe('a body', () => {
  test('of more than 1 MiB is refused, and the connection can be used on', async () => {
    const { response, answer } = await post(
      JSON.stringify({ query: '{ viewer { kind } }', pad: 'x'.repeat(1_048_576) }),
    )
    expect(response.status).toBe(413)
    expect(answer.errors?.[0]?.extensions?.code).toBe('PAYLOAD_TOO_LARGE')
  })

  test.each([
    ['gzip', 415],
    ['identity', 200],
  ])('in the encoding %s is answered %i', async (encoding, status) => {
    const response = await fetch(`${app.origin}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-encoding': encoding,
        authorization: `Bearer ${app.rootKey}`,
      },
      body: JSON.stringify({ query: '{ viewer { kind } }' }),
    })
    expect(response.status).toBe(status)
    await response.text()
  })

  test('is answered once, and whole, where parts are asked for', async () => {
    const response = await fetch(`${app.origin}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'multipart/mixed',
        authorization: `Bearer ${app.rootKey}`,
      },
      body: JSON.stringify({ query: '{ viewer { kind } }' }),
    })
    expect([response.status, response.headers.get('transfer-encoding')]).toEqual([200, null])
    expect(await response.text()).toContain('"kind":"ROOT"')
  })

  test('whose length is not announced is bounded too', async () => {
    const chunk = new TextEncoder().encode('x'.repeat(65_536))
    let sent = 0
    const response = await fetch(`${app.origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new ReadableStream({
        pull(controller) {
          sent += 1
          if (sent > 20) controller.close()
          else controller.enqueue(chunk)
        },
      }),
      duplex: 'half',
    } as RequestInit)
    expect(response.status).toBe(413)
  })

  test('that is not UTF-8 is refused rather than changed', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"query":"{ viewer { kind } } #'),
      Buffer.from([0xff]),
      Buffer.from('"}'),
    ])
    const { response } = await post(new Uint8Array(bytes))
    expect(response.status).toBe(400)
  })

  test('of several operations at once is refused', async () => {
    const { response } = await post('[{"query":"{ viewer { kind } }"},{"query":"{ viewer { kind } }"}]')
    expect(response.status).toBe(400)
  })

  test.each(['text/plain', 'multipart/form-data; boundary=x'])('of type %s is refused', async (type) => {
    const { response, answer } = await post('{"query":"{ viewer { kind } }"}', { 'content-type': type })
    expect([response.status, answer.errors?.[0]?.extensions?.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE'])
  })
})

describe('a document', () => {
  test('that is too long is refused unread', async () => {
    const { response, answer } = await post(JSON.stringify({ query: `{ viewer { kind } } #${'x'.repeat(32_768)}` }))
    expect(response.status).toBe(400)
    expect(answer.errors?.[0]?.message).toContain('longer than 32768')
  })

  test('of too many tokens is refused', async () => {
    const { answer } = await post(JSON.stringify({ query: `{ viewer { kind ${'@skip(if: true) '.repeat(500)} } }` }))
    expect(answer.data).toBeUndefined()
    expect(answer.errors?.[0]?.message).toContain('tokens')
  })

  test('of too many fields is refused before it takes time to validate', async () => {
    const { answer } = await post(JSON.stringify({ query: `{ ${'viewer { kind } '.repeat(251)} }` }))
    expect(answer.errors?.[0]?.extensions?.code).toBe('OPERATION_TOO_LARGE')
  })

  test('of 100 verifications is answered, and one of 101 is not', async () => {
    const document = (count: number) =>
      `{ ${Array.from({ length: count }, (_, i) => `a${i}: verifyKey(input: { key: "k" }) { code }`).join(' ')} }`
    expect((await post(JSON.stringify({ query: document(100) }))).answer.errors).toBeUndefined()
    expect((await post(JSON.stringify({ query: document(101) }))).answer.errors?.[0]?.extensions?.code).toBe(
      'OPERATION_TOO_LARGE',
    )
  })
})

describe('introspection and GraphiQL', () => {
  const introspect = JSON.stringify({ query: '{ __schema { queryType { name } } }' })
  const page = (origin: string) => fetch(`${origin}/graphql`, { headers: { accept: 'text/html,*/*' } })

  test('are there where they are switched on', async () => {
    expect((await post(introspect)).answer).toEqual({ data: { __schema: { queryType: { name: 'Query' } } } })
    const response = await page(app.origin)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(await response.text()).toContain('Keyledger')
  })

  test('are not where they are switched off', async () => {
    const { answer } = await post(introspect, {}, closed)
    expect(answer.data).toBeUndefined()
    expect(answer.errors?.[0]?.message).toContain('introspection')
    const response = await page(closed.origin)
    expect(response.headers.get('content-type')).not.toContain('text/html')
  })

  test('off also means that no name of the schema is suggested', async () => {
    for (const query of [
      '{ viewr { kind } }',
      '{ viewer { kinds } }',
      '{ keyspace(idd: "x") { id } }',
      'mutation { createAccount(input: { nam: "x" }) { __typename } }',
    ]) {
      expect(JSON.stringify((await post(JSON.stringify({ query }))).answer), query).toContain('Did you mean')
      expect(JSON.stringify((await post(JSON.stringify({ query }), {}, closed)).answer), query).not.toContain('Did you')
    }
    const variables = { input: { nam: 'x' } }
    const query = 'mutation ($input: CreateAccountInput!) { createAccount(input: $input) { __typename } }'
    const { answer } = await post(JSON.stringify({ query, variables }), {}, closed)
    expect(answer.errors?.length).toBeGreaterThan(0)
    expect(JSON.stringify(answer)).not.toContain('Did you')
  })

  test('the page may send what is typed into it nowhere else, and can not be framed', async () => {
    const policy = (await page(app.origin)).headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).toContain("form-action 'none'")
  })
})

describe('a fault', () => {
  test('is logged whole with the request id; the client is told that id and nothing else', async () => {
    const broken = await startTestApp()
    try {
      await broken.database.owner.pool.query('ALTER TABLE state.account RENAME TO elsewhere')
      const { status, requestId, data, errors } = await broken.execute('{ accounts { nodes { id } } }')
      expect({ status, data }).toEqual({ status: 200, data: null })
      expect(errors).toMatchObject([
        { message: 'Unexpected error.', path: ['accounts'], extensions: { code: 'INTERNAL_SERVER_ERROR', requestId } },
      ])
      expect(JSON.stringify(errors)).not.toContain('state.account')
      const entry = broken.logged.find(({ msg }) => msg === 'unexpected error')
      expect(entry).toMatchObject({ requestId, err: { message: expect.stringContaining('state.account') } })
    } finally {
      await broken.close()
    }
  })

  test('that leaves nobody to be judged is a 503 that says when to come back', async () => {
    const broken = await startTestApp()
    try {
      await broken.database.owner.pool.query('ALTER TABLE vault.root_key RENAME TO elsewhere')
      const { status, errors } = await broken.execute('{ viewer { kind } }')
      expect(status).toBe(503)
      expect(errors).toMatchObject([
        {
          message: expect.stringContaining('Try again'),
          path: ['viewer'],
          extensions: { code: 'UNAVAILABLE', retryAfter: 1 },
        },
      ])
    } finally {
      await broken.close()
    }
  })
})
