// A proxy's questions over a real socket, and what clients try through it: only what is certain is let through.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { knownShardOf } from '#domain/ids.ts'
import { newId } from '#secret/ids.ts'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { onServer } from '#test/support/server.ts'
import { statementsOf } from '#test/support/statements.ts'

type Header = readonly [name: string, value: string]
type Asked = {
  keyspace?: string
  /** Of the URL that the proxy calls, beside the keyspace. */
  search?: string
  url?: string
  /** The proxy's; null: none. */
  credential?: string | null
  /** The original request, as X-Forwarded-*; null: the proxy says nothing of it. */
  uri?: string | null
  original?: string
  method?: string
  headers?: readonly Header[]
  body?: string | Buffer
}
type Answered = {
  status: number
  headers: IncomingHttpHeaders
  code: string | undefined
  message: string
  body: string
}

let app: TestApp
let accountId: string
let keyspace: string
let credential: string
let key: string
let keyId: string
beforeAll(async () => {
  app = await startTestApp()
  accountId = (await app.createAccount()).accountId
  credential = await app.createCredential(accountId, ['keys.verify'])
  const presentations = [
    { place: 'HEADER', name: 'X-ApiKey' },
    { place: 'HEADER', name: 'Authorization' },
    { place: 'QUERY', name: 'key' },
    { place: 'FORM', name: 'key' },
    { place: 'JSON', name: 'API_Key' },
  ]
  keyspace = await app.createKeyspace(accountId, { presentations })
  const made = await app.createKey(keyspace, { name: 'Shop', permissions: ['ads.read', 'ads.write', '*'] })
  key = made.secret
  keyId = made.keyId
}, 60_000)
afterAll(() => app.close())

