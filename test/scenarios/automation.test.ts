// An automation server: scripts and tools reach its APIs with keys whose values administrators choose or have made; a key says
// which APIs, what is logged of its use, and whom it stands for.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  AccessLogDocument,
  AddUserDocument,
  CreateKeyDocument,
  type CreateKeyInput,
  CreateKeyspaceDocument,
  CreatePolicyDocument,
  DeleteKeyDocument,
  IssueOwnSecretDocument,
  KeyAccessLogDocument,
  KeyDocument,
  KeysDocument,
  RecordAccessDocument,
  RevealCodeDocument,
  RotateKeyDocument,
  UpdateKeyDocument,
  UpdateUserDocument,
} from '#test/generated/operations.ts'
import { type Presented, type Scenario, startScenario } from '#test/support/scenario.ts'
import { PATIENTLY } from '#test/support/wait.ts'

const RULES = {
  prefix: 'bm',
  liveCodesMax: 1,
  customSecrets: true,
  secretDisplay: 'REVEALABLE',
  presentations: [
    { place: 'HEADER', name: 'X-ApiKey' },
    { place: 'QUERY', name: 'key' },
    { place: 'FORM', name: 'key' },
    { place: 'JSON', name: 'API_Key' },
  ],
} as const

let at: Scenario
let keyspaceId: string
beforeAll(async () => {
  at = await startScenario()
  keyspaceId = await createKeyspace('Automation')
})
afterAll(() => at.close())

async function createKeyspace(name: string, more: { upstreamUserRequired?: boolean } = {}): Promise<string> {
  const rules = { ...RULES, ...more }
  return (await at.done(CreateKeyspaceDocument, { accountId: at.accountId, name, rules })).keyspace.id
}

async function createPolicy(
  name: string,
  paths: readonly string[],
  permissions: readonly string[] = [],
): Promise<string> {
  const { policy } = await at.done(CreatePolicyDocument, {
    accountId: at.accountId,
    name,
    description: `What the API of ${name} offers`,
    permissions,
    endpoints: paths.map((path) => ({ methods: ['*'], path })),
  })
  return policy.id
}

const ownSecret = () => `Own secret: ${crypto.randomUUID()}`.replaceAll(' ', '')
const inputFor = (more: Partial<CreateKeyInput> = {}): CreateKeyInput => ({
  keyspaceId,
  name: 'Nightly build',
  enabled: true,
  permissions: ['*'],
  ...more,
})

async function create(more: Partial<CreateKeyInput> = {}) {
  const { key, issued } = await at.done(CreateKeyDocument, inputFor(more))
  return { keyId: key.id, codeId: issued[0]?.accessCode.id ?? '', secret: issued[0]?.secret ?? '' }
}

const verdictOn = async (key: string) => (await at.verify({ key, keyspaceId })).code
const present = (secret: string, request: Partial<Presented>) =>
  at.present({ keyspaceId, headers: { 'x-apikey': secret }, ...request })

