// Removing a user ends what was theirs in the same transaction.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deleteKey } from '#commands/delete-key.ts'
import { removeUser } from '#commands/remove-user.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { checkState } from '#state/check.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { verifyKeys } from '#verify/verify-keys.ts'

const DEFAULT_KEYS = { defaultKeys: true, secretDisplay: 'REVEALABLE' }

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let keyspaceId: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  keyspaceId = await at.createKeyspace(account.accountId)
})
afterAll(async () => {
  expect(await checkState(database.owner)).toMatchObject({ difference: null })
  await database.drop()
})

const keysOf = async (...ids: readonly string[]) =>
  new Map(
    (await database.owner.kysely.selectFrom('state.key').selectAll().where('key_id', 'in', ids).execute()).map(
      (key) => [key.key_id, key],
    ),
  )

async function verdictsOn(...secrets: readonly (string | undefined)[]) {
  const verdicts = await verifyKeys(
    at,
    at.root.caller,
    secrets.map((key) => ({ key: key ?? '' })),
  )
  return verdicts.map(({ code }) => code)
}

describe('removing a user', () => {
  test('revokes the keys they own and those that act as them, whosever they are, and no other', async () => {
    const userId = await at.addUser(account.accountId, { externalId: 'leaver', permissions: ['*'] })
    const other = await at.addUser(account.accountId, { externalId: 'stayer', permissions: ['*'] })
    const owned = await at.createKey(keyspaceId, { ownerId: userId })
    const acting = await at.createKey(keyspaceId, { ownerId: other, actsAs: 'leaver' })
    const both = await at.createKey(keyspaceId, { ownerId: userId, actsAs: 'leaver' })
    const management = await at.createKey(account.managementKeyspaceId, { actsAs: 'leaver' })
    const others = await at.createKey(keyspaceId, { ownerId: other, actsAs: 'stayer' })
    const nobodys = await at.createKey(keyspaceId)
    const caller = await at.createCaller(account, ['users.write'])
    const { eventIds } = await at.done(removeUser, { userId }, caller.origin)

    const ended = [owned, acting, both, management]
    const keys = await keysOf(...[...ended, others, nobodys].map(({ keyId }) => keyId))
    for (const { keyId } of ended)
      expect(keys.get(keyId)).toMatchObject({
        revocation_reason: 'AFFILIATION_CHANGED',
        revocation_note: null,
        revoked_by_kind: 'KEY',
        revoked_by_id: caller.keyId,
      })
    expect(keys.get(others.keyId)?.revoked_at).toBeNull()
    expect(keys.get(nobodys.keyId)?.revoked_at).toBeNull()
    expect(await verdictsOn(...[owned, acting, both, others, nobodys].map(({ secrets }) => secrets[0]))).toEqual([
      'REVOKED',
      'REVOKED',
      'REVOKED',
      'VALID',
      'VALID',
    ])
    const { rows } = await database.owner.pool.query<{ type: string }>(
      'SELECT type FROM log.event WHERE event_id = ANY ($1) ORDER BY position',
      [eventIds],
    )
    expect(rows.map(({ type }) => type)).toEqual(['user.removed', ...ended.map(() => 'key.revoked')])
  })

  test('leaves keys alone that had ended before', async () => {
    const userId = await at.addUser(account.accountId)
    const [revoked, deleted] = [
      await at.createKey(keyspaceId, { ownerId: userId }),
      await at.createKey(keyspaceId, { ownerId: userId }),
    ]
    await at.done(revokeKey, { keyId: revoked.keyId, reason: 'KEY_COMPROMISE' })
    await at.done(deleteKey, { keyId: deleted.keyId, reason: 'SUPERSEDED' })
    expect((await at.done(removeUser, { userId })).eventIds).toHaveLength(1)
    const keys = await keysOf(revoked.keyId, deleted.keyId)
    expect(keys.get(revoked.keyId)?.revocation_reason).toBe('KEY_COMPROMISE')
    expect(keys.get(deleted.keyId)?.revocation_reason).toBe('SUPERSEDED')
  })

  test('ends their default keys without replacement', async () => {
    const { accountId } = await at.createAccount()
    await at.createKeyspace(accountId, DEFAULT_KEYS)
    const userId = await at.addUser(accountId)
    const { eventIds } = await at.done(removeUser, { userId })
    expect(eventIds).toHaveLength(2)
    const { rows } = await database.owner.pool.query(
      'SELECT is_default, revoked_at IS NULL AS live FROM state.key WHERE owner_id = $1',
      [userId],
    )
    expect(rows).toEqual([{ is_default: false, live: false }])
  })

  test('twice is once', async () => {
    const userId = await at.addUser(account.accountId)
    await at.createKey(keyspaceId, { ownerId: userId })
    expect((await at.done(removeUser, { userId })).eventIds).toHaveLength(2)
    expect((await at.done(removeUser, { userId })).eventIds).toEqual([])
  })

  test('that is refused for its version revokes nothing', async () => {
    const userId = await at.addUser(account.accountId)
    const { keyId } = await at.createKey(keyspaceId, { ownerId: userId })
    expect(await at.refusal(removeUser, { userId, expectedVersion: 7 })).toMatchObject({ code: 'CONFLICT' })
    expect((await keysOf(keyId)).get(keyId)?.revoked_at).toBeNull()
  })

  test('destroys what was kept of their secrets', async () => {
    const revealable = await at.createKeyspace(account.accountId, { secretDisplay: 'REVEALABLE' })
    const userId = await at.addUser(account.accountId)
    const { codeIds } = await at.createKey(revealable, { ownerId: userId })
    const kept = () => database.owner.pool.query('SELECT FROM vault.sealed_secret WHERE code_id = ANY ($1)', [codeIds])
    expect((await kept()).rowCount).toBe(1)
    await at.done(removeUser, { userId })
    expect((await kept()).rowCount).toBe(0)
  })

  test('with a thousand keys takes them all, in one transaction', { timeout: 60_000 }, async () => {
    const userId = await at.addUser(account.accountId)
    const many = 1_000
    for (let made = 0; made < many; made += 100)
      await Promise.all(Array.from({ length: 100 }, () => at.createKey(keyspaceId, { ownerId: userId })))
    const { eventIds } = await at.done(removeUser, { userId })
    expect(eventIds).toHaveLength(many + 1)
    const { rowCount } = await database.owner.pool.query(
      'SELECT FROM state.key WHERE owner_id = $1 AND revoked_at IS NULL',
      [userId],
    )
    expect(rowCount).toBe(0)
  })
})