function ask(asked: Asked = {}): Promise<Answered> {
  const { uri = '/reports/7', original = 'GET', method = 'GET', headers = [], body } = asked
  const proxy = asked.credential === undefined ? credential : asked.credential
  const sent: readonly Header[] = [
    ['Host', 'keyledger'],
    ...(proxy === null ? [] : [['X-Keyledger-Authorization', `Bearer ${proxy}`] as const]),
    ...(uri === null ? [] : [['X-Forwarded-Method', original] as const, ['X-Forwarded-Uri', uri] as const]),
    ...(body === undefined ? [] : [['Content-Length', String(Buffer.byteLength(body))] as const]),
    ...headers,
  ]
  const path = asked.url ?? `/forward-auth?keyspace=${asked.keyspace ?? keyspace}${asked.search ?? ''}`
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${app.origin}${path}`, { method, headers: sent.flat() as never }, async (response) => {
      const answer = await text(response)
      const [error] = answer === '' ? [] : JSON.parse(answer).errors
      const { statusCode: status = 0, headers } = response
      resolve({ status, headers, code: error?.extensions.code, message: error?.message, body: answer })
    })
    request.on('error', reject)
    request.end(body)
  })
}

const apiKey = (value: string): Header => ['X-ApiKey', value]
const JSON_TYPE: Header = ['Content-Type', 'application/json']
const FORM_TYPE: Header = ['Content-Type', 'application/x-www-form-urlencoded']

describe('a good key', () => {
  test('is let through, and the service told whose it is', async () => {
    const { status, headers, body } = await ask({ headers: [apiKey(key)] })
    expect(status).toBe(200)
    expect(body).toBe('')
    expect(headers).toMatchObject({
      'x-key-id': keyId,
      'x-key-name': 'Shop',
      'x-key-permissions': expect.stringContaining('ads.read'),
      'cache-control': 'no-store',
    })
  })

  test.each<[string, () => Asked]>([
    ['a header', () => ({ headers: [['x-apikey', key]] })],
    ['a Bearer token', () => ({ headers: [['authorization', `bearer ${key}`]] })],
    ['a parameter', () => ({ uri: `/reports/7?a=b&key=${key}` })],
    ['an encoded parameter', () => ({ uri: `/reports/7?%6bey=${key.replace('_', '%5f')}` })],
    ['a field', () => ({ headers: [FORM_TYPE], body: `key=${key}`, method: 'POST' })],
    ['a property', () => ({ headers: [JSON_TYPE], body: JSON.stringify({ API_Key: key }), method: 'POST' })],
    ['a property of a body with a BOM', () => ({ headers: [JSON_TYPE], body: `\ufeff{"API_Key":"${key}"}` })],
    [
      'a property, the type written otherwise',
      () => ({
        headers: [['content-type', 'Application/JSON; Charset="UTF-8"']],
        body: JSON.stringify({ API_Key: key }),
      }),
    ],
    ['the same in two places', () => ({ headers: [apiKey(key)], uri: `/?key=${key}` })],
    ['a header beside another Authorization', () => ({ headers: [apiKey(key), ['Authorization', 'Basic YTpi']] })],
    ['a header beside a body that is none', () => ({ headers: [apiKey(key), JSON_TYPE] })],
    [
      'a header beside a body of another type',
      () => ({ headers: [apiKey(key), ['Content-Type', 'text/plain']], body: '{' }),
    ],
    [
      'X-Original-*',
      () => ({ uri: null, headers: [apiKey(key), ['X-Original-Method', 'GET'], ['X-Original-URI', '/']] }),
    ],
    [
      'both customs in accord',
      () => ({ headers: [apiKey(key), ['X-Original-Method', 'GET'], ['X-Original-URI', '/reports/7']] }),
    ],
    [
      'no word of the endpoint, which is ignored',
      () => ({ uri: null, search: '&endpoints=ignore', headers: [apiKey(key)] }),
    ],
  ])('in %s', async (_name, asked) => {
    expect(await ask(asked())).toMatchObject({ status: 200 })
  })

  test.each(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND'])(
    'by a question of any method: %s',
    async (method) => {
      expect(await ask({ method, headers: [apiKey(key)] })).toMatchObject({ status: 200 })
    },
  )
})

describe('no key', () => {
  const other = () => key.replace(/.$/, (last) => (last === 'x' ? 'y' : 'x'))
  test.each<[string, () => Asked]>([
    ['nothing', () => ({})],
    ['an empty header', () => ({ headers: [apiKey('')] })],
    ['a header twice', () => ({ headers: [apiKey(key), apiKey(key)] })],
    ['a header twice, in different case', () => ({ headers: [apiKey(key), ['x-APIKEY', key]] })],
    ['a header that was joined', () => ({ headers: [apiKey(`${key}, ${key}`)] })],
    ['a header that was joined without a space', () => ({ headers: [apiKey(`${key},${key}`)] })],
    ['a key with more behind it', () => ({ headers: [apiKey(`${key}x`)] })],
    ['a key in quotes', () => ({ headers: [apiKey(`"${key}"`)] })],
    ['a key in another case', () => ({ headers: [apiKey(key.toUpperCase())] })],
    ['a key with a scheme where none belongs', () => ({ headers: [apiKey(`Bearer ${key}`)] })],
    ['a key without the scheme that belongs', () => ({ headers: [['Authorization', key]] })],
    ['Bearer and nothing', () => ({ headers: [['Authorization', 'Bearer']] })],
    ['two Bearer tokens in one header', () => ({ headers: [['Authorization', `Bearer ${key}, Bearer ${key}`]] })],
    [
      'two Authorizations',
      () => ({
        headers: [
          ['Authorization', `Bearer ${key}`],
          ['Authorization', 'Basic YTpi'],
        ],
      }),
    ],
    ['a huge header', () => ({ headers: [apiKey('x'.repeat(10_000))] })],
    ['a header of other bytes', () => ({ headers: [apiKey(`${key}\u00e9`)] })],
    ['two different keys', () => ({ headers: [apiKey(key)], uri: `/?key=${other()}` })],
    ['a good key and something else', () => ({ headers: [apiKey(key)], uri: '/?key=x' })],
    ['a parameter twice', () => ({ uri: `/?key=${key}&key=${key}` })],
    ['a parameter twice, one encoded', () => ({ uri: `/?key=${key}&k%65y=${key}` })],
    ['a parameter with a space', () => ({ uri: `/?key=+${key}` })],
    ['a parameter with NUL', () => ({ uri: `/?key=${key}%00` })],
    ['a parameter with a fragment', () => ({ uri: `/?key=${key}#x` })],
    ['a field in a URL', () => ({ uri: `/?API_Key=${key}` })],
    ['a key in a cookie', () => ({ headers: [['Cookie', `X-ApiKey=${key}`]] })],
    ['a field twice', () => ({ headers: [FORM_TYPE], body: `key=${key}&key=${key}` })],
    ['a field of JSON', () => ({ headers: [JSON_TYPE], body: `key=${key}` })],
    ['a field without a type', () => ({ body: `key=${key}` })],
    ['a property of a form', () => ({ headers: [FORM_TYPE], body: `{"API_Key":"${key}"}` })],
    ['a property twice', () => ({ headers: [JSON_TYPE], body: `{"API_Key":"${key}","API_Key":"${key}"}` })],
    ['a property further in', () => ({ headers: [JSON_TYPE], body: `{"a":{"API_Key":"${key}"}}` })],
    ['a property of an array', () => ({ headers: [JSON_TYPE], body: `[{"API_Key":"${key}"}]` })],
    ['a property that is a list', () => ({ headers: [JSON_TYPE], body: `{"API_Key":["${key}"]}` })],
    ['a property of text/json', () => ({ headers: [['Content-Type', 'text/json']], body: `{"API_Key":"${key}"}` })],
    [
      'a property of a type joined with another',
      () => ({ headers: [['Content-Type', 'text/plain, application/json']], body: `{"API_Key":"${key}"}` }),
    ],
    ['a good key and a body of two types', () => ({ headers: [apiKey(key), JSON_TYPE, FORM_TYPE], body: '{}' })],
    [
      'a good key and a body in another charset',
      () => ({ headers: [apiKey(key), ['Content-Type', 'application/json; charset=utf-16']], body: '{}' }),
    ],
    [
      'a good key and a compressed body',
      () => ({ headers: [apiKey(key), JSON_TYPE, ['Content-Encoding', 'gzip']], body: '{}' }),
    ],
    ['a good key and broken JSON', () => ({ headers: [apiKey(key), JSON_TYPE], body: '{' })],
    [
      'a good key and a body that is not UTF-8',
      () => ({ headers: [apiKey(key), JSON_TYPE], body: Buffer.from([0x22, 0xff, 0x22]) }),
    ],
    [
      'a good key and a body that is too long',
      () => ({ headers: [apiKey(key), JSON_TYPE], body: JSON.stringify('x'.repeat(65_536)) }),
    ],
  ])('%s', async (_name, asked) => {
    const { status, headers, body } = await ask(asked())
    expect(status).toBe(401)
    expect(headers).toMatchObject({ 'www-authenticate': 'Bearer', 'cache-control': 'no-store' })
    expect(Object.keys(headers).filter((name) => name.startsWith('x-key'))).toEqual([])
    expect(body).not.toContain(key.slice(4))
  })

  test('a body of exactly 64 KiB is read, one byte more is not, with or without its length told', async () => {
    const body = (length: number) => {
      const head = `{"API_Key":"${key}","a":"`
      return `${head}${'x'.repeat(length - head.length - 2)}"}`
    }
    const post = async (length: number) => {
      const stream = new Blob([body(length)]).stream()
      const answer = await fetch(`${app.origin}/forward-auth?keyspace=${keyspace}&endpoints=ignore`, {
        method: 'POST',
        headers: { 'x-keyledger-authorization': `Bearer ${credential}`, 'content-type': 'application/json' },
        body: stream,
        duplex: 'half',
      } as RequestInit)
      return answer.status
    }
    expect(await ask({ headers: [JSON_TYPE], body: body(65_536) })).toMatchObject({ status: 200 })
    expect(await ask({ headers: [JSON_TYPE], body: body(65_537) })).toMatchObject({ status: 401, code: 'MALFORMED' })
    expect(await post(65_536)).toBe(200)
    expect(await post(65_537)).toBe(401)
  })
})