describe('A1 managing keys', () => {
  test('A1 they are listed, created, edited and deleted', async () => {
    const { keyId, secret } = await create({ name: 'Release script' })
    const list = async () => {
      const { account } = await at.ask(KeysDocument, { accountId: at.accountId, filter: { keyspaceId } })
      return account?.keys?.nodes.find(({ id }) => id === keyId)
    }
    expect(await list()).toMatchObject({ name: 'Release script', status: 'ACTIVE' })
    await at.done(UpdateKeyDocument, { keyId, name: 'Rollback script' })
    expect(await list()).toMatchObject({ name: 'Rollback script' })
    await at.done(DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' })
    expect(await list()).toBeUndefined()
    expect(await verdictOn(secret)).toBe('REVOKED')
  })
})

describe('A2 the value of a key', () => {
  test('A2 is what the caller chooses', async () => {
    const secret = ownSecret()
    const { keyId } = await create({ codes: [{ secret }] })
    expect(await at.verify({ key: secret, keyspaceId })).toMatchObject({ code: 'VALID', keyId })
  })

  test('A2 or is generated', async () => {
    const { secret } = await create()
    expect(secret).toMatch(/^bm_\w{49}$/)
    expect(await verdictOn(secret)).toBe('VALID')
  })

  test('A2 is changed to another one, the old one ends at once', async () => {
    const [before, after] = [ownSecret(), ownSecret()]
    const { keyId } = await create({ codes: [{ secret: before }] })
    await at.done(RotateKeyDocument, { keyId, slot: 'PRIMARY', overlapSeconds: 0, secret: after })
    expect([await verdictOn(before), await verdictOn(after)]).toEqual(['REPLACED', 'VALID'])
  })

  test('A2 is given to a key that has none yet', async () => {
    const secret = ownSecret()
    const { keyId } = await create({ codes: [] })
    await at.done(IssueOwnSecretDocument, { keyId, secret })
    expect(await at.verify({ key: secret, keyspaceId })).toMatchObject({ code: 'VALID', keyId })
  })

  test('A2 one in use anywhere in the keyspace is refused, without saying whose', async () => {
    const secret = ownSecret()
    const { keyId } = await create({ name: 'Somebody', codes: [{ secret }] })
    const other = await create({ codes: [] })
    const refusals = [
      await at.refused(CreateKeyDocument, inputFor({ codes: [{ secret }] })),
      await at.refused(IssueOwnSecretDocument, { keyId: other.keyId, secret }),
      await at.refused(RotateKeyDocument, { keyId, slot: 'PRIMARY', overlapSeconds: 0, secret }),
    ]
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ code: 'SECRET_IN_USE' })
      expect(JSON.stringify(refusal)).not.toMatch(new RegExp(`Somebody|${keyId}|${secret}`))
    }
    expect(await at.verify({ key: secret, keyspaceId })).toMatchObject({ code: 'VALID', keyId })
  })

  test('A2 of two that choose the same at once one gets it', async () => {
    const secret = ownSecret()
    const attempts = await Promise.all(
      Array.from({ length: 10 }, () => at.ask(CreateKeyDocument, { input: inputFor({ codes: [{ secret }] }) })),
    )
    const outcomes = attempts.map(({ createKey }) => ('code' in createKey ? createKey.code : 'done')).sort()
    expect(outcomes).toEqual([...Array(9).fill('SECRET_IN_USE'), 'done'])
  })

  test.each(['short', 'passwordpassword', '1234567890123456', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'])(
    'A2 one that could be guessed is refused: %s',
    async (secret) => {
      const refusal = await at.refused(CreateKeyDocument, inputFor({ codes: [{ secret }] }))
      expect(['SECRET_TOO_WEAK', 'INVALID_INPUT']).toContain(refusal.code)
    },
  )

  test('A2 can be seen by administrators later', async () => {
    const secret = ownSecret()
    const { codeId } = await create({ codes: [{ secret }] })
    expect(await at.done(RevealCodeDocument, { codeId })).toMatchObject({ secret })
  })
})

describe('A3 the description', () => {
  test('A3 says what a key is for, and can be edited', async () => {
    const { keyId } = await create({ description: 'Used by the build agents' })
    expect((await at.ask(KeyDocument, { keyId })).key).toMatchObject({ description: 'Used by the build agents' })
    await at.done(UpdateKeyDocument, { keyId, description: 'Used by nobody' })
    expect((await at.ask(KeyDocument, { keyId })).key).toMatchObject({ description: 'Used by nobody' })
  })
})

describe('A4 where a key can be used', () => {
  test('A4 only at the endpoints of the APIs that it was given', async () => {
    const releases = await createPolicy('Releases', ['/api/releases', '/api/releases/*'])
    const variables = await createPolicy('Variables', ['/api/variables/*'])
    const { keyId, secret } = await create({ permissions: [], policyIds: [releases] })
    const at = async (path: string) => present(secret, { path, method: 'POST' })
    expect([await at('/api/releases'), await at('/api/releases/7')]).toEqual(['200', '200'])
    const elsewhere = ['/api/variables/a', '/api/json/Builds_GetBuild', '/', '/api/releases/../json', '/API/releases']
    for (const path of elsewhere) expect(await at(path)).toBe('403 INSUFFICIENT_PERMISSIONS')
    await update(keyId, { policyIds: [releases, variables] })
    expect(await at('/api/variables/a')).toBe('200')
    await update(keyId, { policyIds: [variables] })
    expect(await at('/api/releases/7')).toBe('403 INSUFFICIENT_PERMISSIONS')
  })

  test('A4 a key without any can be used nowhere', async () => {
    const { secret } = await create({ permissions: [] })
    expect(await present(secret, { path: '/api/releases' })).toBe('403 INSUFFICIENT_PERMISSIONS')
  })

  test('A4 the permission * is full control', async () => {
    const { secret } = await create({ permissions: ['*'] })
    for (const path of ['/api/releases/7', '/api/json/Builds_GetBuild', '/'])
      expect(await present(secret, { path, method: 'DELETE' })).toBe('200')
  })

  const update = (keyId: string, change: { policyIds: readonly string[] }) =>
    at.done(UpdateKeyDocument, { keyId, ...change })
})

