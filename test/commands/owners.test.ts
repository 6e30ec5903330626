// Whose a key is and as whom it acts: users of its own account who are there, found by exactly what they are called; and what that
// does to the rule that nobody mints more than they hold.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey } from '#commands/create-key.ts'
import { enableKey } from '#commands/enable-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { removeUser } from '#commands/remove-user.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updatePolicy } from '#commands/update-policy.ts'
import { updateUser } from '#commands/update-user.ts'
import { shardOf } from '#domain/ids.ts'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices, tracesIn } from '#test/support/services.ts'

const REFUSED = { code: 'GRANT_EXCEEDS_CALLER' }

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let other: MadeAccount
let keyspaceId: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  // Of the same shard: nothing but the account itself keeps the two apart.
  do other = await at.createAccount('Other')
  while (shardOf(other.accountId) !== shardOf(account.accountId))
  keyspaceId = await at.createKeyspace(account.accountId)
})
afterAll(() => database.drop())

let count = 0
async function userWith(input: object = {}, { accountId } = account) {
  count += 1
  const externalId = `User-${count}@example.org`
  return { userId: await at.addUser(accountId, { externalId, ...input }), externalId }
}

async function usersOf(keyId: string) {
  const { owner_id, acts_as_id } = await database.owner.kysely
    .selectFrom('state.key')
    .select(['owner_id', 'acts_as_id'])
    .where('key_id', '=', keyId)
    .executeTakeFirstOrThrow()
  return [owner_id, acts_as_id]
}

async function lastEvent(keyId: string) {
  return database.owner.kysely
    .selectFrom('log.event')
    .select(['type', 'data'])
    .where('stream_id', '=', keyId)
    .orderBy('version', 'desc')
    .executeTakeFirstOrThrow()
}

describe('a key', () => {
  test('is given an owner and a user to act as, another of each, and none', async () => {
    const [ann, bob] = [await userWith(), await userWith()]
    const { keyId } = await at.createKey(keyspaceId, { ownerId: ann.userId, actsAs: bob.externalId, codes: [] })
    expect(await usersOf(keyId)).toEqual([ann.userId, bob.userId])
    expect((await lastEvent(keyId)).data).toMatchObject({ ownerId: ann.userId, actsAsId: bob.userId })
    await at.done(updateKey, { keyId, ownerId: bob.userId, actsAs: ann.externalId })
    expect(await usersOf(keyId)).toEqual([bob.userId, ann.userId])
    await at.done(updateKey, { keyId, name: 'other' })
    expect(await usersOf(keyId)).toEqual([bob.userId, ann.userId])
    expect((await at.done(updateKey, { keyId, ownerId: bob.userId, actsAs: ann.externalId })).eventIds).toEqual([])
    await at.done(updateKey, { keyId, ownerId: null, actsAs: null })
    expect(await lastEvent(keyId)).toEqual({ type: 'key.updated', data: { ownerId: null, actsAsId: null } })
  })

  test('without either is nobody’s; where owners manage, it acts as its owner unless told otherwise', async () => {
    const ann = await userWith()
    const owners = await at.createKeyspace(account.accountId, { managedBy: 'OWNERS' })
    const made = async (within: string, input: object) => usersOf((await at.createKey(within, input)).keyId)
    expect(await made(keyspaceId, {})).toEqual([null, null])
    expect(await made(keyspaceId, { ownerId: ann.userId })).toEqual([ann.userId, null])
    expect(await made(owners, { ownerId: ann.userId })).toEqual([ann.userId, ann.userId])
    expect(await made(owners, { ownerId: ann.userId, actsAs: null })).toEqual([ann.userId, null])
    expect(await made(owners, { actsAs: ann.externalId })).toEqual([null, ann.userId])
    expect(await made(owners, {})).toEqual([null, null])
  })

  test('belongs to nobody who is unknown, removed or of another account, and acts as none such', async () => {
    const [gone, theirs, ann] = [await userWith(), await userWith({}, other), await userWith()]
    await at.done(removeUser, { userId: gone.userId })
    const { keyId } = await at.createKey(keyspaceId)
    const before = await tracesIn(database.owner)
    const owners = [gone.userId, theirs.userId, keyId, 'usr_', '', `usr_00${'0'.repeat(20)}`]
    for (const ownerId of owners) {
      const missing = { code: 'NOT_FOUND', subjectId: ownerId }
      expect(await at.refusal(createKey, { keyspaceId, name: 'k', enabled: true, ownerId })).toEqual(missing)
      expect(await at.refusal(updateKey, { keyId, ownerId })).toEqual(missing)
    }
    // Case, space and form included: the ids of users are no names either.
    const { externalId } = ann
    const near = [externalId.toLowerCase(), externalId.toUpperCase(), ` ${externalId}`, `${externalId} `]
    for (const actsAs of [...near, gone.externalId, theirs.externalId, ann.userId, '']) {
      const missing = { code: 'NOT_FOUND', subjectId: actsAs }
      expect(await at.refusal(createKey, { keyspaceId, name: 'k', enabled: true, actsAs })).toEqual(missing)
      expect(await at.refusal(updateKey, { keyId, actsAs })).toEqual(missing)
    }
    expect(await tracesIn(database.owner)).toEqual(before)
  })

  test('acts as whoever has the name now', async () => {
    const first = await userWith({ externalId: 'returner' })
    await at.done(removeUser, { userId: first.userId })
    const second = await userWith({ externalId: 'returner' })
    const { keyId } = await at.createKey(keyspaceId, { actsAs: 'returner' })
    expect(await usersOf(keyId)).toEqual([null, second.userId])
  })

  test('that is frozen acts as the same user for good', async () => {
    const [ann, bob] = [await userWith(), await userWith()]
    const frozen = await at.createKeyspace(account.accountId, { authorizations: 'FROZEN' })
    const { keyId } = await at.createKey(frozen, { actsAs: ann.externalId })
    for (const actsAs of [bob.externalId, null])
      expect(await at.refusal(updateKey, { keyId, actsAs })).toEqual({ code: 'AUTHORIZATIONS_FROZEN' })
    await at.done(updateKey, { keyId, ownerId: bob.userId, actsAs: ann.externalId })
    expect(await usersOf(keyId)).toEqual([bob.userId, ann.userId])
  })
})