describe('the keyspace’s presentations', () => {
  test('are the only places, from the moment they are changed', async () => {
    const own = await app.createKeyspace(accountId, { presentations: [{ place: 'HEADER', name: 'X-Api-Key' }] })
    const { secret } = await app.createKey(own, { permissions: ['*'] })
    const inHeader = () => ask({ keyspace: own, headers: [['x-api-KEY', secret]] })
    const inQuery = () => ask({ keyspace: own, uri: `/?apiKey=${secret}` })
    expect(await inHeader()).toMatchObject({ status: 200 })
    expect(await inQuery()).toMatchObject({
      status: 401,
      code: 'UNAUTHENTICATED',
      headers: { 'www-authenticate': 'ApiKey' },
    })
    const rules = { presentations: [{ place: 'QUERY', name: 'apiKey' }] }
    await app.ask('mutation ($input: UpdateKeyspaceInput!) { updateKeyspace(input: $input) { __typename } }', {
      input: { keyspaceId: own, rules },
    })
    expect(await inHeader()).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' })
    expect(await inQuery()).toMatchObject({ status: 200 })
  })

  test('a body is left alone where no key is looked for in its type', async () => {
    const own = await app.createKeyspace(accountId, {
      presentations: [
        { place: 'FORM', name: 'key' },
        { place: 'HEADER', name: 'X-ApiKey' },
      ],
    })
    const { secret } = await app.createKey(own, { permissions: ['*'] })
    const upload = { keyspace: own, headers: [apiKey(secret), JSON_TYPE], body: 'x'.repeat(200_000) }
    expect(await ask(upload)).toMatchObject({ status: 200 })
  })

  test('a key of another keyspace is nothing here', async () => {
    const other = await app.createKeyspace(accountId)
    const { secret } = await app.createKey(other, { permissions: ['*'] })
    expect(await ask({ headers: [apiKey(secret)] })).toMatchObject({ status: 401, code: 'NOT_FOUND' })
  })
})

