// One default key for every user, whatever happens at once; and whoever is removed keeps no key that was theirs.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  AddUserDocument,
  CreateKeyDocument,
  DefaultKeyDocument,
  DeleteKeyDocument,
  RemoveUserDocument,
  RevokeKeyDocument,
  UpdateKeyspaceDocument,
} from '#test/generated/operations.ts'
import { atOnce, inspect, isSuccess, mutate, openArena, RACE_TIMEOUT_MS, rounds, tally, times } from './arena.ts'

const arena = await openArena()
const { app } = arena
let accountId: string
let keyspaceId: string
beforeAll(async () => {
  accountId = (await app.createAccount()).accountId
  keyspaceId = await app.createKeyspace(accountId, { defaultKeys: true, secretDisplay: 'REVEALABLE' })
})
afterAll(() => app.close())

let count = 0
const newUser = (accountId: string) => ({ accountId, externalId: `user-${count++}`, role: 'MEMBER' }) as const

/** Ids of the keys that are the user's default key in the keyspace, by the rows themselves. */
async function defaultsOf(userId: string, where = keyspaceId): Promise<readonly string[]> {
  const { rows } = await app.database.owner.pool.query<{ key_id: string }>(
    'SELECT key_id FROM state.key WHERE owner_id = $1 AND keyspace_id = $2 AND is_default AND revoked_at IS NULL',
    [userId, where],
  )
  return rows.map(({ key_id }) => key_id)
}

async function liveKeysOf(userId: string): Promise<number> {
  const { rowCount } = await app.database.owner.pool.query(
    'SELECT FROM state.key WHERE (owner_id = $1 OR acts_as_id = $1) AND revoked_at IS NULL',
    [userId],
  )
  return rowCount ?? 0
}

describe('default keys', { timeout: RACE_TIMEOUT_MS }, () => {
  test('ended by 20 at once are replaced once', async () => {
    await rounds(async (round) => {
      const userId = await app.addUser(accountId)
      const [keyId = ''] = await defaultsOf(userId)
      const document = round % 3 === 0 ? DeleteKeyDocument : RevokeKeyDocument
      const results = await atOnce(
        round,
        times(20, () => () => mutate(app, document as typeof RevokeKeyDocument, { keyId, reason: 'UNSPECIFIED' })),
      )
      expect(tally(results)).toEqual({ done: 20 })
      const replacements = results.filter(isSuccess).flatMap(({ replacement }) => replacement ?? [])
      expect(replacements).toHaveLength(1)
      const { user } = await app.ask(DefaultKeyDocument, { userId, keyspaceId })
      expect(await defaultsOf(userId)).toEqual([replacements[0]?.id])
      expect(user?.defaultKey).toMatchObject({ id: replacements[0]?.id, isDefault: true, status: 'ACTIVE' })
    })
  })

  test('come to those who are added while the rule is switched on, and to those who were there', async () => {
    await rounds(async (round) => {
      const { accountId } = await app.createAccount()
      const late = await app.createKeyspace(accountId, { secretDisplay: 'REVEALABLE' })
      const before = await app.addUser(accountId)
      const rules = { defaultKeys: true }
      const [switched, ...added] = await atOnce(round, [
        () => mutate(app, UpdateKeyspaceDocument, { keyspaceId: late, rules }),
        ...times(5, () => () => mutate(app, AddUserDocument, newUser(accountId))),
      ])
      expect(tally([switched as never, ...(added as never[])])).toEqual({ done: 6 })
      const users = [before, ...added.filter(isSuccess).map((one) => ('user' in one ? one.user.id : ''))]
      for (const userId of users) expect(await defaultsOf(userId, late)).toHaveLength(1)
    })
  })

  test('replaced while the rule is switched off and on are one each', async () => {
    await rounds(async (round) => {
      const userId = await app.addUser(accountId)
      const [keyId = ''] = await defaultsOf(userId)
      await atOnce(round, [
        () => mutate(app, RevokeKeyDocument, { keyId, reason: 'UNSPECIFIED' }),
        () => mutate(app, UpdateKeyspaceDocument, { keyspaceId, rules: { defaultKeys: false } }),
        () => mutate(app, UpdateKeyspaceDocument, { keyspaceId, rules: { defaultKeys: true } }),
      ])
      await mutate(app, UpdateKeyspaceDocument, { keyspaceId, rules: { defaultKeys: false } })
      await mutate(app, UpdateKeyspaceDocument, { keyspaceId, rules: { defaultKeys: true } })
      expect(await defaultsOf(userId)).toHaveLength(1)
    })
  })
})

describe('whoever is removed', { timeout: RACE_TIMEOUT_MS }, () => {
  test('keeps no key that is made for them at the same moment', async () => {
    await rounds(async (round) => {
      const externalId = `leaver-${round}`
      const userId = await app.addUser(accountId, { externalId })
      const makers = times(8, (n) => () => {
        const whose = n % 2 === 0 ? { ownerId: userId } : { actsAs: externalId }
        return mutate(app, CreateKeyDocument, { keyspaceId, name: 'late', ...whose })
      })
      const [removed, ...made] = await atOnce(round, [() => mutate(app, RemoveUserDocument, { userId }), ...makers])
      const outcomes = Object.keys(tally(made as never[]))
      expect(['done', 'NOT_FOUND']).toEqual(expect.arrayContaining(outcomes))
      // Those that kept coming first may have made it give up; nothing is half done then.
      if (!isSuccess(removed as never))
        expect(await mutate(app, RemoveUserDocument, { userId })).toMatchObject({ userId })
      expect(await liveKeysOf(userId)).toBe(0)
    })
  })

  test('keeps no replacement of a default key that is ended at the same moment', async () => {
    await rounds(async (round) => {
      const userId = await app.addUser(accountId)
      const [keyId = ''] = await defaultsOf(userId)
      await atOnce(round, [
        () => mutate(app, RemoveUserDocument, { userId }),
        () => mutate(app, RevokeKeyDocument, { keyId, reason: 'UNSPECIFIED' }),
        () => mutate(app, DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' }),
      ])
      expect(await mutate(app, RemoveUserDocument, { userId })).toMatchObject({ userId })
      expect(await liveKeysOf(userId)).toBe(0)
    })
  })
})

test('all the while, whoever followed the log missed nothing and met no hole', () => inspect(arena))
