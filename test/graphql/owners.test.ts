// Whose keys are, and as whom they act, as a client of the API meets it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateKeyDocument,
  KeyDocument,
  KeysDocument,
  KeysOfUserDocument,
  UpdateKeyDocument,
  VerifyKeyDocument,
  ViewerDocument,
} from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'

const app = await startTestApp()
let accountId: string
let managementKeyspaceId: string
let keyspaceId: string
beforeAll(async () => {
  const made = await app.createAccount()
  accountId = made.accountId
  managementKeyspaceId = made.managementKeyspaceId
  keyspaceId = await app.createKeyspace(accountId)
})
afterAll(() => app.close())

describe('a key', () => {
  test('says whose it is and as whom it acts, in lists, verdicts and history too', async () => {
    const ann = await app.addUser(accountId, { externalId: 'Ann', permissions: ['ads.read'] })
    const bob = await app.addUser(accountId, { externalId: 'Bob' })
    const input = { keyspaceId, name: 'shared', ownerId: ann, actsAs: 'Ann', permissions: ['ads.*'] }
    const { createKey: made } = await app.ask(CreateKeyDocument, { input })
    if (made.__typename !== 'CreateKeySuccess') throw new Error(made.code)
    const users = { owner: { id: ann, externalId: 'Ann' }, actsAs: { id: ann, externalId: 'Ann' } }
    expect(made.key).toMatchObject({ ...users, permissions: ['ads.*'], effectivePermissions: ['ads.read'] })
    const keyId = made.key.id
    expect((await app.ask(KeyDocument, { keyId })).key).toMatchObject(users)
    const { verifyKey } = await app.ask(VerifyKeyDocument, { input: { key: made.issued[0]?.secret ?? '' } })
    expect(verifyKey).toMatchObject({ code: 'VALID', owner: 'Ann', actsAs: 'Ann', permissions: ['ads.read'] })

    const { updateKey } = await app.ask(UpdateKeyDocument, { input: { keyId, ownerId: bob, actsAs: null } })
    expect(updateKey).toMatchObject({
      key: { owner: { id: bob }, actsAs: null, effectivePermissions: ['ads.*'] },
      events: [{ summary: expect.stringMatching(/^root changed key shared: owner now .*; user it acts as now /) }],
    })
    const filter = { ownerId: bob }
    expect((await app.ask(KeysDocument, { accountId, filter })).account?.keys?.nodes).toMatchObject([{ id: keyId }])
    const history = '{ key(id: "ID") { events { nodes { data } } } }'.replace('ID', keyId)
    const { key } = await app.ask<Record<'key', { events: { nodes: { data: object }[] } }>, object>(history)
    expect(key.events.nodes.map(({ data }) => data)).toMatchObject([
      { ownerId: ann, actsAsId: ann },
      {},
      { ownerId: bob, actsAsId: null },
    ])
  })

  test('that a user owns is among theirs, management keys too, deleted ones not', async () => {
    const userId = await app.addUser(accountId)
    const ids: string[] = []
    for (const within of [keyspaceId, managementKeyspaceId, keyspaceId]) {
      app.clock.advance(1_000)
      ids.unshift((await app.createKey(within, { ownerId: userId })).keyId)
    }
    const listed = async () => (await app.ask(KeysOfUserDocument, { userId })).user?.keys
    expect(await listed()).toMatchObject({ nodes: ids.map((id) => ({ id })), totalCount: 3 })
    await app.ask('mutation ($input: DeleteKeyInput!) { deleteKey(input: $input) { __typename } }', {
      input: { keyId: ids[0] },
    })
    expect(await listed()).toMatchObject({ nodes: ids.slice(1).map((id) => ({ id })), totalCount: 2 })
    const first = (await app.ask(KeysOfUserDocument, { userId, first: 1 })).user?.keys
    const second = await app.ask(KeysOfUserDocument, { userId, first: 1, after: first?.pageInfo.endCursor })
    expect(second.user?.keys).toMatchObject({ nodes: [{ id: ids[2] }], pageInfo: { hasNextPage: false } })
  })
})

test('a caller by a management key that acts as a user is that user, in history too', async () => {
  const userId = await app.addUser(accountId, { externalId: 'carol', displayName: 'Carol', role: 'ADMINISTRATOR' })
  const permissions = ['keys.read', 'keys.write']
  const { secret: credential } = await app.createKey(managementKeyspaceId, { actsAs: 'carol', permissions })
  expect(await app.ask(ViewerDocument, {}, { credential })).toEqual({
    viewer: { kind: 'USER', viewerId: userId, label: 'Carol', account: { id: accountId, name: 'Acme' }, permissions },
  })
  const { createKey: made } = await app.ask(CreateKeyDocument, { input: { keyspaceId, name: 'hers' } }, { credential })
  if (made.__typename !== 'CreateKeySuccess') throw new Error(made.code)
  const { key } = await app.ask(KeyDocument, { keyId: made.key.id })
  expect(key?.createdBy).toEqual({ kind: 'USER', actorId: userId, label: 'Carol' })
})