describe('the verdict', () => {
  const mutate = (name: string, input: object) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
    return app.ask(`mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename } }`, { input })
  }

  test('403 where the key lacks what is asked for, and says so', async () => {
    const { secret } = await app.createKey(keyspace, { permissions: ['ads.read'] })
    const asking = (permission: string) =>
      ask({ search: `&endpoints=ignore&permission=${permission}`, headers: [apiKey(secret)] })
    expect(await asking('ads.read')).toMatchObject({ status: 200 })
    expect(await asking('ads.read%20AND%20(ads.write%20OR%20ads.read)')).toMatchObject({ status: 200 })
    expect(await asking('ads.read+AND+ads.write')).toMatchObject({ status: 403, code: 'INSUFFICIENT_PERMISSIONS' })
    expect((await asking('ads.write')).headers['www-authenticate']).toBeUndefined()
  })

  test('401 once it is revoked, disabled or replaced, at the very next question', async () => {
    const made = await app.createKey(keyspace, { permissions: ['*'] })
    const now = () => ask({ headers: [apiKey(made.secret)] })
    expect(await now()).toMatchObject({ status: 200 })
    await mutate('disableKey', { keyId: made.keyId })
    expect(await now()).toMatchObject({ status: 401, code: 'DISABLED' })
    await mutate('revokeKey', { keyId: made.keyId })
    expect(await now()).toMatchObject({ status: 401, code: 'REVOKED' })
  })

  test.each([
    ['a body', () => [`key=${key}`.slice(0, 1), `key=${key}`.slice(1)] as const, () => []],
    ['a body that is empty after all', () => ['', ''] as const, () => [apiKey(key)]],
  ])('is as of when %s had come, however long before its head was read', async (_what, body, headers) => {
    const { feed } = app.app.services
    const looked = vi.spyOn(feed, 'catchUp')
    const sent: readonly Header[] = [
      ['Host', 'keyledger'],
      ['X-Keyledger-Authorization', `Bearer ${credential}`],
      ['X-Forwarded-Method', 'POST'],
      ['X-Forwarded-Uri', '/reports/7'],
      ['Transfer-Encoding', 'chunked'],
      FORM_TYPE,
      ...headers(),
    ]
    const url = `${app.origin}/forward-auth?keyspace=${keyspace}`
    const request = httpRequest(url, { method: 'POST', headers: sent.flat() as never })
    const [first, rest] = body()
    request.flushHeaders()
    if (first !== '') request.write(first)
    // The proxy is judged, and the keyspace known, which says where the key is.
    await expect.poll(() => looked.mock.calls.length).toBe(1)
    await looked.mock.results[0]?.value
    request.end(rest)
    const status = await new Promise((resolve) =>
      request.on('response', (response) => resolve(response.resume().statusCode)),
    )
    expect([status, looked.mock.calls.length]).toEqual([200, 2])
    looked.mockRestore()
  })

  test('403 where a user is required and the proxy names none', async () => {
    const own = await app.createKeyspace(accountId, { upstreamUserRequired: true })
    const { secret } = await app.createKey(own, { permissions: ['*'] })
    const asKey = ['X-API-Key', secret] as const
    const withUsers = (...users: string[]) =>
      ask({ keyspace: own, headers: [asKey, ...users.map((user) => ['X-Forwarded-User', user] as const)] })
    expect(await withUsers()).toMatchObject({ status: 403, code: 'UPSTREAM_USER_REQUIRED' })
    expect(await withUsers('')).toMatchObject({ status: 403, code: 'UPSTREAM_USER_REQUIRED' })
    expect(await withUsers('kharnagy@domain.corp')).toMatchObject({ status: 200 })
    expect(await withUsers('a', 'b')).toMatchObject({ status: 401, code: 'INVALID_INPUT' })
    expect(await withUsers('', 'a')).toMatchObject({ status: 401, code: 'INVALID_INPUT' })
  })
})

