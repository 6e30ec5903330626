// Events of an account as they happen, over HTTP: in order, each once, to nobody who may not read them any more.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { replaceRootKey } from '#cli/stored-root-key.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { newId, newRootKey } from '#secret/ids.ts'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { type Subscribed, type SubscribeOptions, subscribe } from '#test/support/subscribe.ts'
import { PATIENTLY } from '#test/support/wait.ts'

const TIMES = { heartbeatMs: 50, readerMaxMs: 20_000, lastWordsMs: 5_000 }

let app: TestApp
let accountId: string
let managementKeyspaceId: string
beforeAll(async () => {
  app = await startTestApp({ eventStreamTimes: TIMES })
  ;({ accountId, managementKeyspaceId } = await app.createAccount())
})
afterAll(() => app.close())

const open: Subscribed[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.leave()
})

async function follow(options: Partial<SubscribeOptions> = {}): Promise<Subscribed> {
  const one = await subscribe(app, { accountId, ...options })
  open.push(one)
  return one
}

let names = 0
async function rename(of = accountId): Promise<void> {
  await app.ask(
    'mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { ... on UpdateAccountSuccess { account { id } } } }',
    { input: { accountId: of, name: `name ${names++}` } },
  )
}

async function mutate(name: string, input: object): Promise<void> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
  const document = `mutation ($input: ${type}Input!) { ${name}(input: $input) { ... on Error { code message } } }`
  expect(await app.ask(document, { input })).toEqual({ [name]: {} })
}

async function head(of = accountId): Promise<number> {
  const { account } = await app.ask<{ account: { position: string } }, object>(
    'query ($of: ID!) { account(id: $of) { position } }',
    { of },
  )
  return Number(account.position)
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index)

describe('events', () => {
  test('come as they happen, from the moment of the answer on', async () => {
    const before = await head()
    const one = await follow()
    expect([one.status, one.headers.get('content-type'), one.headers.get('cache-control')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      'no-store',
    ])
    await rename()
    await rename()
    await one.received(2)
    expect(one.positions()).toEqual([before + 1, before + 2])
    expect(one.told[0]?.data?.events).toMatchObject({ type: 'account.updated', actor: { kind: 'ROOT' } })
    expect(one.told[0]?.errors).toBeUndefined()
  })

  test('come from just after a position, page after page', async () => {
    const other = await app.createAccount()
    for (let i = 0; i < 120; i++) await rename(other.accountId)
    const last = await head(other.accountId)
    const all = await follow({ accountId: other.accountId, after: 0 })
    await all.received(last)
    expect(all.positions()).toEqual(upTo(last))
    const late = await follow({ accountId: other.accountId, after: last - 3 })
    await late.received(3)
    expect(late.positions()).toEqual(upTo(last, last - 2))
  })

  test('are those of the types that are asked for', async () => {
    const keyspaceId = await app.createKeyspace(accountId)
    const one = await follow({ types: ['key.created', 'key.revoked'] })
    const { keyId } = await app.createKey(keyspaceId)
    for (let i = 0; i < 3; i++) await rename()
    await mutate('revokeKey', { keyId })
    await one.received(2)
    expect(one.told.map(({ data }) => [data?.events.type, data?.events.subjectId])).toEqual([
      ['key.created', keyId],
      ['key.revoked', keyId],
    ])
  })

  test('are shown as they are, with what they lead to', async () => {
    const one = await follow({
      document: `subscription ($accountId: ID!) { told: events(accountId: $accountId) {
        position account { name position } subject { __typename id } summary data } }`,
    })
    await rename()
    await vi.waitFor(() => expect(one.told).toHaveLength(1), PATIENTLY)
    const [{ data } = {}] = one.told
    const { told } = data as never as { told: { position: string; account: { position: string } } }
    expect(told).toMatchObject({ account: { name: `name ${names - 1}` }, subject: { __typename: 'Account' } })
    expect(Number(told.account.position)).toBeGreaterThanOrEqual(Number(told.position))
  })

  test('are told over GET too', async () => {
    const query = 'subscription ($a: ID!) { events(accountId: $a, after: "0") { position } }'
    const search = new URLSearchParams({ query, variables: JSON.stringify({ a: accountId }) })
    const leaving = new AbortController()
    const response = await fetch(`${app.origin}/graphql?${search}`, {
      headers: { authorization: `Bearer ${app.rootKey}`, accept: 'text/event-stream' },
      signal: leaving.signal,
    })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes('"position":"2"')) text += (await reader?.read())?.value
    expect(text).toContain('event: next\ndata: {"data":{"events":{"position":"1"}}}\n\n')
    leaving.abort()
  })

  test('of others wake nobody, and a silent stream shows signs of life', async () => {
    const one = await follow()
    const { accountId: other } = await app.createAccount()
    await rename(other)
    await vi.waitFor(() => expect(one.heartbeats()).toBeGreaterThan(3), PATIENTLY)
    expect(one.told).toEqual([])
  })
})

