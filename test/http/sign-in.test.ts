// Users sign in by tokens of their organisation's identity provider, a real one in this process: wherever a credential is taken,
// in the account they name, as whom they are there now.
import { request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { newId } from '#secret/ids.ts'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { createTestClock } from '#test/support/clock.ts'
import { AUDIENCE, type Issuer, startIssuer } from '#test/support/issuer.ts'
import { COOL_DOWN_MS } from '#verify/issuer-keys.ts'

const clock = createTestClock()
const VIEWER = '{ viewer { kind viewerId label account { id } permissions } }'

let issuer: Issuer
let app: TestApp
let accountId: string
let adminId: string
beforeAll(async () => {
  issuer = await startIssuer(() => clock.now())
  app = await startTestApp({
    clock,
    identityProvider: { issuer: issuer.issuer, audience: AUDIENCE, userClaim: 'email' },
  })
  accountId = (await app.createAccount()).accountId
  adminId = await app.addUser(accountId, {
    externalId: 'ada@example.org',
    displayName: 'Ada',
    role: 'ADMINISTRATOR',
  })
}, 60_000)
afterAll(async () => {
  await app.close()
  await issuer.close()
})

type Header = readonly [name: string, value: string]
type Answered = { readonly status: number; readonly body: string }

function send(path: string, headers: readonly Header[], body?: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const sent = ['Host', 'keyledger', ...headers.flat()] as never
    const request = httpRequest(`${app.origin}${path}`, { method, headers: sent }, async (response) =>
      resolve({ status: response.statusCode ?? 0, body: await text(response) }),
    )
    request.on('error', reject)
    request.end(body)
  })
}

const bearer = (token: string): Header => ['Authorization', `Bearer ${token}`]
const account = (id = accountId): Header => ['X-Keyledger-Account', id]

type Data = {
  readonly viewer: {
    readonly viewerId: string
    readonly permissions: readonly string[]
    readonly account: { readonly id: string }
  }
  readonly createKeyspace: { readonly events: readonly object[] }
}

async function graphql(headers: readonly Header[], query = VIEWER, variables: object = {}) {
  const body = JSON.stringify({ query, variables })
  const type: Header[] = [
    ['Content-Type', 'application/json'],
    ['Content-Length', String(Buffer.byteLength(body))],
  ]
  const answer = await send('/graphql', [...type, ...headers], body)
  return JSON.parse(answer.body) as { data: Data; errors?: { message: string; extensions: { code: string } }[] }
}

const signedIn = async (claims: object = {}, id = accountId) =>
  graphql([bearer(await issuer.token(claims)), account(id)])
const codeOf = ({ errors }: { errors?: { extensions: { code: string } }[] }) => errors?.[0]?.extensions.code