describe('the endpoint', () => {
  let secret: string
  beforeAll(async () => {
    const endpoints = [{ methods: ['GET'], path: '/reports/:id' }]
    const policyId = await app.createPolicy(accountId, { permissions: ['reports.read'], endpoints })
    secret = (await app.createKey(keyspace, { policyIds: [policyId] })).secret
  })

  const at = (original: string, uri: string, more: Asked = {}) =>
    ask({ ...more, original, uri, headers: [apiKey(secret), ...(more.headers ?? [])] })

  test.each([
    ['GET', '/reports/7'],
    ['GET', '/reports/7?a=/other&b=..%2f'],
    ['GET', '/reports/a%20b'],
  ])('is let through where a rule allows it: %s %s', async (original, uri) => {
    expect(await at(original, uri)).toMatchObject({ status: 200 })
    expect(await at(original, uri, { search: '&permission=reports.read' })).toMatchObject({ status: 200 })
  })

  test.each([
    ['HEAD', '/reports/7'],
    ['POST', '/reports/7'],
    ['get', '/reports/7'],
    ['GET ', '/other'],
    ['GET', '/other'],
    ['GET', '/Reports/7'],
    ['GET', '/reports'],
    ['GET', '/reports/'],
    ['GET', '/reports/7/'],
    ['GET', '/reports//7'],
    ['GET', '//reports/7'],
    ['GET', '/./reports/7'],
    ['GET', '/other/../reports/7'],
    ['GET', '/reports/..'],
    ['GET', '/reports/..;'],
    ['GET', '/reports/7%2f..%2fother'],
    ['GET', '/reports/%2e%2e'],
    ['GET', '/reports/%5cother'],
    ['GET', '/reports/7\\other'],
    ['GET', '/reports/7#other'],
    ['GET', '/%72eports/7'],
    ['GET', 'reports/7'],
    ['GET', '*'],
    ['GET', 'http://service/reports/7'],
    ['GET', '?/reports/7'],
    ['GET', `/reports/${'x'.repeat(5_000)}`],
  ])('is refused anywhere else: %j %s', async (original, uri) => {
    expect(await at(original, uri)).toMatchObject({ status: 403, code: 'INSUFFICIENT_PERMISSIONS' })
    const asking = { search: '&permission=reports.read' }
    expect(await at(original, uri, asking)).toMatchObject({ status: 403, code: 'INSUFFICIENT_PERMISSIONS' })
  })

  test('is the original request’s, whatever the client says of another method', async () => {
    const override = [['X-HTTP-Method-Override', 'GET'] as const]
    expect(await at('POST', '/reports/7?_method=GET', { headers: override })).toMatchObject({ status: 403 })
    expect(await at('POST', '/reports/7', { method: 'GET' })).toMatchObject({ status: 403 })
    expect(await at('GET', '/reports/7', { method: 'POST' })).toMatchObject({ status: 200 })
  })

  test('is not asked about where it is ignored, and then a policy with rules gives nothing', async () => {
    const ignored = { search: '&endpoints=ignore' }
    expect(await at('GET', '/reports/7', ignored)).toMatchObject({ status: 403 })
    expect(await ask({ ...ignored, uri: '/x', original: 'POST', headers: [apiKey(key)] })).toMatchObject({
      status: 200,
    })
  })
})

