// Personal keys: each user of a platform has one that is there without asking, may make more, and with any of them does what they
// may do themselves, without having to sign in.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import {
  AddUserDocument,
  CreateKeyDocument,
  type CreateKeyInput,
  CreateKeyspaceDocument,
  DefaultKeyDocument,
  DeleteKeyDocument,
  EnableKeyDocument,
  KeyDocument,
  KeysOfUserDocument,
  MyKeysDocument,
  RemoveUserDocument,
  RevealCodeDocument,
  RevokeKeyDocument,
  RotateKeyDocument,
  UpdateKeyDocument,
  UpdateKeyspaceDocument,
  UpdateUserDocument,
} from '#test/generated/operations.ts'
import { type Scenario, startScenario } from '#test/support/scenario.ts'
import { PATIENTLY } from '#test/support/wait.ts'

const DEFAULT_NAME = 'Auto-Generated API Key (Created By System)'
const RULES = {
  prefix: 'akm',
  liveCodesMax: 1,
  secretDisplay: 'REVEALABLE',
  defaultKeys: true,
  defaultKeyName: DEFAULT_NAME,
  managedBy: 'OWNERS',
} as const

let at: Scenario
let keyspaceId: string
beforeAll(async () => {
  at = await startScenario()
  keyspaceId = await createKeyspace('Platform', RULES)
})
afterAll(() => at.close())

async function createKeyspace(name: string, rules: object): Promise<string> {
  return (await at.done(CreateKeyspaceDocument, { accountId: at.accountId, name, rules })).keyspace.id
}

type Person = { readonly userId: string; readonly externalId: string; readonly credential: string }

/** A user who has signed in. */
async function add(permissions: readonly string[] = ['reports.read', 'reports.export']): Promise<Person> {
  const externalId = `${crypto.randomUUID()}@example.org`
  const { user } = await at.done(AddUserDocument, { accountId: at.accountId, externalId, role: 'MEMBER', permissions })
  const credential = await at.signIn(externalId)
  return { userId: user.id, externalId, credential }
}

async function defaultOf({ userId }: Person, within = keyspaceId) {
  const { user } = await at.ask(DefaultKeyDocument, { userId, keyspaceId: within })
  if (user?.defaultKey == null) throw new Error('There is none')
  return { keyId: user.defaultKey.id, name: user.defaultKey.name, codeId: user.defaultKey.codes[0]?.id ?? '' }
}

const reveal = async (codeId: string, credential?: string) =>
  (await at.done(RevealCodeDocument, { codeId }, credential)).secret

const inputFor = (more: Partial<CreateKeyInput> = {}): CreateKeyInput => ({
  keyspaceId,
  name: 'Day to day reports',
  enabled: true,
  permissions: ['reports.read'],
  ...more,
})

async function create({ credential }: Person, more: Partial<CreateKeyInput> = {}) {
  const { key, issued } = await at.done(CreateKeyDocument, inputFor(more), credential)
  return { keyId: key.id, codeId: issued[0]?.accessCode.id ?? '', secret: issued[0]?.secret ?? '' }
}

const listOf = async ({ credential }: Person) =>
  (await at.ask(MyKeysDocument, { filter: { keyspaceId }, first: 100 }, credential)).viewer.account?.keys?.nodes ?? []
const verdictOn = async (key: string, permission = 'reports.read') =>
  (await at.verify({ key, keyspaceId, permission })).code

describe('M1 the default key', () => {
  test('M1 is made with the user, by the system, and named as it was agreed', async () => {
    const externalId = 'ann@example.org'
    const { user, issued } = await at.done(AddUserDocument, { accountId: at.accountId, externalId, role: 'MEMBER' })
    expect(issued).toHaveLength(1)
    const { keyId, name, codeId } = await defaultOf({ userId: user.id, externalId, credential: '' })
    expect([name, codeId]).toEqual([DEFAULT_NAME, issued[0]?.accessCode.id])
    expect((await at.ask(KeyDocument, { keyId })).key).toMatchObject({
      isDefault: true,
      owner: { id: user.id },
      createdBy: { kind: 'SYSTEM' },
      status: 'ACTIVE',
    })
  })

  test('M1 is one for each user, also for those who were there before the rule', async () => {
    const before = await Promise.all([add(), add(), add()])
    const later = await createKeyspace('Another platform', { ...RULES, defaultKeys: false })
    await at.done(UpdateKeyspaceDocument, { keyspaceId: later, rules: { defaultKeys: true } })
    const after = await add()
    const keyIds = await Promise.all([...before, after].map(async (person) => (await defaultOf(person, later)).keyId))
    expect(new Set(keyIds).size).toBe(4)
    for (const { userId } of [...before, after]) {
      const { user } = await at.ask(KeysOfUserDocument, { userId })
      expect(user?.keys?.nodes.filter(({ keyspace }) => keyspace.id === later)).toHaveLength(1)
    }
  })
})

