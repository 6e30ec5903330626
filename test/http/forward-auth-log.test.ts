// What forward-auth writes into the access log by itself: of keys whose logging is on, what it saw, and never what was presented.
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type IssuedKey, startTestApp, type TestApp } from '#test/support/app.ts'

const OWN = 'Correct/Horse+Battery"Staple~42%41'
const PRESENTATIONS = [
  { place: 'HEADER', name: 'X-ApiKey' },
  { place: 'HEADER', name: 'Authorization' },
  { place: 'QUERY', name: 'key' },
  { place: 'FORM', name: 'key' },
  { place: 'JSON', name: 'API_Key' },
]
const BOTH = { request: true, response: true }

let app: TestApp
let accountId: string
let keyspace: string
let credential: string
beforeAll(async () => {
  app = await startTestApp()
  accountId = (await app.createAccount()).accountId
  credential = await app.createCredential(accountId, ['keys.verify'])
  keyspace = await app.createKeyspace(accountId, { presentations: PRESENTATIONS, customSecrets: true })
}, 60_000)
afterAll(() => app.close())
beforeEach(() => app.database.owner.pool.query('TRUNCATE usage.access_log'))

type Asked = { uri?: string; method?: string; search?: string; headers?: readonly string[]; body?: string }

/** The status of the answer. */
function ask({ uri = '/reports/7', method = 'GET', search = '&endpoints=ignore', headers = [], body }: Asked) {
  const sent = ['Host', 'keyledger', 'X-Keyledger-Authorization', `Bearer ${credential}`]
  sent.push('X-Forwarded-Method', method, 'X-Forwarded-Uri', uri, ...headers)
  if (body !== undefined) sent.push('Content-Length', String(Buffer.byteLength(body)))
  const url = `${app.origin}/forward-auth?keyspace=${keyspace}${search}`
  return new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest(url, { method: 'POST', headers: sent as never }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
    request.on('error', reject)
    request.end(body)
  })
}

async function entries() {
  await app.app.services.accesses.flush()
  return app.database.serving.kysely.selectFrom('usage.access_log').selectAll().execute()
}

const createKey = (input: object = {}): Promise<IssuedKey> =>
  app.createKey(keyspace, { name: 'Shop', logging: { request: true, response: false }, ...input })

test('what it had seen of somebody who is erased before it writes is written without what tells of them', async () => {
  const userId = await app.addUser(accountId)
  const [theirs, other] = [await createKey({ ownerId: userId }), await createKey()]
  const from = ['X-Forwarded-For', '203.0.113.9', 'User-Agent', 'curl/8.9']
  for (const { secret } of [theirs, other]) expect(await ask({ headers: ['X-ApiKey', secret, ...from] })).toBe(200)
  const erase = 'mutation ($userId: ID!) { eraseUser(input: { userId: $userId }) { __typename } }'
  expect(await app.ask(erase as never, { userId })).toEqual({ eraseUser: { __typename: 'EraseUserSuccess' } })
  const written = new Map((await entries()).map((entry) => [entry.key_id, entry]))
  const nothing = { path: null, client_ip: null, user_agent: null }
  expect(written.get(theirs.keyId)).toMatchObject({ verdict: 'VALID', method: 'GET', ...nothing })
  expect(written.get(other.keyId)).toMatchObject({
    path: '/reports/7',
    client_ip: '203.0.113.9',
    user_agent: 'curl/8.9',
  })
})