describe('what the service is told', () => {
  test('names are percent-encoded, so that none can end a header or begin another', async () => {
    for (const name of ['Zoë’s shop, "☂" 100%', 'a: b; c=d', '%0d%0aX-Key-Id: forged', '𝒳'.repeat(100)]) {
      const { secret, keyId: id } = await app.createKey(keyspace, { name, permissions: ['*'] })
      const { headers } = await ask({ headers: [apiKey(secret)] })
      expect(headers['x-key-name']).toMatch(/^[\x21-\x7e]+$/)
      expect(decodeURIComponent(String(headers['x-key-name']))).toBe(name)
      expect(headers['x-key-id']).toBe(id)
    }
  })

  test('are also those of the users: whose it is and as whom it acts, empty for nobody', async () => {
    const externalId = 'DOMAIN\\Zoë, "Ops"\u200b@x'
    const ownerId = await app.addUser(accountId, { externalId })
    const { secret } = await app.createKey(keyspace, { permissions: ['*'], ownerId })
    const { headers } = await ask({ search: '&endpoints=ignore', headers: [apiKey(secret)] })
    expect(headers['x-key-owner']).toMatch(/^[\x21-\x7e]+$/)
    expect(decodeURIComponent(String(headers['x-key-owner']))).toBe(externalId)
    expect(headers['x-key-acts-as']).toBe('')
    const acting = await app.createKey(keyspace, { permissions: ['*'], actsAs: externalId })
    const asked = { search: '&endpoints=ignore', headers: [apiKey(acting.secret)] }
    const told = await ask(asked)
    expect([told.status, decodeURIComponent(String(told.headers['x-key-acts-as']))]).toEqual([200, externalId])
    expect([told.headers['x-key-owner'], told.headers['x-key-permissions']]).toEqual(['', ''])
    expect(await ask({ ...asked, search: '&permission=ads.read' })).toMatchObject({ status: 403 })
  })

  test('is the key’s own, whatever the client claims', async () => {
    const forged: Header[] = ['Id', 'Name', 'Owner', 'Acts-As', 'Permissions'].map((name) => [
      `X-Key-${name}`,
      'forged',
    ])
    const { status, headers } = await ask({ headers: [apiKey(key), ...forged] })
    expect(status).toBe(200)
    expect(headers['x-key-id']).toBe(keyId)
    expect(JSON.stringify(headers)).not.toContain('forged')
  })

  test('permissions that would not fit into a header are left out', async () => {
    const permissions = ['*', ...Array.from({ length: 90 }, (_, index) => `${'long.'.repeat(10)}p${index}`)]
    const { secret } = await app.createKey(keyspace, { permissions })
    const { status, headers } = await ask({ headers: [apiKey(secret)] })
    expect(status).toBe(200)
    expect(headers['x-key-permissions']).toBeUndefined()
  })
})

