// What a MEMBER may do to keys: only to their own, giving them no more than they may do themselves, and acting as nobody else. That
// others' keys are as if they did not exist is held by the tests of the schema.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Origin } from '#commands/command.ts'
import { createKey } from '#commands/create-key.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { enableCode } from '#commands/enable-code.ts'
import { enableKey } from '#commands/enable-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { removeUser } from '#commands/remove-user.ts'
import { revealCode } from '#commands/reveal-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { runCommand } from '#commands/run-command.ts'
import { updateCode } from '#commands/update-code.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { DenialError } from '#domain/caller.ts'
import { permissionsOfRole } from '#domain/user/roles.ts'
import { newId } from '#secret/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type MadeKey, type TestServices, testServices, tracesIn } from '#test/support/services.ts'
import { type AnyCommand, cases } from './cases.ts'

const EXCEEDS = { code: 'GRANT_EXCEEDS_CALLER' }
const OWN = ['ads.*', 'reports.read']

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let keyspaceId: string
let ann: Member
let bob: Member
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  keyspaceId = await at.createKeyspace(account.accountId, { managedBy: 'OWNERS', secretDisplay: 'REVEALABLE' })
  ann = await member('Ann')
  bob = await member('Bob')
})
afterAll(() => database.drop())

type Member = { readonly userId: string; readonly externalId: string; readonly origin: Origin }

async function member(externalId: string, permissions: readonly string[] = OWN): Promise<Member> {
  const { accountId } = account
  const userId = await at.addUser(accountId, { externalId, permissions })
  const caller = {
    kind: 'USER',
    by: null,
    userId,
    accountId,
    role: 'MEMBER',
    permissions: permissionsOfRole('MEMBER'),
    applicationPermissions: permissions,
  } as const
  return { userId, externalId, origin: { caller, correlationId: 'test' } }
}

const create = (input: object = {}) => ({ keyspaceId, name: 'k', enabled: true, ...input })
const policyWith = (permissions: readonly string[], endpoints: readonly object[] = []) =>
  at.createPolicy(account.accountId, { permissions, endpoints })
/** A key of hers as an administrator makes it. */
const given = (input: object = {}): Promise<MadeKey> => at.createKey(keyspaceId, { ownerId: ann.userId, ...input })

async function usersOf(keyId: string) {
  const { owner_id, acts_as_id } = await database.owner.kysely
    .selectFrom('state.key')
    .select(['owner_id', 'acts_as_id'])
    .where('key_id', '=', keyId)
    .executeTakeFirstOrThrow()
  return [owner_id, acts_as_id]
}