describe('a key whose logging is on', () => {
  test('is recorded with what was seen', async () => {
    const key = await createKey()
    const headers = ['X-ApiKey', key.secret, 'X-Forwarded-For', '203.0.113.9', 'User-Agent', 'curl/8.9']
    expect(await ask({ uri: '/reports/7?page=2', method: 'PATCH', headers })).toBe(200)
    expect(await entries()).toMatchObject([
      {
        at: app.clock.now(),
        key_id: key.keyId,
        key_name: 'Shop',
        code_id: key.codeId,
        verdict: 'VALID',
        method: 'PATCH',
        path: '/reports/7?page=2',
        status: null,
        duration_ms: null,
        client_ip: '203.0.113.9',
        user_agent: 'curl/8.9',
        request_body: null,
        response_body: null,
      },
    ])
  })

  test('is recorded too where it is not let through', async () => {
    const key = await createKey()
    const headers = ['X-ApiKey', key.secret]
    expect(await ask({ headers, search: '&permission=ads.read' })).toBe(403)
    await app.ask('mutation ($input: RevokeKeyInput!) { revokeKey(input: $input) { __typename } }', {
      input: { keyId: key.keyId },
    })
    expect(await ask({ headers })).toBe(401)
    expect((await entries()).map(({ verdict }) => verdict).sort()).toEqual(['INSUFFICIENT_PERMISSIONS', 'REVOKED'])
  })

  test.each<[object, string | null]>([
    [{ request: true, response: false }, '{"order":7,"API_Key":"[redacted]"}'],
    [{ request: false, response: true }, null],
  ])('has its body kept as %j says', async (logging, expected) => {
    const { secret } = await createKey({ logging })
    const body = JSON.stringify({ order: 7, API_Key: secret })
    expect(await ask({ headers: ['Content-Type', 'application/json'], body })).toBe(200)
    expect(await entries()).toMatchObject([{ request_body: expected }])
  })

  test('has no body kept that was not looked into', async () => {
    const { secret } = await createKey()
    expect(await ask({ headers: ['X-ApiKey', secret, 'Content-Type', 'text/plain'], body: 'order 7' })).toBe(200)
    expect(await entries()).toMatchObject([{ request_body: null }])
  })

  test.each([
    [['203.0.113.9'], '203.0.113.9'],
    [['198.51.100.1, 203.0.113.9'], '203.0.113.9'],
    [['198.51.100.1', '2001:db8::1'], '2001:db8::1'],
    [['203.0.113.9:4711'], '203.0.113.9'],
    [['[2001:db8::1]:4711'], '2001:db8::1'],
    [['unknown'], null],
    [["'; DROP TABLE usage.access_log; --"], null],
    [[], null],
  ])('has as its client, of X-Forwarded-For %j, %s', async (values, expected) => {
    const { secret } = await createKey()
    await ask({ headers: ['X-ApiKey', secret, ...values.flatMap((value) => ['X-Forwarded-For', value])] })
    expect(await entries()).toMatchObject([{ client_ip: expected }])
  })

  test.each<[string, Asked, object]>([
    ['a method that is none', { method: 'GET\t/' }, { method: null }],
    ['bytes that are no text', { uri: '/\xff\xfe' }, { path: '/ÿþ' }],
    ['two user agents', { headers: ['User-Agent', 'a', 'User-Agent', 'b'] }, { user_agent: null }],
    ['a long path', { uri: `/${'x'.repeat(4_000)}` }, { path: expect.stringMatching(/^\/x{2000,} …\[cut\]$/) }],
  ])('is recorded whatever a client sends: %s', async (_what, asked, expected) => {
    const { secret } = await createKey()
    expect(await ask({ ...asked, headers: ['X-ApiKey', secret, ...(asked.headers ?? [])] })).toBe(200)
    expect(await entries()).toMatchObject([expected])
  })
})

describe('nothing is recorded of', () => {
  test('a key whose logging is off', async () => {
    const { secret } = await createKey({ logging: { request: false, response: false } })
    expect(await ask({ headers: ['X-ApiKey', secret] })).toBe(200)
    expect(await entries()).toEqual([])
  })

  test.each<[string, (key: IssuedKey) => Asked]>([
    ['no key', () => ({})],
    ['one that is mistyped', ({ secret }) => ({ headers: ['X-ApiKey', `${secret.slice(0, -1)}_`] })],
    ['one that is unknown', () => ({ headers: ['X-ApiKey', 'Wrong.Horse-Battery.Staple.42'] })],
    ['two keys', ({ secret }) => ({ headers: ['X-ApiKey', secret], uri: `/?key=${OWN}` })],
    ['a question that can not be read', ({ secret }) => ({ headers: ['X-ApiKey', secret], search: '&permission=((' })],
  ])('%s', async (_what, asked) => {
    expect(await ask(asked(await createKey()))).toBe(401)
    expect(await entries()).toEqual([])
  })
})