describe('a user of the account', () => {
  test('is who the token names, and may do what their role permits', async () => {
    expect((await signedIn()).data.viewer).toEqual({
      kind: 'USER',
      viewerId: adminId,
      label: 'Ada',
      account: { id: accountId },
      permissions: ['*'],
    })
    const auditor = await app.addUser(accountId, { externalId: 'audrey@example.org', role: 'AUDITOR' })
    const { data } = await signedIn({ email: 'audrey@example.org' })
    expect(data.viewer).toMatchObject({
      viewerId: auditor,
      permissions: expect.not.arrayContaining(['keys.write', '*']),
    })
  })

  test('is the actor of what they do', async () => {
    const headers = [bearer(await issuer.token()), account()]
    const create = `mutation ($input: CreateKeyspaceInput!) { createKeyspace(input: $input) {
      ... on CreateKeyspaceSuccess { events { actor { kind actorId label } credential { keyId } } } } }`
    const { data } = await graphql(headers, create, { input: { accountId, name: 'by Ada' } })
    expect(data.createKeyspace.events).toEqual([
      { actor: { kind: 'USER', actorId: adminId, label: 'Ada' }, credential: null },
    ])
  })

  test('can download a secret and vouch as a proxy, each by their role', async () => {
    const keyspaceId = await app.createKeyspace(accountId, { secretDisplay: 'REVEALABLE' })
    const key = await app.createKey(keyspaceId, { permissions: ['*'] })
    const headers = [bearer(await issuer.token()), account()]
    expect(await send(`/codes/${key.codeId}/secret.txt`, headers)).toEqual({ status: 200, body: key.secret })
    await app.addUser(accountId, { externalId: 'proxy', role: 'VERIFIER' })
    const proxy = await issuer.token({ email: 'proxy' })
    expect((await send(`/codes/${key.codeId}/secret.txt`, [bearer(proxy), account()])).status).toBe(403)
    const asked: Header[] = [
      ['X-Keyledger-Authorization', `Bearer ${proxy}`],
      account(),
      ['X-API-Key', key.secret],
      ['X-Forwarded-Method', 'GET'],
      ['X-Forwarded-Uri', '/'],
    ]
    expect((await send(`/forward-auth?keyspace=${keyspaceId}`, asked)).status).toBe(200)
  })

  test('has another role, or none, with their next request', async () => {
    const userId = await app.addUser(accountId, { externalId: 'mo@example.org', role: 'AUDITOR' })
    const token = await issuer.token({ email: 'mo@example.org' })
    const ask = () => graphql([bearer(token), account()])
    const change = (document: string, input: object) => app.ask(document, { input })
    expect((await ask()).data.viewer.permissions).toContain('events.read')
    await change('mutation ($input: UpdateUserInput!) { updateUser(input: $input) { __typename } }', {
      userId,
      role: 'VERIFIER',
    })
    expect((await ask()).data.viewer.permissions).toEqual(['keys.verify'])
    await change('mutation ($input: RemoveUserInput!) { removeUser(input: $input) { __typename } }', { userId })
    expect(codeOf(await ask())).toBe('UNAUTHENTICATED')
    // Added again they are another user, of whom the token is one all the same.
    const again = await app.addUser(accountId, { externalId: 'mo@example.org', role: 'VERIFIER' })
    expect((await ask()).data.viewer.viewerId).toBe(again)
  })

  test('of two accounts is in each who they are there', async () => {
    const other = await app.createAccount()
    const there = await app.addUser(other.accountId, { externalId: 'ada@example.org', role: 'VERIFIER' })
    expect((await signedIn({}, other.accountId)).data.viewer).toMatchObject({
      viewerId: there,
      account: { id: other.accountId },
      permissions: ['keys.verify'],
    })
    expect((await signedIn()).data.viewer.viewerId).toBe(adminId)
  })

  test('stays signed in when the provider rotates its keys, and by the new one at once', async () => {
    const before = await issuer.token()
    const realNow = performance.now.bind(performance)
    // Later than the cool-down after the keys were read.
    const spy = vi.spyOn(performance, 'now').mockImplementation(() => realNow() + COOL_DOWN_MS)
    try {
      await issuer.rotate({ alg: 'RS256' })
      expect((await graphql([bearer(before), account()])).data.viewer.viewerId).toBe(adminId)
      expect((await signedIn()).data.viewer.viewerId).toBe(adminId)
      expect(codeOf(await graphql([bearer(before), account()]))).toBe('UNAUTHENTICATED')
    } finally {
      spy.mockRestore()
    }
  })
})

describe('nobody is signed in, and all are answered alike,', () => {
  test.each<[string, () => Promise<readonly Header[]>]>([
    ['without an account', async () => [bearer(await known())]],
    ['with an account that there is not', async () => [bearer(await known()), account(newId('acct', 5))]],
    ['with an account where nobody knows them', async () => [bearer(await known()), account(await stranger())]],
    ['with what is no account', async () => [bearer(await known()), account(adminId)]],
    ['with an account of no text', async () => [bearer(await known()), account("' OR true --")]],
    ['with an account given twice', async () => [bearer(await known()), account(), account()]],
    ['with two accounts', async () => [bearer(await known()), account(), account(await stranger())]],
    ['with two accounts in one', async () => [bearer(await known()), account(`${accountId}, ${accountId}`)]],
    ['with two tokens', async () => [bearer(await known()), bearer(await known()), account()]],
    ['for a user that there is not', async () => [bearer(await issuer.token({ email: 'eve@example.org' })), account()]],
    ['for a user of another case', async () => [bearer(await issuer.token({ email: 'Ada@example.org' })), account()]],
    ['for a user with a space', async () => [bearer(await issuer.token({ email: 'ada@example.org ' })), account()]],
    ['for an unconfirmed address', async () => [bearer(await issuer.token({ email_verified: false })), account()]],
    ['for another service', async () => [bearer(await issuer.token({ aud: 'else' })), account()]],
    ['by a token of another scheme', async () => [['Authorization', `Token ${await known()}`], account()]],
    ['by a token that is too long', async () => [bearer(await issuer.token({ x: 'x'.repeat(7_000) })), account()]],
  ])('%s', async (_what, headers) => {
    const sent = await headers()
    const answer = await graphql(sent)
    expect(answer).toEqual(await graphql([]))
    expect(codeOf(answer)).toBe('UNAUTHENTICATED')
    expect((await send(`/codes/${newId('code', 5)}/secret.txt`, sent)).status).toBe(401)
  })

  const known = () => issuer.token()
  const stranger = async () => (await app.createAccount()).accountId
})

