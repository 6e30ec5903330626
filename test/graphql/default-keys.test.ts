// Default keys as a client of the API meets them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  AddUserDocument,
  CreateKeyspaceDocument,
  DefaultKeyDocument,
  DeleteKeyDocument,
  EventsDocument,
  KeyDocument,
  RemoveUserDocument,
  RevokeKeyDocument,
  UpdateKeyDocument,
  UpdateKeyspaceDocument,
  VerifyKeyDocument,
} from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'

const NAME = 'Auto-Generated API Key (Created By System)'

const app = await startTestApp()
let accountId: string
let keyspaceId: string
beforeAll(async () => {
  accountId = (await app.createAccount()).accountId
  const rules = { prefix: 'akm', secretDisplay: 'REVEALABLE', defaultKeys: true, defaultKeyName: NAME } as const
  const { createKeyspace } = await app.ask(CreateKeyspaceDocument, { input: { accountId, name: 'personal', rules } })
  if (createKeyspace.__typename !== 'CreateKeyspaceSuccess') throw new Error(createKeyspace.code)
  expect(createKeyspace.keyspace.rules).toMatchObject({ defaultKeys: true, defaultKeyName: NAME })
  keyspaceId = createKeyspace.keyspace.id
})
afterAll(() => app.close())

async function add(externalId: string, role: 'ADMINISTRATOR' | 'MEMBER' = 'ADMINISTRATOR') {
  const { addUser } = await app.ask(AddUserDocument, { input: { accountId, externalId, role } })
  if (addUser.__typename !== 'AddUserSuccess') throw new Error(addUser.code)
  return addUser
}

const defaultKeyOf = async (userId: string, where = keyspaceId) =>
  (await app.ask(DefaultKeyDocument, { userId, keyspaceId: where })).user?.defaultKey ?? null
const verdictOn = async (key: string | null | undefined) =>
  (await app.ask(VerifyKeyDocument, { input: { key: key ?? '' } })).verifyKey