describe('a management key that acts as a user', () => {
  const managed = (input: object) => at.createKey(account.managementKeyspaceId, input)

  test('is worth what both permit: whoever holds that may make, change and renew it', async () => {
    const verifier = await userWith({ role: 'VERIFIER' })
    const caller = await at.createCaller(account, ['keys.write', 'keys.verify'])
    const input = { keyspaceId: account.managementKeyspaceId, name: 'k', enabled: false, permissions: ['*'] }
    const { result } = await at.done(createKey, { ...input, actsAs: verifier.externalId }, caller.origin)
    const { keyId } = result
    await at.done(enableKey, { keyId }, caller.origin)
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }, caller.origin)
    await at.done(issueCode, { keyId, slot: 'SECONDARY' }, caller.origin)
    await at.done(updateKey, { keyId, name: 'renamed', permissions: ['keys.*', '*'] }, caller.origin)
  })

  test('is not made, changed or renewed by who holds less than that', async () => {
    const auditor = await userWith({ role: 'AUDITOR' })
    const caller = await at.createCaller(account, ['keys.write', 'keys.read'])
    const input = { keyspaceId: account.managementKeyspaceId, name: 'k', enabled: true, permissions: ['*'] }
    expect(await at.refusal(createKey, { ...input, actsAs: auditor.externalId }, caller.origin)).toEqual(REFUSED)
    const { keyId } = await managed({ permissions: ['*'], actsAs: auditor.externalId, enabled: false })
    for (const ask of [
      () => at.refusal(enableKey, { keyId }, caller.origin),
      () => at.refusal(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }, caller.origin),
      () => at.refusal(updateKey, { keyId, permissions: ['*', 'keys.read'] }, caller.origin),
    ])
      expect(await ask()).toEqual(REFUSED)
    await at.done(updateKey, { keyId, permissions: ['keys.read', 'links.write'] }, caller.origin)
  })

  test('is not let loose, or turned to somebody who may do more, by who holds less than it then grants', async () => {
    const [verifier, administrator] = [await userWith({ role: 'VERIFIER' }), await userWith({ role: 'ADMINISTRATOR' })]
    const caller = await at.createCaller(account, ['keys.write', 'keys.verify'])
    const { keyId } = await managed({ permissions: ['*'], actsAs: verifier.externalId })
    const before = await tracesIn(database.owner)
    for (const actsAs of [null, administrator.externalId])
      expect(await at.refusal(updateKey, { keyId, actsAs }, caller.origin)).toEqual(REFUSED)
    expect(await tracesIn(database.owner)).toEqual(before)
    await at.done(updateKey, { keyId, actsAs: administrator.externalId, permissions: ['keys.verify'] }, caller.origin)
    await at.done(updateKey, { keyId, actsAs: null }, caller.origin)
  })

  test('is not strengthened by a policy beyond what it then effectively grants', async () => {
    const [verifier, auditor] = [await userWith({ role: 'VERIFIER' }), await userWith({ role: 'AUDITOR' })]
    const caller = await at.createCaller(account, ['policies.write', 'keys.verify'])
    const policyId = await at.createPolicy(account.accountId)
    await managed({ actsAs: verifier.externalId, policyIds: [policyId], permissions: ['events.read'] })
    await at.done(updatePolicy, { policyId, permissions: ['*'] }, caller.origin)
    const second = await at.createPolicy(account.accountId)
    await managed({ actsAs: verifier.externalId, policyIds: [second] })
    await managed({ actsAs: auditor.externalId, policyIds: [second] })
    expect(await at.refusal(updatePolicy, { policyId: second, permissions: ['*'] }, caller.origin)).toEqual(REFUSED)
    await at.done(updatePolicy, { policyId: second, permissions: ['keys.verify'] }, caller.origin)
    const third = await at.createPolicy(account.accountId)
    await managed({ policyIds: [third] })
    expect(await at.refusal(updatePolicy, { policyId: third, permissions: ['*'] }, caller.origin)).toEqual(REFUSED)
  })

  test('is not strengthened by a role that whoever gives it does not hold', async () => {
    const verifier = await userWith({ role: 'VERIFIER' })
    await managed({ permissions: ['*'], actsAs: verifier.externalId })
    const caller = await at.createCaller(account, ['users.write', 'keys.*'])
    const { userId } = verifier
    for (const role of ['ADMINISTRATOR', 'AUDITOR', 'MEMBER'])
      expect(await at.refusal(updateUser, { userId, role }, caller.origin)).toEqual(REFUSED)
  })

  test('mints no more than its caller holds', async () => {
    const auditor = await userWith({ role: 'AUDITOR' })
    const origin = {
      caller: {
        kind: 'USER',
        by: null,
        userId: auditor.userId,
        accountId: account.accountId,
        role: 'AUDITOR',
        permissions: ['keys.write', 'keys.read'],
        applicationPermissions: ['*'],
      },
      correlationId: 'test',
    } as const
    const input = { keyspaceId: account.managementKeyspaceId, name: 'k', enabled: true }
    expect(await at.refusal(createKey, { ...input, permissions: ['events.read'] }, origin)).toEqual(REFUSED)
    const { result } = await at.done(
      createKey,
      { ...input, permissions: ['keys.read'], idempotencyKey: 'once' },
      origin,
    )
    const { created_by_kind, created_by_id } = await database.owner.kysely
      .selectFrom('state.key')
      .selectAll()
      .where('key_id', '=', result.keyId)
      .executeTakeFirstOrThrow()
    expect([created_by_kind, created_by_id]).toEqual(['USER', auditor.userId])
    const again = await at.done(createKey, { ...input, permissions: ['keys.read'], idempotencyKey: 'once' }, origin)
    expect(again.result).toEqual(result)
  })
})

test('a rebuild brings every owner back', async () => {
  await rebuildState(database.owner)
  expect(await checkState(database.owner)).toMatchObject({ difference: null })
})