describe('A5 logging', () => {
  test.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('A5 of requests %s and of responses %s, as the verdict tells', async (request, response) => {
    const { keyId, secret } = await create()
    await at.done(UpdateKeyDocument, { keyId, logging: { request, response } })
    expect(await at.verify({ key: secret, keyspaceId })).toMatchObject({ logging: { request, response } })
  })

  test('A5 is off unless it is asked for', async () => {
    const { secret } = await create()
    expect(await at.verify({ key: secret, keyspaceId })).toMatchObject({ logging: { request: false, response: false } })
  })

  test('A5 the log says who used a key, when, for what and with what result', async () => {
    const { keyId, codeId, secret } = await create({ name: 'Deploy script' })
    await record(keyId, { codeId })
    const usedAt = at.clock.now()
    at.clock.advance(1_000)
    await record(keyId, { status: 403, verdict: 'INSUFFICIENT_PERMISSIONS', path: '/api/json' })
    expect(await logOf(keyId)).toMatchObject([
      { keyName: 'Deploy script', status: 403, verdict: 'INSUFFICIENT_PERMISSIONS', path: '/api/json' },
      { keyId, codeId, at: usedAt, ...USE, requestBody: null, responseBody: null },
    ])
    const { key } = await at.ask(KeyAccessLogDocument, { keyId, filter: { verdicts: ['VALID'] } })
    expect(key?.accessLog?.edges).toHaveLength(1)
    expect(JSON.stringify(await logOf(keyId))).not.toContain(secret)
  })

  test.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('A5 the log has bodies of requests: %s, and of responses: %s, as the key says', async (request, response) => {
    const { keyId } = await create({ logging: { request, response } })
    await record(keyId, { requestBody: '{"build":7}', responseBody: '{"started":true}' })
    expect(await logOf(keyId)).toMatchObject([
      { requestBody: request ? '{"build":7}' : null, responseBody: response ? '{"started":true}' : null },
    ])
  })

  test('A5 whoever guards the server by forward-auth need not record anything', async () => {
    const { keyId, secret } = await create({ logging: { request: true, response: true } })
    const body = JSON.stringify({ API_Key: secret, build: 7 })
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.7' }
    expect(await at.present({ keyspaceId, method: 'POST', path: '/api/releases', headers, body })).toBe('200')
    const logged = await vi.waitFor(async () => {
      const [entry] = await logOf(keyId)
      expect(entry).toMatchObject({
        verdict: 'VALID',
        method: 'POST',
        path: '/api/releases',
        clientIp: '203.0.113.7',
      })
      return entry
    }, PATIENTLY)
    expect(logged?.requestBody).toContain('"build":7')
    expect(JSON.stringify(logged)).not.toContain(secret)
  })

  test('A5 bodies are cut at 64 KiB, and the secret that was presented is not kept', async () => {
    const secret = ownSecret()
    const { keyId } = await create({ logging: { request: true, response: true }, codes: [{ secret }] })
    const requestBody = JSON.stringify({ API_Key: secret, build: 7 })
    await record(keyId, { path: `/api/releases?key=${encodeURIComponent(secret)}`, requestBody })
    at.clock.advance(1_000)
    await record(keyId, { responseBody: 'x'.repeat(100_000) })
    const [long, short] = await logOf(keyId)
    expect(Buffer.byteLength(long?.responseBody ?? '')).toBeLessThanOrEqual(65_536 + 100)
    expect(short?.requestBody).toContain('"build":7')
    expect(JSON.stringify(short)).not.toContain(secret)
  })

  test('A5 only those who may read the log do', async () => {
    const { keyId } = await create()
    const reader = await at.createCredential(['accounts.read', 'keys.read', 'events.read'])
    const log = 'query ($keyId: ID!) { key(id: $keyId) { accessLog { nodes { id } } } }'
    expect(await at.denied(log, { keyId }, reader)).toEqual(['FORBIDDEN'])
    const entries = [{ keyId, at: at.clock.now(), verdict: 'VALID' as const }]
    expect(await at.denied(RecordAccessDocument, { input: { entries } }, reader)).toEqual(['FORBIDDEN'])
  })

  const USE = { verdict: 'VALID', method: 'POST', path: '/api/releases', status: 200, clientIp: '203.0.113.7' } as const
  const record = async (keyId: string, more: object = {}) => {
    const entry = { keyId, at: at.clock.now(), ...USE, ...more }
    expect(await at.done(RecordAccessDocument, { entries: [entry] })).toMatchObject({ recorded: 1 })
  }
  async function logOf(keyId: string) {
    const { account } = await at.ask(AccessLogDocument, { accountId: at.accountId, filter: { keyId } })
    return account?.accessLog?.nodes ?? []
  }
})