describe('what is asked for wrongly', () => {
  const errorOf = async (options: Partial<SubscribeOptions>) => {
    const one = await follow(options)
    const error = await one.ended()
    expect(one.end()).toBe('complete')
    expect(one.told).toHaveLength(1)
    return error
  }

  test('is refused by name', async () => {
    const beyond = await errorOf({ after: (await head()) + 1 })
    expect(beyond?.extensions).toEqual({
      code: 'INVALID_INPUT',
      issues: [{ path: ['after'], message: expect.any(String) }],
    })
    expect((await errorOf({ types: ['a\0'] }))?.extensions).toMatchObject({ issues: [{ path: ['types', '0'] }] })
    expect((await errorOf({ types: ['key.none'] }))?.extensions).toMatchObject({ issues: [{ path: ['types', '0'] }] })
    const many = Array.from({ length: 101 }, () => 'key.created')
    expect((await errorOf({ types: many }))?.extensions).toMatchObject({ issues: [{ path: ['types'] }] })
  })

  test('an account of somebody else is none, like an unknown one', async () => {
    const stranger = await app.createAccount()
    const credential = await app.createCredential(stranger.accountId, ['*'])
    const foreign = await errorOf({ credential })
    expect(foreign?.extensions?.code).toBe('NOT_FOUND')
    for (const accountId of [newId('acct', 0), newId('key', 0), '', 'nothing'])
      for (const caller of [credential, app.rootKey])
        expect(await errorOf({ accountId, credential: caller })).toEqual(foreign)
  })

  test('nobody, a MEMBER and who lacks events.read are turned away', async () => {
    await app.addUser(accountId, { externalId: 'member', role: 'MEMBER' })
    const member = await app.createKey(managementKeyspaceId, { permissions: ['*'], actsAs: 'member' })
    expect((await errorOf({ credential: null }))?.extensions?.code).toBe('UNAUTHENTICATED')
    expect((await errorOf({ credential: member.secret }))?.extensions?.code).toBe('FORBIDDEN')
    const reader = await app.createCredential(accountId, ['accounts.read', 'keys.read', 'logs.read'])
    expect((await errorOf({ credential: reader }))?.extensions?.code).toBe('FORBIDDEN')
  })

  test('no answer but a stream is given, and nobody stays subscribed', async () => {
    const ask = (accept: string) =>
      fetch(`${app.origin}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept, authorization: `Bearer ${app.rootKey}` },
        body: JSON.stringify({ query: `subscription { events(accountId: "${accountId}") { id } }` }),
      })
    // As many as an account may have, and more.
    for (let i = 0; i < 210; i++) {
      const response = await ask('application/json')
      expect([response.status, await response.text()]).toEqual([406, expect.stringContaining('text/event-stream')])
    }
    const one = await follow()
    await rename()
    await one.received(1)
  })

  test('more than 200 of one account are refused, until some have ended', async () => {
    const { accountId: other } = await app.createAccount()
    const all = await Promise.all(Array.from({ length: 200 }, () => follow({ accountId: other })))
    expect((await follow({ accountId: other })).status).toBe(429)
    expect((await errorOf({ accountId: other }))?.extensions?.code).toBe('TOO_MANY_SUBSCRIPTIONS')
    await rename(other)
    await Promise.all(all.map((one) => one.received(1)))
    all[0]?.leave()
    await vi.waitFor(async () => expect((await follow({ accountId: other })).status).toBe(200), PATIENTLY)
  })
})

describe('a caller is told nothing more', () => {
  /** What is revoked for it, and the credential. */
  type Holder = { readonly keyId: string; readonly codeId: string; readonly credential: string }
  async function holder(input: object = {}): Promise<Holder> {
    const { keyId, codeId, secret } = await app.createKey(managementKeyspaceId, {
      permissions: ['events.read'],
      ...input,
    })
    return { keyId, codeId, credential: secret }
  }

  const ends: readonly (readonly [string, string, (of: Holder) => Promise<unknown>])[] = [
    ['revoked', 'UNAUTHENTICATED', ({ keyId }) => mutate('revokeKey', { keyId })],
    ['deleted', 'UNAUTHENTICATED', ({ keyId }) => mutate('deleteKey', { keyId })],
    ['disabled', 'UNAUTHENTICATED', ({ keyId }) => mutate('disableKey', { keyId })],
    ['rotated', 'UNAUTHENTICATED', ({ keyId }) => mutate('rotateKey', { keyId })],
    ['whose code is disabled', 'UNAUTHENTICATED', ({ codeId }) => mutate('disableCode', { codeId })],
    ['who lost the right', 'FORBIDDEN', ({ keyId }) => mutate('updateKey', { keyId, permissions: ['keys.read'] })],
  ]

  test.each(ends)('%s: not even of that, also where nothing else happens', async (_how, code, change) => {
    const of = await holder()
    const silent = await follow({ credential: of.credential, types: ['link.updated'] })
    const one = await follow({ credential: of.credential })
    await rename()
    await one.received(1)
    const last = await head()
    const changedAt = performance.now()
    await change(of)
    await rename()
    for (const ended of [one, silent]) {
      const error = await ended.ended()
      expect(performance.now() - changedAt).toBeLessThan(5_000)
      expect(ended.end()).toBe('complete')
      expect(error?.extensions?.code).toBe(code)
      expect(Number(error?.extensions?.position)).toBeGreaterThanOrEqual(last)
    }
    expect(one.positions()).toEqual([last])
    expect(silent.positions()).toEqual([])
    // What was not told is there for whoever may read it.
    const position = (await one.ended())?.extensions?.position as string
    const rest = await follow({ after: position })
    await rest.received((await head()) - Number(position))
  })

  test('judged anew for each event, also of those that were read together', async () => {
    const { accountId: other } = await app.createAccount()
    for (let i = 0; i < 30; i++) await rename(other)
    const looks = vi.spyOn(app.app.services.feed, 'catchUp')
    const one = await follow({ accountId: other, after: 0 })
    await one.received(30)
    expect(looks.mock.calls.length).toBeGreaterThanOrEqual(30)
    looks.mockRestore()
  })

  test('when the user they act as is removed', async () => {
    const userId = await app.addUser(accountId, { externalId: 'auditor', role: 'AUDITOR' })
    const { credential } = await holder({ permissions: ['*'], actsAs: 'auditor' })
    const one = await follow({ credential })
    await mutate('updateUser', { userId, role: 'VERIFIER' })
    expect((await one.ended())?.extensions?.code).toBe('FORBIDDEN')
    expect(one.positions()).toEqual([])
    await mutate('updateUser', { userId, role: 'AUDITOR' })
    const again = await follow({ credential })
    await mutate('removeUser', { userId })
    expect((await again.ended())?.extensions?.code).toBe('UNAUTHENTICATED')
    expect(again.positions()).toEqual([])
  })

  test('when their key expires, while nothing happens', async () => {
    const { credential } = await holder({ expiresAt: plusMs(app.clock.now(), DAY_MS) })
    const one = await follow({ credential })
    const last = await head()
    app.clock.advance(DAY_MS - 1)
    await vi.waitFor(() => expect(one.heartbeats()).toBeGreaterThan(8), PATIENTLY)
    expect(one.end()).toBeUndefined()
    app.clock.advance(1)
    expect(await one.ended()).toMatchObject({ extensions: { code: 'UNAUTHENTICATED', position: String(last) } })
  })

  test('when the root key is replaced, while nothing happens', async () => {
    const other = await startTestApp({ eventStreamTimes: TIMES })
    try {
      const { accountId: there } = await other.createAccount()
      const one = await subscribe(other, { accountId: there })
      await vi.waitFor(() => expect(one.heartbeats()).toBeGreaterThan(8), PATIENTLY)
      await replaceRootKey(other.app.services, newRootKey())
      expect(await one.ended()).toMatchObject({ extensions: { code: 'UNAUTHENTICATED', position: expect.any(String) } })
    } finally {
      await other.close()
    }
  })
})

describe('a fault', () => {
  test('is told in the place of the event with the id of the request and nothing else, and the next is told too', async () => {
    const broken = await startTestApp()
    try {
      const { accountId: there } = await broken.createAccount()
      await broken.database.owner.pool.query('ALTER TABLE state.account RENAME TO elsewhere')
      const document =
        'subscription ($accountId: ID!) { events(accountId: $accountId, after: "0") { account { name } } }'
      const one = await subscribe(broken, { accountId: there, document })
      await vi.waitFor(() => expect(one.told).toHaveLength(2), PATIENTLY)
      expect(one.end()).toBeUndefined()
      const told = {
        data: null,
        errors: [
          {
            message: 'Unexpected error.',
            path: ['events', 'account'],
            locations: [expect.anything()],
            extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: one.headers.get('x-request-id') },
          },
        ],
      }
      expect(one.told).toEqual([told, told])
      one.leave()
    } finally {
      await broken.close()
    }
  })
})

describe('an instance that shuts down', () => {
  test('ends subscriptions with the position, and does not wait for them', async () => {
    const other = await startTestApp()
    const { accountId: there } = await other.createAccount()
    const some = await Promise.all([1, 2, 3].map(() => subscribe(other, { accountId: there, after: 0 })))
    await Promise.all(some.map((one) => one.received(2)))
    const startedAt = performance.now()
    await other.close()
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    for (const one of some) {
      expect(await one.ended()).toMatchObject({ extensions: { code: 'UNAVAILABLE', retryAfter: 1, position: '2' } })
      expect(one.end()).toBe('complete')
    }
  })
})