describe('the proxy', () => {
  const unauthenticated = { status: 401, code: 'UNAUTHENTICATED' }

  test('without a credential of its own gets nothing, whatever else it sends', async () => {
    expect(await ask({ credential: null, headers: [apiKey(key)] })).toMatchObject(unauthenticated)
    expect(await ask({ credential: 'x', headers: [apiKey(key)] })).toMatchObject(unauthenticated)
    expect(await ask({ credential: key, headers: [apiKey(key)] })).toMatchObject(unauthenticated)
    const asAuthorization: Header = ['Authorization', `Bearer ${credential}`]
    expect(await ask({ credential: null, headers: [asAuthorization, apiKey(key)] })).toMatchObject(unauthenticated)
    const second: Header = ['X-Keyledger-Authorization', `Bearer ${credential}`]
    expect(await ask({ headers: [second, apiKey(key)] })).toMatchObject(unauthenticated)
  })

  test('needs keys.verify', async () => {
    const weak = await app.createCredential(accountId, ['keys.read', 'keys.write'])
    expect(await ask({ credential: weak, headers: [apiKey(key)] })).toMatchObject({ status: 401, code: 'FORBIDDEN' })
    expect(await ask({ credential: app.rootKey, headers: [apiKey(key)] })).toMatchObject({ status: 200 })
  })

  test('is told the same of another account’s keyspace as of none', async () => {
    const foreign = await app.createAccount('Foreign')
    const theirs = await app.createKeyspace(foreign.accountId)
    const { secret } = await app.createKey(theirs)
    const told = async (of: string) => {
      const { status, code, message } = await ask({ keyspace: of, headers: [['X-API-Key', secret]] })
      return { status, code, message }
    }
    const none = { status: 401, code: 'NOT_FOUND', message: 'There is no such keyspace.' }
    for (const of of [theirs, newId('ks', 0), newId('key', 0), '', 'x', '%00', accountId])
      expect(await told(of)).toEqual(none)
  })

  test.each([
    '/forward-auth',
    '/forward-auth?keyspace',
    '/forward-auth?permission=ads.read',
    '/forward-auth?keyspace=KS&keyspace=KS',
    '/forward-auth?keyspace=KS&endpoints=ignore&endpoints=ignore',
    '/forward-auth?keyspace=KS&endpoints=Ignore',
    '/forward-auth?keyspace=KS&endpoints=',
    '/forward-auth?keyspace=KS&permisson=ads.write',
    '/forward-auth?keyspace=KS&permission=',
    '/forward-auth?keyspace=KS&key=x',
    '/forward-auth?keyspace=KS&permission=ads.*',
    '/forward-auth?keyspace=KS&permission=ads.read+AND',
    '/forward-auth?keyspace=KS&__proto__=x',
    '/forward-auth?keyspace=KS?endpoints=ignore',
  ])('is refused where its URL is not right: %s', async (url) => {
    const answer = await ask({ url: url.replaceAll('KS', keyspace), headers: [apiKey(key)] })
    expect(answer.status).toBe(401)
    expect(answer.code).toMatch(/^(INVALID_INPUT|NOT_FOUND)$/)
  })

  test.each<[string, Header[], (string | null)?]>([
    ['says nothing', [], null],
    ['says only the method', [['X-Forwarded-Method', 'GET']], null],
    ['says only the URI', [['X-Original-URI', '/']], null],
    [
      'says the method by one custom and the URI by the other',
      [
        ['X-Original-URI', '/'],
        ['X-Forwarded-Method', 'GET'],
      ],
      null,
    ],
    ['adds half of the other custom', [['X-Original-URI', '/reports/7']]],
    [
      'says an empty method',
      [
        ['X-Forwarded-Method', ''],
        ['X-Forwarded-Uri', '/'],
      ],
      null,
    ],
    [
      'says an empty URI',
      [
        ['X-Forwarded-Method', 'GET'],
        ['X-Forwarded-Uri', ''],
      ],
      null,
    ],
    ['says it twice', [['X-Forwarded-Uri', '/reports/7']]],
    ['says two methods', [['x-forwarded-method', 'POST']]],
    [
      'says another method by the other custom',
      [
        ['X-Original-Method', 'POST'],
        ['X-Original-URI', '/reports/7'],
      ],
    ],
    [
      'says another URI by the other custom',
      [
        ['X-Original-Method', 'GET'],
        ['X-Original-URI', '/other'],
      ],
    ],
  ])('is refused where it %s of the original request', async (_name, headers, uri) => {
    const asked = { headers: [apiKey(key), ...headers], ...(uri === null ? { uri } : {}) }
    expect(await ask(asked)).toMatchObject({ status: 401, code: 'INVALID_INPUT' })
  })

  test('is refused where URIs differ even if endpoints are ignored: the key may be in either', async () => {
    const headers = [apiKey(key), ['X-Original-URI', '/other'] as const]
    expect(await ask({ search: '&endpoints=ignore', headers })).toMatchObject({ status: 401, code: 'INVALID_INPUT' })
  })
})

