// Things as they were, as a client asks for them: of one moment in all that they lead to, or refused.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CodeAtDocument,
  KeyAtDocument,
  KeyspaceAtDocument,
  LinkAtDocument,
  PolicyAtDocument,
  UserAtDocument,
} from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'
import { type FieldOfSchema, fields } from './support.ts'

const app = await startTestApp()
afterAll(() => app.close())

let accountId: string
let managementKeyspaceId: string
let reviewer: string
beforeAll(async () => {
  const account = await app.createAccount('Reviewed')
  accountId = account.accountId
  managementKeyspaceId = account.managementKeyspaceId
  reviewer = await app.createCredential(accountId, ['accounts.read', 'keys.read', 'events.read'])
})

const asReviewer = () => ({ credential: reviewer })

/** Done a second after what was done before, and answers the instant at which. */
async function later(mutation: string, input: object): Promise<string> {
  app.clock.advance(1_000)
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`
  const document = `mutation ($input: ${type}Input!) { ${mutation}(input: $input) { __typename ... on Error { code message } } }`
  const answer = await app.ask<Record<string, { __typename: string }>, object>(document, { input })
  expect(answer).toEqual({ [mutation]: { __typename: `${type}Success` } })
  return app.clock.now()
}

const justBefore = (instant: string) => new Date(Date.parse(instant) - 1).toISOString()
const keyAt = async (keyId: string, at: string) => (await app.ask(KeyAtDocument, { keyId, at }, asReviewer())).key

describe('a key, at a moment of the past,', () => {
  test('is what it was, and so is all that it leads to', async () => {
    const ownerId = await app.addUser(accountId, { role: 'AUDITOR', permissions: ['ads.read'] })
    const keyspaceId = await app.createKeyspace(accountId, {}, 'before')
    const policyId = await app.createPolicy(accountId, { name: 'old', permissions: ['ads.read', 'reports.read'] })
    const { keyId, codeId } = await app.createKey(keyspaceId, { name: 'old', policyIds: [policyId], ownerId })
    await later('updateAccount', { accountId, name: 'Old' })
    const then = await later('updateKey', { keyId, tags: ['x'] })
    const seen = await keyAt(keyId, then)
    expect(seen).toMatchObject({
      account: { name: 'Old' },
      keyspace: { name: 'before', rules: { upstreamUserRequired: false } },
      name: 'old',
      status: 'ACTIVE',
      policies: [{ name: 'old' }],
      effectivePermissions: ['ads.read', 'reports.read'],
      owner: { role: 'AUDITOR', permissions: ['ads.read'], removedAt: null },
      codes: [{ id: codeId, status: 'VALID', replacedBy: null }],
      rotations: { totalCount: 0, nodes: [] },
      version: 3,
    })
    const { externalId } = seen?.owner ?? {}

    await later('updatePolicy', { policyId, name: 'new', permissions: ['ads.read'] })
    await later('updateKeyspace', { keyspaceId, name: 'after', rules: { upstreamUserRequired: true } })
    await later('rotateKey', { keyId, overlapSeconds: 3_600 })
    await later('updateUser', { userId: ownerId, role: 'MEMBER', permissions: [] })
    await later('revokeKey', { keyId, reason: 'KEY_COMPROMISE' })
    await later('deleteKey', { keyId })
    await later('removeUser', { userId: ownerId })
    await later('deletePolicy', { policyId })
    const deleted = await later('deleteKeyspace', { keyspaceId })
    await later('updateAccount', { accountId, name: 'New' })

    expect(await keyAt(keyId, then)).toEqual(seen)
    expect(await keyAt(keyId, deleted)).toMatchObject({
      account: { name: 'Old' },
      keyspace: { name: 'after', rules: { upstreamUserRequired: true } },
      status: 'DELETED',
      policies: [],
      effectivePermissions: [],
      revocation: { reason: 'KEY_COMPROMISE' },
      owner: { externalId, role: 'MEMBER', permissions: [], removedAt: expect.any(String) },
      rotations: { totalCount: 1 },
    })
  })

  test('was not there before its first event, and is from the very millisecond of it on', async () => {
    const { keyId, codeId } = await app.createKey(await app.createKeyspace(accountId))
    const then = app.clock.now()
    expect(await keyAt(keyId, justBefore(then))).toBeNull()
    expect(await keyAt(keyId, then)).toMatchObject({ version: 2, codes: [{ id: codeId }] })
    const { code } = await app.ask(CodeAtDocument, { codeId, at: justBefore(then) }, asReviewer())
    expect(code).toBeNull()
  })

  test('an event is found by the instant that is told of it, with all its digits', async () => {
    const { keyId } = await app.createKey(await app.createKeyspace(accountId))
    await later('disableKey', { keyId })
    const document = 'query ($id: ID!) { key(id: $id) { events(last: 1) { nodes { occurredAt } } } }'
    const { key } = await app.ask<{ key: { events: { nodes: { occurredAt: string }[] } } }, object>(document, {
      id: keyId,
    })
    const [event] = key.events.nodes
    expect(event?.occurredAt).toMatch(/\.\d{6}Z$/)
    expect(await keyAt(keyId, event?.occurredAt ?? '')).toMatchObject({ enabled: false })
    expect(await keyAt(keyId, justBefore(app.clock.now()))).toMatchObject({ enabled: true })
  })

  test('has expired exactly at its expiry, its codes at theirs, and an overlap runs until its end', async () => {
    const keyspaceId = await app.createKeyspace(accountId)
    const at = (ms: number) => new Date(Date.parse(app.clock.now()) + ms).toISOString()
    const [codeEnd, keyEnd] = [at(60_000), at(120_000)]
    const { keyId } = await app.createKey(keyspaceId, { expiresAt: keyEnd, codes: [{ expiresAt: codeEnd }, {}] })
    const rotatedAt = await later('rotateKey', { keyId, slot: 'SECONDARY', overlapSeconds: 30 })
    const overlapEnd = new Date(Date.parse(rotatedAt) + 30_000).toISOString()
    app.clock.advance(300_000)
    const statuses = async (instant: string) => {
      const key = await keyAt(keyId, instant)
      return [key?.status, key?.codes.find(({ slot }) => slot === 'PRIMARY')?.status]
    }
    expect(await statuses(justBefore(codeEnd))).toEqual(['ACTIVE', 'VALID'])
    expect(await statuses(codeEnd)).toEqual(['ACTIVE', 'EXPIRED'])
    expect(await statuses(justBefore(keyEnd))).toEqual(['ACTIVE', 'EXPIRED'])
    expect(await statuses(keyEnd)).toEqual(['EXPIRED', 'EXPIRED'])
    const shown = async (instant: string) => {
      const document = 'query ($id: ID!, $at: DateTime!) { key(id: $id, at: $at) { codes { slot status } } }'
      const { key } = await app.ask<{ key: { codes: object[] } }, object>(document, { id: keyId, at: instant })
      return key.codes.length
    }
    expect(await shown(justBefore(overlapEnd))).toBe(3)
    expect(await shown(overlapEnd)).toBe(2)
  })

  test('names its chain of rotations as far as it went', async () => {
    const { keyId } = await app.createKey(await app.createKeyspace(accountId))
    const first = await later('rotateKey', { keyId })
    await later('rotateKey', { keyId })
    const past = (await keyAt(keyId, first))?.rotations
    expect(past).toMatchObject({ totalCount: 1, nodes: [{ rotatedAt: first, replacement: { status: 'VALID' } }] })
    const document = `query ($id: ID!, $at: DateTime!) { key(id: $id, at: $at) { rotations(first: 1) {
      nodes { rotatedAt } pageInfo { endCursor } } } }`
    type Answer = { key: { rotations: { nodes: object[]; pageInfo: { endCursor: string } } } }
    const now = (await app.ask<Answer, object>(document, { id: keyId, at: app.clock.now() })).key.rotations
    const next = document.replace('first: 1', `first: 1, after: "${now.pageInfo.endCursor}"`)
    const { key } = await app.ask<Answer, object>(next, { id: keyId, at: app.clock.now() })
    expect(key.rotations.nodes).toEqual([{ rotatedAt: first }])
  })
})

describe('other things, at a moment of the past,', () => {
  test('a keyspace, a policy and a user are what they were, under the name that the user has now', async () => {
    const keyspaceId = await app.createKeyspace(accountId, { prefix: 'old' })
    const policyId = await app.createPolicy(accountId, { permissions: ['a'] })
    const userId = await app.addUser(accountId, { externalId: 'zoe@example.org', displayName: 'Zoe' })
    const then = app.clock.now()
    await later('updateKeyspace', { keyspaceId, rules: { prefix: 'new' } })
    await later('updatePolicy', { policyId, permissions: ['b'] })
    await later('updateUser', { userId, displayName: 'Zoe Lee', role: 'AUDITOR' })
    const { keyspace } = await app.ask(KeyspaceAtDocument, { keyspaceId, at: then }, asReviewer())
    expect(keyspace).toMatchObject({ rules: { prefix: 'old' }, version: 1 })
    const { policy } = await app.ask(PolicyAtDocument, { policyId, at: then }, asReviewer())
    expect(policy).toMatchObject({ permissions: ['a'], version: 1 })
    const { user } = await app.ask(UserAtDocument, { userId, at: then }, asReviewer())
    expect(user).toMatchObject({ externalId: 'zoe@example.org', displayName: 'Zoe Lee', role: 'MEMBER', version: 1 })
  })

  test('a link tells what it told then of the key that it lets in', async () => {
    const { keyId } = await app.createForeignKey({ name: 'lent' })
    const linkId = await app.linkKey(accountId, keyId)
    const then = app.clock.now()
    await later('updateKey', { keyId, name: 'renamed' })
    await later('disableKey', { keyId })
    const { link } = await app.ask(LinkAtDocument, { linkId, at: then }, asReviewer())
    expect(link).toMatchObject({ keyName: 'lent', active: true, version: 1 })
    const now = (await app.ask(LinkAtDocument, { linkId, at: app.clock.now() }, asReviewer())).link
    expect(now).toMatchObject({ keyName: 'renamed', active: false })
  })

  test('the account ends with its last event of then', async () => {
    const { keyId } = await app.createKey(await app.createKeyspace(accountId))
    const position = async (at: string | null) => {
      const document = 'query ($id: ID!, $at: DateTime) { key(id: $id, at: $at) { account { position } } }'
      const { key } = await app.ask<{ key: { account: { position: string } } }, object>(document, { id: keyId, at })
      return Number(key.account.position)
    }
    const [then, before] = [app.clock.now(), await position(null)]
    await later('disableKey', { keyId })
    expect(await position(then)).toBe(before)
    expect(await position(app.clock.now())).toBe(before + 1)
  })
})

describe('what can not be told of the past', () => {
  /** Of the types whose rows come from a moment; what is not in here is of that moment. */
  const REFUSED = [
    'AccessCode.lastUsedAt',
    'Account.accessLog',
    'Account.events',
    'Account.keys',
    'Account.keyspace',
    'Account.keyspaces',
    'Account.links',
    'Account.policies',
    'Account.policy',
    'Account.user',
    'Account.users',
    'ApiKey.accessLog',
    'ApiKey.events',
    'ApiKey.lastUsedAt',
    'ApiKey.openRotations',
    'Keyspace.activeKeyCount',
    'Keyspace.events',
    'Keyspace.keys',
    'Rotation.cutOver',
    'User.defaultKey',
    'User.keys',
  ]
  const TYPES = ['Account', 'Keyspace', 'ApiKey', 'AccessCode', 'Rotation', 'Policy', 'User', 'KeyLink']

  test('is listed here, field by field', () => {
    const refused = fields.filter(({ of, field }) => TYPES.includes(of) && field.extensions.past !== true)
    expect(refused.map(({ of, name }: FieldOfSchema) => `${of}.${name}`).sort()).toEqual(REFUSED)
  })

  test.each([
    ['lastUsedAt', 'lastUsedAt'],
    ['events', 'events { nodes { id } }'],
    ['accessLog', 'accessLog { nodes { id } }'],
    ['keys', 'keyspace { keys { nodes { id } } }'],
    ['activeKeyCount', 'keyspace { activeKeyCount }'],
    ['keyspaces', 'account { keyspaces { nodes { id } } }'],
    ['defaultKey', 'owner { defaultKey(keyspaceId: "x") { id } }'],
    ['lastUsedAt', 'codes { lastUsedAt }'],
    ['users', 'codes { key { account { users { nodes { id } } } } }'],
  ])('%s is refused by name: %s', async (name, selection) => {
    const ownerId = await app.addUser(accountId)
    const { keyId } = await app.createKey(await app.createKeyspace(accountId), { ownerId })
    const document = `query ($id: ID!, $at: DateTime!) { key(id: $id, at: $at) { ${selection} } }`
    const { errors } = await app.execute<object, object>(document, { id: keyId, at: app.clock.now() })
    expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', issues: [{ path: [name] }] } }])
    expect(errors[0]?.message).toContain('can not be told of a past moment')
  })

  test('the future, by the name of the argument', async () => {
    const { keyId } = await app.createKey(await app.createKeyspace(accountId))
    const at = new Date(Date.parse(app.clock.now()) + 1).toISOString()
    const { data, errors } = await app.execute(KeyAtDocument, { keyId, at }, asReviewer())
    expect(data).toEqual({ key: null })
    expect(errors).toMatchObject([{ path: ['key'], extensions: { code: 'INVALID_INPUT', issues: [{ path: ['at'] }] } }])
  })
})

describe('who may not', () => {
  const things = ['key', 'code', 'keyspace', 'policy', 'user', 'link'] as const

  test.each(things)('read history is shown no %s of the past', async (thing) => {
    const blind = await app.createCredential(accountId, ['accounts.read', 'keys.read'])
    const document = `query ($at: DateTime) { ${thing}(id: "x", at: $at) { id } }`
    const { errors } = await app.execute<object, object>(document, { at: app.clock.now() }, { credential: blind })
    expect(errors).toMatchObject([
      { message: expect.stringContaining('events.read'), extensions: { code: 'FORBIDDEN' } },
    ])
    expect((await app.execute<object, object>(document, { at: null }, { credential: blind })).errors).toEqual([])
  })

  test('see a thing now is not shown it then', async () => {
    const other = await app.createAccount('Other')
    const stranger = await app.createCredential(other.accountId, ['*'])
    const keyspaceId = await app.createKeyspace(accountId)
    const { keyId, codeId } = await app.createKey(keyspaceId)
    const ids = {
      key: keyId,
      code: codeId,
      keyspace: keyspaceId,
      policy: await app.createPolicy(accountId),
      user: await app.addUser(accountId),
      link: await app.linkKey(accountId, (await app.createForeignKey()).keyId),
    }
    for (const thing of things) {
      const ask = async (credential: string) => {
        const document = `query ($id: ID!, $at: DateTime) { ${thing}(id: $id, at: $at) { id } }`
        return app.ask(document, { id: ids[thing], at: app.clock.now() }, { credential })
      }
      expect(await ask(stranger)).toEqual({ [thing]: null })
      expect(await ask(reviewer)).toEqual({ [thing]: { id: ids[thing] } })
    }
  })

  test('a MEMBER is not even by a key that grants everything', async () => {
    await app.addUser(accountId, { externalId: 'member', role: 'MEMBER' })
    const { secret } = await app.createKey(managementKeyspaceId, { permissions: ['*'], actsAs: 'member' })
    const { errors } = await app.execute(KeyAtDocument, { keyId: 'x', at: app.clock.now() }, { credential: secret })
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
  })
})
