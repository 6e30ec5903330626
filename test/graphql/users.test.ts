// The directory as clients see it, over HTTP.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  AddUserDocument,
  EventsDocument,
  NodeDocument,
  RemoveUserDocument,
  UpdateUserDocument,
  UserByExternalIdDocument,
  UserDocument,
  UsersDocument,
} from '#test/generated/operations.ts'
import { startTestApp, type TestApp } from '#test/support/app.ts'
import { isSuccess, mutate } from '../races/arena.ts'

let app: TestApp
let accountId: string
beforeAll(async () => {
  app = await startTestApp()
  accountId = (await app.createAccount()).accountId
})
afterAll(() => app.close())

async function add(externalId: string, input: { displayName?: string } = {}) {
  const result = await mutate(app, AddUserDocument, { accountId, externalId, role: 'MEMBER', ...input })
  if (!isSuccess(result)) throw new Error(result.code)
  return result.user
}

describe('a user', () => {
  test('is found by id, as a node, by external id and in the list until removed', async () => {
    const { id: userId } = await add('kharnagy@domain.corp', { displayName: 'Kálmán' })
    const { user } = await app.ask(UserDocument, { userId })
    expect(user).toMatchObject({
      externalId: 'kharnagy@domain.corp',
      displayName: 'Kálmán',
      role: 'MEMBER',
      permissions: [],
      removedAt: null,
      account: { id: accountId },
      version: 1,
    })
    expect(await app.ask(NodeDocument, { id: userId })).toMatchObject({ node: { __typename: 'User', role: 'MEMBER' } })
    const byExternalId = (externalId: string) => app.ask(UserByExternalIdDocument, { accountId, externalId })
    expect((await byExternalId('kharnagy@domain.corp')).account?.user?.id).toBe(userId)
    expect((await byExternalId('Kharnagy@domain.corp')).account?.user).toBeNull()
    const listed = async () => (await app.ask(UsersDocument, { accountId })).account?.users?.nodes.map(({ id }) => id)
    expect(await listed()).toContain(userId)

    await mutate(app, RemoveUserDocument, { userId })
    expect(await listed()).not.toContain(userId)
    expect((await byExternalId('kharnagy@domain.corp')).account?.user).toBeNull()
    expect((await app.ask(UserDocument, { userId })).user?.removedAt).toEqual(expect.any(String))
  })

  test('is paged through, newest first', async () => {
    const other = (await app.createAccount('Paged')).accountId
    const made: string[] = []
    for (const n of [1, 2, 3]) {
      const result = await mutate(app, AddUserDocument, { accountId: other, externalId: `u${n}`, role: 'VERIFIER' })
      if (isSuccess(result)) made.unshift(result.user.id)
      app.clock.advance(1_000)
    }
    const seen: string[] = []
    for (let after: string | null | undefined; ; ) {
      const { account } = await app.ask(UsersDocument, { accountId: other, first: 2, after })
      seen.push(...(account?.users?.nodes ?? []).map(({ id }) => id))
      expect(account?.users?.totalCount).toBe(3)
      if (!account?.users?.pageInfo.hasNextPage) break
      after = account.users.pageInfo.endCursor
    }
    expect(seen).toEqual(made)
  })

  test('is named in summaries as they are called now, and nowhere else in history', async () => {
    const { id: userId } = await add('named@example.org', { displayName: 'Before' })
    await mutate(app, UpdateUserDocument, { userId, displayName: 'After' })
    const { account } = await app.ask(EventsDocument, { accountId, filter: { subjectId: userId } })
    expect(account?.events?.nodes.map(({ summary }) => summary)).toEqual([
      expect.stringMatching(/^root added user After as MEMBER, /),
      'root changed the display name of user After',
    ])
    await mutate(app, UpdateUserDocument, { userId, displayName: null })
    const again = await app.ask(EventsDocument, { accountId, filter: { subjectId: userId } })
    expect(again.account?.events?.nodes[0]?.summary).toMatch(/^root added user named@example.org as MEMBER, /)
  })

  test('that was erased says so', async () => {
    const { id: userId } = await add('erased@example.org')
    await app.database.owner.pool.query('DELETE FROM vault.user_key WHERE user_id = $1', [userId])
    const { user } = await app.ask(UserDocument, { userId })
    expect(user).toMatchObject({ externalId: '(erased)', displayName: null })
    const { account } = await app.ask(EventsDocument, { accountId, filter: { subjectId: userId } })
    expect(account?.events?.nodes[0]?.summary).toMatch(/^root added an erased user as MEMBER, /)
  })
})

describe('the directory', () => {
  test('is read with accounts.read alone, and changed with users.write alone', async () => {
    const { id: userId } = await add('guarded@example.org')
    const reader = await app.createCredential(accountId, ['accounts.read'])
    const others = await app.createCredential(accountId, ['keys.read', 'keys.write', 'events.read', 'users.write'])
    expect((await app.ask(UserDocument, { userId }, { credential: reader })).user?.externalId).toBe(
      'guarded@example.org',
    )
    const denied = await app.execute(UserDocument, { userId }, { credential: others })
    expect(denied).toMatchObject({ data: { user: null }, errors: [{ extensions: { code: 'FORBIDDEN' } }] })
    const node = await app.execute(NodeDocument, { id: userId }, { credential: others })
    expect(node.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    const input = { userId, displayName: 'x' }
    expect((await app.execute(UpdateUserDocument, { input }, { credential: reader })).errors).toMatchObject([
      { extensions: { code: 'FORBIDDEN' } },
    ])
    await app.ask(UpdateUserDocument, { input }, { credential: others })
  })
})