describe('a key that a member creates', () => {
  test.each([
    ['says nothing', () => ({})],
    ['says null for the owner', () => ({ ownerId: null })],
    ['names themselves', () => ({ ownerId: ann.userId, actsAs: ann.externalId })],
  ])('is theirs and acts as them, where the input %s', async (_what, input) => {
    const { result } = await at.done(createKey, create(input()), ann.origin)
    expect(await usersOf(result.keyId)).toEqual([ann.userId, ann.userId])
  })

  test('is nobody else’s, and acts as nobody else, who might as well not exist', async () => {
    const before = await tracesIn(database.owner)
    const unknown = `${bob.userId.slice(0, -1)}${bob.userId.endsWith('0') ? '1' : '0'}`
    for (const ownerId of [bob.userId, unknown])
      expect(await at.refusal(createKey, create({ ownerId }), ann.origin)).toEqual({
        code: 'NOT_FOUND',
        subjectId: ownerId,
      })
    for (const actsAs of [bob.externalId, 'nobody', 'ann'])
      expect(await at.refusal(createKey, create({ actsAs }), ann.origin)).toEqual({
        code: 'NOT_FOUND',
        subjectId: actsAs,
      })
    expect(await at.refusal(createKey, create({ actsAs: null }), ann.origin)).toEqual(EXCEEDS)
    expect(await tracesIn(database.owner)).toEqual(before)
  })

  test('is in no keyspace that owners do not manage', async () => {
    const closed = await at.createKeyspace(account.accountId)
    const elsewhere = await at.createKeyspace((await at.createAccount('Other')).accountId, { managedBy: 'OWNERS' })
    for (const within of [closed, elsewhere, account.managementKeyspaceId, newId('ks', 0)])
      expect(await at.refusal(createKey, create({ keyspaceId: within }), ann.origin)).toEqual({
        code: 'NOT_FOUND',
        subjectId: within,
      })
  })

  test('grants what they may do themselves', async () => {
    const policyIds = [await policyWith(['ads.read', 'reports.read']), await policyWith([])]
    await at.done(createKey, create({ policyIds, permissions: ['ads.*'] }), ann.origin)
  })

  test.each([
    ['a permission', async () => ({ permissions: ['reports.export'] })],
    ['a wildcard over their own', async () => ({ permissions: ['reports.*'] })],
    ['everything', async () => ({ permissions: ['*'] })],
    ['a policy', async () => ({ policyIds: [await policyWith(['ads.read', 'own'])] })],
    [
      'a policy at an endpoint',
      async () => ({ policyIds: [await policyWith(['own'], [{ methods: ['GET'], path: '/' }])] }),
    ],
    ['endpoints by rules alone', async () => ({ policyIds: [await policyWith([], [{ methods: ['*'], path: '/*' }])] })],
  ])('grants nothing beyond that: %s', async (_what, input) => {
    const asked = await input()
    const before = await tracesIn(database.owner)
    expect(await at.refusal(createKey, create(asked), ann.origin)).toEqual(EXCEEDS)
    expect(await tracesIn(database.owner)).toEqual(before)
    const all = await member(`all ${_what}`, ['*'])
    await at.done(createKey, create(asked), all.origin)
    await at.done(createKey, create(asked))
  })

  test('is not made once they are gone, whatever they have proved before', async () => {
    const leaver = await member('leaver')
    await at.done(removeUser, { userId: leaver.userId })
    expect(await at.refusal(createKey, create(), leaver.origin)).toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('a key that a member owns', () => {
  test('is theirs to edit, renew, show, switch and end', async () => {
    const { keyId, codeIds } = await given({ permissions: ['*'] })
    const [codeId] = codeIds
    for (const [command, input] of [
      [updateKey, { keyId, name: 'mine', permissions: ['ads.read'], ownerId: ann.userId, actsAs: ann.externalId }],
      [revealCode, { codeId }],
      [updateCode, { codeId, description: 'mine' }],
      [disableCode, { codeId }],
      [enableCode, { codeId }],
      [issueCode, { keyId, slot: 'SECONDARY' }],
      [rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }],
      [disableKey, { keyId }],
      [enableKey, { keyId }],
      [revokeKey, { keyId, reason: 'UNSPECIFIED' }],
      [deleteKey, { keyId, reason: 'UNSPECIFIED' }],
    ] as const)
      expect((await at.done(command as AnyCommand, input, ann.origin)).eventIds).toHaveLength(1)
  })

  test('stays theirs, and acts as themselves', async () => {
    const { keyId } = await given()
    const missing = (subjectId: string) => ({ code: 'NOT_FOUND', subjectId })
    const ask = (input: object) => at.refusal(updateKey, { keyId, ...input }, ann.origin)
    expect(await ask({ ownerId: bob.userId })).toEqual(missing(bob.userId))
    expect(await ask({ actsAs: bob.externalId })).toEqual(missing(bob.externalId))
    expect(await ask({ ownerId: null })).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['ownerId'] }] })
    expect(await ask({ actsAs: null })).toEqual(EXCEEDS)
    expect(await usersOf(keyId)).toEqual([ann.userId, ann.userId])
  })

  test('gets nothing beyond what they may, and keeps what it has', async () => {
    const held = await policyWith(['own'])
    const { keyId } = await given({ permissions: ['reports.*', 'other'], policyIds: [held] })
    const ask = (input: object) => at.refusal(updateKey, { keyId, ...input }, ann.origin)
    for (const permissions of [['own'], ['*'], ['reports.*', 'ads.read', 'own']])
      expect(await ask({ permissions })).toEqual(EXCEEDS)
    expect(await ask({ policyIds: [held, await policyWith(['x'])] })).toEqual(EXCEEDS)
    await at.done(updateKey, { keyId, name: 'renamed' }, ann.origin)
    await at.done(updateKey, { keyId, permissions: ['reports.export', 'ads.read'] }, ann.origin)
    await at.done(updateKey, { keyId, policyIds: [await policyWith(['ads.read']), held] }, ann.origin)
  })

  describe.each([
    ['as nobody, beyond what they may', { actsAs: null, permissions: ['own'] }],
    ['as nobody, by a policy beyond what they may', { actsAs: null, policies: ['own'] }],
    ['as somebody else', { actsAs: 'Bob', permissions: ['ads.read'] }],
  ])('that acts %s', (_how, { policies, ...input }: { actsAs: string | null; policies?: string[] }) => {
    const make = async (enabled = true) => {
      const policyIds = policies && [await policyWith(policies)]
      const made = await given({ ...input, policyIds, enabled })
      return { keyId: made.keyId, codeId: made.codeIds[0] ?? '' }
    }

    test('is not theirs to take, renew or revive', async () => {
      const { keyId, codeId } = await make()
      const sleeping = await make(false)
      await at.done(disableCode, { codeId: sleeping.codeId })
      for (const [command, asked] of [
        [revealCode, { codeId }],
        [rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }],
        [issueCode, { keyId, slot: 'SECONDARY' }],
        [enableKey, { keyId: sleeping.keyId }],
        [enableCode, { codeId: sleeping.codeId }],
      ] as const)
        expect(await at.refusal(command as AnyCommand, asked, ann.origin), command.name).toEqual(EXCEEDS)
    })

    test('is theirs to describe, to have logged and to have expire sooner', async () => {
      const { keyId } = await make()
      for (const input of [
        { name: 'mine', description: 'd', tags: ['t'], metadata: { a: 1 } },
        { logging: { request: true, response: false } },
        { expiresAt: '2999-01-01T00:00:00.000Z' },
        { expiresAt: '2998-01-01T00:00:00.000Z', name: 'sooner' },
      ])
        expect((await at.done(updateKey, { keyId, ...input }, ann.origin)).eventIds).toHaveLength(1)
      for (const expiresAt of ['2998-01-01T00:00:00.001Z', null])
        expect(await at.refusal(updateKey, { keyId, name: 'later', expiresAt }, ann.origin)).toEqual(EXCEEDS)
    })

    test('is theirs to end, or to make act as themselves', async () => {
      const { keyId, codeId } = await make()
      await at.done(disableCode, { codeId }, ann.origin)
      await at.done(updateKey, { keyId, actsAs: ann.externalId }, ann.origin)
      await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }, ann.origin)
      await at.done(revokeKey, { keyId: (await make()).keyId, reason: 'UNSPECIFIED' }, ann.origin)
    })
  })

  test('that acts as nobody within what they may is theirs like any other', async () => {
    const { keyId, codeIds } = await given({
      actsAs: null,
      permissions: ['ads.read'],
      policyIds: [await policyWith(['ads.x'])],
    })
    await at.done(revealCode, { codeId: codeIds[0] }, ann.origin)
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }, ann.origin)
  })
})