test('a token presented as a key of the application opens nothing', async () => {
  const { verifyKey } = await app.ask<{ verifyKey: { code: string } }, object>(
    'query ($key: String!) { verifyKey(input: { key: $key }) { code } }',
    { key: await issuer.token() },
  )
  expect(['NOT_FOUND', 'MALFORMED']).toContain(verifyKey.code)
  const keyspaceId = await app.createKeyspace(accountId)
  const credential = await app.createCredential(accountId, ['keys.verify'])
  const asked: Header[] = [
    ['X-Keyledger-Authorization', `Bearer ${credential}`],
    bearer(await issuer.token()),
    account(),
  ]
  const original: Header[] = [
    ['X-Forwarded-Method', 'GET'],
    ['X-Forwarded-Uri', '/'],
  ]
  expect((await send(`/forward-auth?keyspace=${keyspaceId}`, [...asked, ...original])).status).toBe(401)
})

test('keys are judged without the provider and whatever account is named, also while it does not answer', async () => {
  const held: (() => void)[] = []
  issuer.answer = (response) => void held.push(() => response.destroy())
  const key = await app.createCredential(accountId, ['keys.read'])
  const fresh = await startTestApp({
    clock,
    identityProvider: { issuer: issuer.issuer, audience: AUDIENCE, userClaim: 'email' },
  })
  try {
    const waiting = fresh.execute(
      VIEWER,
      {},
      { credential: await issuer.token(), headers: { 'x-keyledger-account': accountId } },
    )
    await expect.poll(() => held.length).toBe(1)
    const { data } = await fresh.execute<{ viewer: { kind: string } }, object>(VIEWER)
    expect(data?.viewer.kind).toBe('ROOT')
    for (const end of held) end()
    expect((await waiting).errors[0]?.extensions?.code).toBe('UNAUTHENTICATED')
    expect(fresh.logged).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: 'the keys of the identity provider could not be read' }),
    )
  } finally {
    issuer.answer = null
    await fresh.close()
  }
  expect((await graphql([bearer(key), account(newId('acct', 1))])).data.viewer.account.id).toBe(accountId)
})

test('without a provider no token signs anybody in', async () => {
  const fresh = await startTestApp({ clock })
  try {
    const made = await fresh.createAccount()
    await fresh.addUser(made.accountId, { externalId: 'ada@example.org', role: 'ADMINISTRATOR' })
    const headers = { 'x-keyledger-account': made.accountId }
    const { errors } = await fresh.execute(VIEWER, {}, { credential: await issuer.token(), headers })
    expect(errors[0]?.extensions?.code).toBe('UNAUTHENTICATED')
  } finally {
    await fresh.close()
  }
})

test('no token is in a log or in a table', async () => {
  const token = await issuer.token()
  await graphql([bearer(token), account()])
  await graphql([bearer(`${token.slice(0, -4)}AAAA`), account()])
  const parts = [token.slice(-20), token.split('.')[1]?.slice(0, 40) ?? '', 'ada@example.org']
  for (const part of parts) expect(JSON.stringify(app.logged)).not.toContain(part)
  const { rows } = await app.database.owner.pool.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('log', 'state', 'vault', 'usage', 'audit')`,
  )
  expect(rows.length).toBeGreaterThan(10)
  for (const { name } of rows) {
    const found = await app.database.owner.pool.query(`SELECT t::text AS row FROM ${name} t`)
    for (const part of parts) expect(JSON.stringify(found.rows), name).not.toContain(part)
  }
})