describe('A6 four ways to present a key', () => {
  const FORM = 'application/x-www-form-urlencoded'
  const JSON_TYPE = 'application/json'
  const TYPES = [FORM, JSON_TYPE, 'text/plain', 'multipart/form-data; boundary=x', 'application/octet-stream']
  // Logged, so that the search for plaintexts finds what the log should have left out.
  const secret = ownSecret()
  beforeAll(() => create({ codes: [{ secret }], logging: { request: true, response: true } }))
  const bodyOf = (type: string) => (type === JSON_TYPE ? '{"build":7}' : 'build=7')

  test.each(TYPES)('A6 the header X-ApiKey, with a body of %s', async (type) => {
    const headers = { 'x-apikey': secret, 'content-type': type }
    expect(await at.present({ keyspaceId, method: 'POST', headers, body: bodyOf(type) })).toBe('200')
  })

  test.each(TYPES)('A6 the query parameter key, with a body of %s', async (type) => {
    const request = { keyspaceId, method: 'POST', headers: { 'content-type': type }, body: bodyOf(type) }
    expect(await at.present({ ...request, path: `/api/releases?a=1&key=${secret}` })).toBe('200')
  })

  test.each(TYPES)('A6 the form field key, in a form only: %s', async (type) => {
    const request = { keyspaceId, method: 'POST', headers: { 'content-type': type }, body: `build=7&key=${secret}` }
    const expected = { [FORM]: '200', [JSON_TYPE]: '401 MALFORMED' }[type] ?? '401 UNAUTHENTICATED'
    expect(await at.present(request)).toBe(expected)
  })

  test.each(TYPES)('A6 the property API_Key of the root object, in JSON only: %s', async (type) => {
    const body = JSON.stringify({ build: 7, API_Key: secret })
    const request = { keyspaceId, method: 'POST', headers: { 'content-type': type }, body }
    expect(await at.present(request)).toBe(type === JSON_TYPE ? '200' : '401 UNAUTHENTICATED')
  })

  test('A6 but not deeper in the JSON, nor under another name or spelling', async () => {
    for (const body of [{ data: { API_Key: secret } }, [{ API_Key: secret }], { api_key: secret }, { key: secret }]) {
      const request = { keyspaceId, headers: { 'content-type': JSON_TYPE }, body: JSON.stringify(body) }
      expect(await at.present({ ...request, method: 'POST' })).toMatch(/^401/)
    }
  })
})