describe('a default key', () => {
  test('comes with the user, made by the system, and is told of with its secret', async () => {
    const { user, issued, events } = await add('ann')
    expect(events.map(({ summary }) => summary)).toEqual([
      'root added user ann as ADMINISTRATOR, who may do * in the application',
      `system created default key ${NAME} in keyspace personal for ann with permissions *`,
      expect.stringMatching(/^system issued PRIMARY code akm_/),
    ])
    const key = await defaultKeyOf(user.id)
    expect(key).toMatchObject({ name: NAME, isDefault: true, status: 'ACTIVE' })
    expect(issued).toMatchObject([{ accessCode: { key: { id: key?.id } }, secret: expect.stringMatching(/^akm_/) }])
    const whole = (await app.ask(KeyDocument, { keyId: key?.id ?? '' })).key
    expect(whole).toMatchObject({
      owner: { id: user.id },
      actsAs: { id: user.id },
      permissions: ['*'],
      createdBy: { kind: 'SYSTEM', actorId: null, label: 'system' },
    })
    expect(await verdictOn(issued[0]?.secret)).toMatchObject({ code: 'VALID', owner: 'ann', actsAs: 'ann' })
  })

  test('that is revoked or deleted is answered with what took its place', async () => {
    const { user, issued } = await add('bob')
    let [last] = issued
    for (const document of [RevokeKeyDocument, DeleteKeyDocument]) {
      const before = await defaultKeyOf(user.id)
      const input = { keyId: before?.id ?? '', reason: 'KEY_COMPROMISE' } as const
      const answer = await app.ask(document as typeof RevokeKeyDocument, { input })
      const [ended] = Object.values(answer) as (typeof answer.revokeKey)[]
      if (ended === undefined || !('replacement' in ended)) throw new Error(JSON.stringify(ended))
      const after = await defaultKeyOf(user.id)
      expect(after?.id).not.toBe(before?.id)
      expect(ended.replacement).toMatchObject({ id: after?.id, name: NAME })
      expect((await verdictOn(last?.secret)).code).toBe('REVOKED')
      expect((await verdictOn(ended.issued[0]?.secret)).code).toBe('VALID')
      const gone = (await app.ask(KeyDocument, { keyId: before?.id ?? '' })).key
      expect(gone).toMatchObject({ isDefault: false })
      last = ended.issued[0] as typeof last
    }
  })

  test('has no replacement where it is none', async () => {
    const { keyId } = await app.createKey(keyspaceId)
    const { revokeKey } = await app.ask(RevokeKeyDocument, { input: { keyId, reason: 'UNSPECIFIED' } })
    expect(revokeKey).toMatchObject({ replacement: null, issued: [] })
  })

  test('keeps its user, and says so', async () => {
    const { user } = await add('carol')
    const key = await defaultKeyOf(user.id)
    const { updateKey } = await app.ask(UpdateKeyDocument, { input: { keyId: key?.id ?? '', ownerId: null } })
    expect(updateKey).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [
        { path: ['ownerId'], message: 'must stay as it is: a default key belongs to its user, and acts as them' },
      ],
    })
  })

  test('is an ordinary key, and nobody’s default, while the rule is off', async () => {
    const { user } = await add('dave')
    const key = await defaultKeyOf(user.id)
    const change = (defaultKeys: boolean) =>
      app.ask(UpdateKeyspaceDocument, { input: { keyspaceId, rules: { defaultKeys } } })
    expect((await change(false)).updateKeyspace).toMatchObject({
      events: [{ summary: 'root changed keyspace personal: default keys now off' }],
    })
    expect(await defaultKeyOf(user.id)).toBeNull()
    expect((await app.ask(KeyDocument, { keyId: key?.id ?? '' })).key).toMatchObject({ isDefault: false })
    await change(true)
    expect(await defaultKeyOf(user.id)).toMatchObject({ id: key?.id, isDefault: true })
  })

  test('goes with its user, for good', async () => {
    const { user, issued } = await add('erin')
    const { removeUser } = await app.ask(RemoveUserDocument, { input: { userId: user.id } })
    expect(removeUser).toMatchObject({
      events: [
        { summary: 'root removed user erin for good' },
        {
          summary: `root revoked key ${NAME} because whoever it was for has left or changed; all its codes stopped at once and for good`,
        },
      ],
    })
    expect((await verdictOn(issued[0]?.secret)).code).toBe('REVOKED')
    expect(await defaultKeyOf(user.id)).toBeNull()
  })

  test('is found by who may read keys, in their own account only', async () => {
    const { user } = await add('frank')
    const stranger = await app.createAccount()
    const theirs = await app.createKeyspace(stranger.accountId, { secretDisplay: 'REVEALABLE', defaultKeys: true })
    for (const where of [theirs, 'nonsense', accountId, '']) expect(await defaultKeyOf(user.id, where)).toBeNull()
    const credential = await app.createCredential(accountId, ['accounts.read'])
    const { data, errors } = await app.execute(DefaultKeyDocument, { userId: user.id, keyspaceId }, { credential })
    expect(data).toEqual({ user: { id: user.id, defaultKey: null } })
    expect(errors.map(({ extensions }) => extensions?.code)).toEqual(['FORBIDDEN'])
  })
})

test('those who are there get theirs before the answer that switches the rule on', async () => {
  const { accountId } = await app.createAccount()
  const users = await Promise.all(Array.from({ length: 30 }, () => app.addUser(accountId)))
  const late = await app.createKeyspace(accountId, { secretDisplay: 'REVEALABLE' })
  const input = { keyspaceId: late, rules: { defaultKeys: true } }
  const { updateKeyspace } = await app.ask(UpdateKeyspaceDocument, { input })
  expect(updateKeyspace).toMatchObject({ events: [{}] })
  const keys = await Promise.all(users.map((userId) => defaultKeyOf(userId, late)))
  expect(new Set(keys.map((key) => key?.id)).size).toBe(30)
  expect(keys).not.toContain(null)
  const { account } = await app.ask(EventsDocument, { accountId, filter: { types: ['key.created'] } })
  expect(account?.events?.nodes.map(({ actor }) => actor)).toEqual(
    users.map(() => expect.objectContaining({ label: 'system' })),
  )
})