test('for nobody, and for who may not verify, no keyspace is looked for', async () => {
  const [verifier, reader] = [credential, await app.createCredential(accountId, ['keys.read'])]
  const from = (who: string) =>
    statementsOf(() => ask({ credential: who, keyspace: newId('ks', knownShardOf(accountId)) }))
  const readsKeyspaces = async (who: string) =>
    (await from(who)).filter(({ text }) => /FROM state\.keyspace k/.test(text)).length
  expect(await readsKeyspaces(verifier)).toBe(1)
  for (const who of ['nonsense', reader]) expect(await readsKeyspaces(who)).toBe(0)
})

test('what the database can’t answer is 503, never 200, and told to nobody but the log', async () => {
  const broken = await startTestApp()
  try {
    const made = await broken.createAccount()
    const own = await broken.createKeyspace(made.accountId)
    // One that was never asked about before: what is known needs no table.
    const now = async () => {
      const { secret } = await broken.createKey(own)
      return ask(secret)
    }
    const ask = async (secret: string) => {
      const answer = await fetch(`${broken.origin}/forward-auth?keyspace=${own}&endpoints=ignore`, {
        headers: { 'x-keyledger-authorization': `Bearer ${broken.rootKey}`, 'x-api-key': secret },
      })
      return { status: answer.status, text: await answer.text() }
    }
    expect(await now()).toMatchObject({ status: 200 })
    for (const table of ['state.code', 'state.keyspace', 'vault.root_key']) {
      const [schema, name] = table.split('.')
      const { connectionString } = broken.database.connection
      const { secret } = await broken.createKey(own)
      await onServer(connectionString, `ALTER TABLE ${table} RENAME TO gone`)
      const { status, text } = await ask(secret)
      expect(status).toBe(503)
      expect(JSON.parse(text)).toEqual({
        errors: [{ message: 'The key could not be checked now.', extensions: { code: 'UNAVAILABLE' } }],
      })
      await onServer(connectionString, `ALTER TABLE ${schema}.gone RENAME TO ${name}`)
    }
    expect(await now()).toMatchObject({ status: 200 })
  } finally {
    await broken.close()
  }
})

test('while the database can’t answer, that is an error in the log once, and once more when it can’t again', async () => {
  const broken = await startTestApp()
  try {
    const keyspace = await broken.createKeyspace((await broken.createAccount()).accountId)
    const { secret } = await broken.createKey(keyspace)
    const ask = async () => {
      const answer = fetch(`${broken.origin}/forward-auth?keyspace=${keyspace}&endpoints=ignore`, {
        headers: { 'x-keyledger-authorization': `Bearer ${broken.rootKey}`, 'x-api-key': secret },
      })
      return (await answer).status
    }
    const told = (level: string, msg: RegExp) =>
      broken.logged.filter((entry) => entry.level === level && msg.test(entry.msg)).length
    const away = { error: /can not be judged now/, debug: /could not be judged/, warn: /judged again/ }
    const counts = () => Object.entries(away).map(([level, msg]) => told(level, msg))
    for (const times of [1, 2]) {
      const { connectionString } = broken.database.connection
      await onServer(connectionString, 'ALTER TABLE vault.root_key RENAME TO gone')
      for (let n = 0; n < 3; n++) expect(await ask()).toBe(503)
      expect(counts()).toEqual([times, times * 2, times - 1])
      await onServer(connectionString, 'ALTER TABLE vault.gone RENAME TO root_key')
      for (let n = 0; n < 2; n++) expect(await ask()).toBe(200)
      expect(counts()).toEqual([times, times * 2, times])
    }
  } finally {
    await broken.close()
  }
})

test('no key and no query is logged', async () => {
  await ask({ headers: [apiKey(key)] })
  await ask({ uri: `/secret-path?key=${key}&key=${key}&mark=do-not-log` })
  await ask({ headers: [JSON_TYPE], body: `{"API_Key":"${key}"` })
  const logged = JSON.stringify(app.logged)
  expect(logged).toContain('/forward-auth')
  for (const text of [key, credential, 'do-not-log', 'secret-path']) expect(logged).not.toContain(text)
})