describe('A7 acting as a user', () => {
  const externalId = 'kharnagy@domain.corp'
  let userId: string
  beforeAll(async () => {
    const permissions = ['releases.deploy', 'releases.read']
    const { user } = await at.done(AddUserDocument, {
      accountId: at.accountId,
      externalId,
      role: 'MEMBER',
      permissions,
    })
    userId = user.id
  })
  const grants = async (key: string, permission: string) =>
    (await at.verify({ key, keyspaceId, permission })).code === 'VALID'

  test('A7 takes their name to the letter', async () => {
    for (const actsAs of ['Kharnagy@domain.corp', 'kharnagy@domain.corp ', 'kharnagy', 'kharnagy@domain.cor', userId])
      expect(await at.refused(CreateKeyDocument, inputFor({ actsAs }))).toMatchObject({ code: 'NOT_FOUND' })
    const { key } = await at.done(CreateKeyDocument, inputFor({ actsAs: externalId }))
    expect(key).toMatchObject({ actsAs: { id: userId, externalId } })
  })

  test('A7 opens no more than they may, at that moment, and the service is told who it is', async () => {
    const { secret } = await create({ actsAs: externalId, permissions: ['releases.*', 'variables.*'] })
    const asked = ['releases.read', 'releases.deploy', 'releases.delete', 'variables.read']
    const now = () => Promise.all(asked.map((permission) => grants(secret, permission)))
    expect(await now()).toEqual([true, true, false, false])
    expect(await at.verify({ key: secret, keyspaceId })).toMatchObject({ actsAs: externalId })
    await at.done(UpdateUserDocument, { userId, permissions: ['releases.read', 'variables.*'] })
    expect(await now()).toEqual([true, false, false, true])
    await at.done(UpdateUserDocument, { userId, permissions: ['releases.deploy', 'releases.read'] })
  })

  test('A7 gives them nothing that the key was not given', async () => {
    const { secret } = await create({ actsAs: externalId, permissions: ['releases.read'] })
    expect([await grants(secret, 'releases.read'), await grants(secret, 'releases.deploy')]).toEqual([true, false])
  })

  test('A7 keeps to the endpoints of the key', async () => {
    const policyIds = [await createPolicy('Deployments', ['/api/deploy/*'], ['releases.deploy', 'releases.delete'])]
    const { secret } = await create({ actsAs: externalId, permissions: [], policyIds })
    const ask = (path: string, permission: string) => present(secret, { path, permission })
    expect(await ask('/api/deploy/7', 'releases.deploy')).toBe('200')
    expect(await ask('/api/deploy/7', 'releases.delete')).toBe('403 INSUFFICIENT_PERMISSIONS')
    expect(await ask('/api/other/7', 'releases.deploy')).toBe('403 INSUFFICIENT_PERMISSIONS')
  })

  test('A7 without a user the key has all that it was given, as nobody in particular', async () => {
    const { secret } = await create({ permissions: ['releases.*'] })
    expect([await grants(secret, 'releases.delete'), await grants(secret, 'variables.read')]).toEqual([true, false])
    expect(await at.verify({ key: secret, keyspaceId })).toMatchObject({ code: 'VALID', actsAs: null })
  })

  test('A7 is given to a key and taken from it later', async () => {
    const { keyId, secret } = await create({ permissions: ['*'] })
    await at.done(UpdateKeyDocument, { keyId, actsAs: externalId })
    expect(await grants(secret, 'variables.read')).toBe(false)
    await at.done(UpdateKeyDocument, { keyId, actsAs: null })
    expect(await grants(secret, 'variables.read')).toBe(true)
  })
})

describe('A8 a user beside the key', () => {
  let guarded: string
  let secret: string
  beforeAll(async () => {
    guarded = await createKeyspace('Automation behind the directory', { upstreamUserRequired: true })
    secret = (await create({ keyspaceId: guarded })).secret
  })

  test('A8 a call without an authenticated user is refused, whatever the key may do', async () => {
    const headers = { 'x-apikey': secret }
    expect(await at.verify({ key: secret, keyspaceId: guarded })).toMatchObject({ code: 'UPSTREAM_USER_REQUIRED' })
    expect(await at.present({ keyspaceId: guarded, headers })).toBe('403 UPSTREAM_USER_REQUIRED')
  })

  test('A8 a call with one goes by the key', async () => {
    const upstreamUser = 'kharnagy@domain.corp'
    expect(await at.verify({ key: secret, keyspaceId: guarded, upstreamUser })).toMatchObject({ code: 'VALID' })
    const headers = { 'x-apikey': secret, 'x-forwarded-user': upstreamUser }
    expect(await at.present({ keyspaceId: guarded, headers })).toBe('200')
    expect(await at.present({ keyspaceId: guarded, headers: { ...headers, 'x-apikey': 'nothing' } })).toMatch(/^401/)
  })
})

test('nothing of this leaves a plaintext where none must be', async () => {
  expect(await at.plaintextsLeft()).toEqual([])
})