describe('what was presented is in no table and no log', () => {
  const escaped = (text: string) => [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
  const encoded = (text: string) => [...text].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('')
  const form = (secret: string) => new URLSearchParams({ key: secret, again: secret }).toString()
  const json = ['Content-Type', 'application/json']
  const ways: readonly [string, (secret: string) => Asked][] = [
    ['a header', (s) => ({ headers: ['X-ApiKey', s, 'User-Agent', `agent ${s}`] })],
    ['Authorization', (s) => ({ headers: ['Authorization', `Bearer ${s}`, 'User-Agent', `Bearer ${s}`] })],
    ['a query', (s) => ({ uri: `/a?key=${encodeURIComponent(s)}&x=1` })],
    ['a query, every character encoded', (s) => ({ uri: `/a?${encoded('key')}=${encoded(s)}&next=${encoded(s)}` })],
    ['a path', (s) => ({ headers: ['X-ApiKey', s], uri: `/a/${encodeURIComponent(s)}/b?q=${encoded(s)}` })],
    ['a form', (s) => ({ headers: ['Content-Type', 'application/x-www-form-urlencoded'], body: form(s) })],
    ['JSON', (s) => ({ headers: json, body: JSON.stringify({ API_Key: s, list: [s, { deep: `is ${s}` }] }) })],
    ['JSON, every character escaped', (s) => ({ headers: json, body: `{"${escaped('API_Key')}":"${escaped(s)}"}` })],
    ['JSON in JSON', (s) => ({ headers: json, body: JSON.stringify({ API_Key: s, a: JSON.stringify({ b: s }) }) })],
    [
      'a URL in JSON',
      (s) => ({ headers: json, body: JSON.stringify({ API_Key: s, a: `/b?c=${encodeURIComponent(s)}` }) }),
    ],
  ]
  test.each(ways)('in %s', async (_where, asked) => {
    const generated = (await createKey({ logging: BOTH })).secret
    const own = `${OWN}${Math.random()}`
    await createKey({ logging: BOTH, codes: [{ secret: own }] })
    for (const secret of [generated, own]) {
      await app.database.owner.pool.query('TRUNCATE usage.access_log')
      expect(await ask(asked(secret))).toBe(200)
      const rows = await entries()
      expect(rows).toHaveLength(1)
      const kept = JSON.stringify(rows.map(({ path, user_agent, request_body }) => [path, user_agent, request_body]))
      expect(kept).toContain('[redacted]')
      const readable = decodeLeniently(kept)
      for (const part of [secret.slice(-20), 'Staple', credential.slice(-20)])
        expect(`${kept}${readable}${JSON.stringify(app.logged)}`).not.toContain(part)
    }
  })

  function decodeLeniently(text: string): string {
    return [1, 2, 3].reduce(
      (rest) =>
        rest
          .replace(/%([0-9a-f]{2})/gi, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
          .replace(/\\+u([0-9a-f]{4})/gi, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
      text,
    )
  }
})

test('the proxy does not wait for what is recorded', async () => {
  const { secret } = await createKey()
  const holder = await app.database.owner.pool.connect()
  try {
    await holder.query('BEGIN; LOCK TABLE usage.access_log IN ACCESS EXCLUSIVE MODE')
    for (let n = 0; n < 3; n++) expect(await ask({ headers: ['X-ApiKey', secret] })).toBe(200)
  } finally {
    await holder.query('ROLLBACK')
    holder.release()
  }
  expect(await entries()).toHaveLength(3)
})