describe('a retry', () => {
  const retried = { idempotencyKey: 'once' }

  test('is answered like the first time while the key is theirs, and not at all once it is not', async () => {
    const input = { ...create(), ...retried }
    const { result } = await at.done(createKey, input, ann.origin)
    const { keyId } = result
    const renewal = { keyId, slot: 'PRIMARY', overlapSeconds: 0, ...retried }
    const label = { codeId: result.issuedCodeIds[0], description: 'mine', ...retried }
    await at.done(updateCode, label, ann.origin)
    await at.done(rotateKey, renewal, ann.origin)
    expect((await at.done(createKey, input, ann.origin)).result).toEqual(result)
    await at.done(rotateKey, renewal, ann.origin)
    await at.done(updateKey, { keyId, ownerId: bob.userId })
    for (const [command, again] of [
      [createKey, input],
      [rotateKey, renewal],
      [updateCode, label],
    ] as const)
      expect(await at.refusal(command as AnyCommand, again, ann.origin)).toMatchObject({ code: 'NOT_FOUND' })
    await at.done(updateKey, { keyId, ownerId: ann.userId })
    await at.done(createKey, input, ann.origin)
    await at.done(updateKeyspace, { keyspaceId, rules: { managedBy: 'ADMINISTRATORS' } })
    expect(await at.refusal(createKey, input, ann.origin)).toMatchObject({ code: 'NOT_FOUND' })
    await at.done(updateKeyspace, { keyspaceId, rules: { managedBy: 'OWNERS' } })
  })
})

test('what one member retries is nothing to another', async () => {
  const first = await at.done(createKey, { ...create({ name: 'first' }), idempotencyKey: 'same' }, ann.origin)
  const second = await at.done(createKey, { ...create({ name: 'second' }), idempotencyKey: 'same' }, bob.origin)
  expect(second.result.keyId).not.toBe(first.result.keyId)
})

describe('a command that does not ask whose keys are', () => {
  test('is none for a member, whatever permission it wants', async () => {
    const { heedsOwners, ...forgetful } = updateKey
    expect(heedsOwners).toBe(true)
    const { keyId } = await given()
    const running = runCommand(at, ann.origin, forgetful, { keyId, name: 'x' })
    await expect(running).rejects.toEqual(new DenialError('FORBIDDEN'))
  })

  test('is every command but those about keys', () => {
    const heeding = cases.filter(({ command }) => command.heedsOwners === true)
    expect(heeding.filter(({ id }) => id === 'keyId' || id === 'codeId').length).toBe(heeding.length - 1)
    expect(heeding.map(({ name }) => name)).toContain('createKey')
  })
})