describe('M2 more keys', () => {
  test('M2 are made at will, beside the default one', async () => {
    const person = await add()
    const { keyId } = await defaultOf(person)
    const own = [await create(person), await create(person), await create(person)]
    expect((await defaultOf(person)).keyId).toBe(keyId)
    const list = await listOf(person)
    expect(list.map(({ id }) => id).sort()).toEqual([keyId, ...own.map(({ keyId }) => keyId)].sort())
    expect(list.filter(({ isDefault }) => isDefault)).toHaveLength(1)
  })
})

describe('M3 the end of a default key', () => {
  test.each(['revoke', 'delete'])('M3 %s it, and there is a new one with a new secret', async (how) => {
    const person = await add()
    const { keyId, codeId } = await defaultOf(person)
    const secret = await reveal(codeId)
    const document = how === 'revoke' ? RevokeKeyDocument : (DeleteKeyDocument as never as typeof RevokeKeyDocument)
    const { replacement, issued } = await at.done(document, { keyId, reason: 'UNSPECIFIED' }, person.credential)
    expect(replacement).toMatchObject({ name: DEFAULT_NAME })
    expect(replacement?.id).not.toBe(keyId)
    expect((await defaultOf(person)).keyId).toBe(replacement?.id)
    expect([await verdictOn(secret), await verdictOn(issued[0]?.secret ?? '')]).toEqual(['REVOKED', 'VALID'])
  })

  test('M3 twenty at once leave exactly one', async () => {
    const person = await add()
    const { keyId } = await defaultOf(person)
    await Promise.all(Array.from({ length: 20 }, () => at.done(DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' })))
    expect((await listOf(person)).filter(({ isDefault }) => isDefault)).toHaveLength(1)
  })

  test('M3 the end of another key brings none', async () => {
    const person = await add()
    const { keyId } = await create(person)
    const { replacement, issued } = await at.done(
      RevokeKeyDocument,
      { keyId, reason: 'UNSPECIFIED' },
      person.credential,
    )
    expect([replacement, issued]).toEqual([null, []])
  })
})

describe('M4 the list', () => {
  test('M4 shows name, the key itself, last use, expiry and status', async () => {
    const person = await add()
    const expiresAt = plusMs(at.clock.now(), DAY_MS)
    const { keyId, secret } = await create(person, { expiresAt })
    expect(await verdictOn(secret)).toBe('VALID')
    const row = await vi.waitFor(async () => {
      const found = (await listOf(person)).find(({ id }) => id === keyId)
      expect(found?.lastUsedAt).toBe(at.clock.now())
      return found
    }, PATIENTLY)
    expect(row).toMatchObject({ name: 'Day to day reports', expiresAt, status: 'ACTIVE', isDefault: false })
    expect(await reveal(row?.codes[0]?.id ?? '', person.credential)).toBe(secret)
  })

  test('M4 offers to copy, edit, revoke and delete a key', async () => {
    const person = await add()
    const { keyId, codeId, secret } = await create(person)
    expect(await reveal(codeId, person.credential)).toBe(secret)
    await at.done(UpdateKeyDocument, { keyId, name: 'Exports' }, person.credential)
    expect((await listOf(person)).find(({ id }) => id === keyId)).toMatchObject({ name: 'Exports' })
    await at.done(RevokeKeyDocument, { keyId, reason: 'UNSPECIFIED' }, person.credential)
    expect(await verdictOn(secret)).toBe('REVOKED')
    expect((await listOf(person)).find(({ id }) => id === keyId)).toMatchObject({ status: 'REVOKED' })
    await at.done(DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' }, person.credential)
    expect((await listOf(person)).map(({ id }) => id)).not.toContain(keyId)
  })

  test('M4 has what is theirs and nothing of anybody else', async () => {
    const [person, other] = [await add(), await add()]
    const { keyId, codeId } = await create(other)
    const own = await defaultOf(person)
    expect((await listOf(person)).map(({ id }) => id)).toEqual([own.keyId])
    expect((await at.ask(KeyDocument, { keyId }, person.credential)).key).toBeNull()
    const refusals = [
      await at.refused(UpdateKeyDocument, { keyId, name: 'Mine' }, person.credential),
      await at.refused(RevokeKeyDocument, { keyId, reason: 'UNSPECIFIED' }, person.credential),
      await at.refused(RotateKeyDocument, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }, person.credential),
      await at.refused(RevealCodeDocument, { codeId }, person.credential),
    ]
    expect(refusals.map(({ code }) => code)).toEqual(Array(4).fill('NOT_FOUND'))
    expect((await at.download(codeId, person.credential)).status).toBe(404)
    expect((await at.ask(KeyDocument, { keyId })).key).toMatchObject({ status: 'ACTIVE' })
  })
})

describe('M5 creating a key', () => {
  test('M5 takes a name, and an expiry if wanted', async () => {
    const person = await add()
    const { keyId } = await create(person, { name: 'Ad media' })
    expect((await at.ask(KeyDocument, { keyId })).key).toMatchObject({ name: 'Ad media', expiresAt: null })
    const refusal = await at.refused(CreateKeyDocument, inputFor({ name: '' }), person.credential)
    expect(refusal).toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('M5 switched on or off', async () => {
    const person = await add()
    const { keyId, secret } = await create(person, { enabled: false })
    expect(await verdictOn(secret)).toBe('DISABLED')
    await at.done(EnableKeyDocument, { keyId }, person.credential)
    expect(await verdictOn(secret)).toBe('VALID')
  })
})

describe('M6 an expired key', () => {
  test('M6 opens nothing any more', async () => {
    const person = await add()
    const { keyId, secret } = await create(person, { expiresAt: plusMs(at.clock.now(), DAY_MS) })
    expect(await verdictOn(secret)).toBe('VALID')
    at.clock.advance(DAY_MS)
    expect(await verdictOn(secret)).toBe('EXPIRED')
    expect((await at.ask(KeyDocument, { keyId })).key).toMatchObject({ status: 'EXPIRED' })
    const headers = { 'x-api-key': secret }
    expect(await at.present({ keyspaceId, permission: 'reports.read', headers })).toBe('401 EXPIRED')
  })
})

describe('M7 a key stands for its user', () => {
  test('M7 the platform is told who it is, and need not ask them to sign in', async () => {
    const person = await add()
    const { secret } = await create(person)
    expect(await at.verify({ key: secret, keyspaceId })).toMatchObject({
      code: 'VALID',
      owner: person.externalId,
      actsAs: person.externalId,
    })
  })

  test('M7 the default key may do what its user may, at that moment', async () => {
    const person = await add(['reports.read'])
    const secret = await reveal((await defaultOf(person)).codeId)
    const may = () => Promise.all(['reports.read', 'ads.read'].map((permission) => verdictOn(secret, permission)))
    expect(await may()).toEqual(['VALID', 'INSUFFICIENT_PERMISSIONS'])
    await at.done(UpdateUserDocument, { userId: person.userId, permissions: ['ads.*'] })
    expect(await may()).toEqual(['INSUFFICIENT_PERMISSIONS', 'VALID'])
  })

  test('M7 nobody makes a key for more than they may, or for somebody else', async () => {
    const [person, other] = [await add(['reports.read']), await add()]
    const more = inputFor({ permissions: ['ads.read'] })
    expect(await at.refused(CreateKeyDocument, more, person.credential)).toMatchObject({ code: 'GRANT_EXCEEDS_CALLER' })
    const mine = { permissions: ['reports.read'] }
    for (const theirs of [{ ownerId: other.userId }, { actsAs: other.externalId }])
      await at.refused(CreateKeyDocument, inputFor({ ...mine, ...theirs }), person.credential)
    expect((await listOf(other)).length).toBe(1)
  })
})

describe('removing a user', () => {
  test('M1 ends all keys that stand for them at once, and none takes the place of the default one', async () => {
    const [person, other] = [await add(), await add()]
    const secrets = [await reveal((await defaultOf(person)).codeId), (await create(person)).secret]
    const theirs = (await create(other)).secret
    await at.done(RemoveUserDocument, { userId: person.userId })
    expect(await Promise.all(secrets.map((secret) => verdictOn(secret)))).toEqual(['REVOKED', 'REVOKED'])
    expect(await verdictOn(theirs)).toBe('VALID')
    expect(await at.denied(MyKeysDocument, {}, person.credential)).toEqual(['UNAUTHENTICATED'])
    const { account } = await at.ask<Keys, object>(
      'query ($id: ID!, $filter: KeyFilter) { account(id: $id) { keys(filter: $filter) { nodes { status revocation { reason } } } } }',
      { id: at.accountId, filter: { ownerId: person.userId, keyspaceId } },
    )
    const ended = { status: 'REVOKED', revocation: { reason: 'AFFILIATION_CHANGED' } }
    expect(account.keys.nodes).toEqual([ended, ended])
  })

  type Keys = { readonly account: { readonly keys: { readonly nodes: readonly object[] } } }
})

test('nothing of this leaves a plaintext where none must be', async () => {
  expect(await at.plaintextsLeft()).toEqual([])
})
