// What links make of verdicts: where a linked key opens something, what it grants there, what ends that, and what is told.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deleteCode } from '#commands/delete-code.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { deleteKeyspace } from '#commands/delete-keyspace.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { unlinkKey } from '#commands/unlink-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { updateLink } from '#commands/update-link.ts'
import { updatePolicy } from '#commands/update-policy.ts'
import type { Caller } from '#domain/caller.ts'
import { shardOf } from '#domain/ids.ts'
import { plusMs } from '#domain/instant.ts'
import { mintSecret } from '#secret/mint.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { statementsOf } from '#test/support/statements.ts'
import { type VerifyQuestion, verifyKeys } from '#verify/verify-keys.ts'
import { tellsNothing } from './support.ts'

const ROOT: Caller = { kind: 'ROOT' }
const DENIED = 'INSUFFICIENT_PERMISSIONS'

let database: TestDatabase
let at: TestServices
let lender: MadeAccount
let lent: string
let account: MadeAccount
let keyspaceId: string
let otherKeyspaceId: string
let policyId: string
/** Of the linking account, of the lending one, of neither. */
let here: Caller
let there: Caller
let elsewhere: Caller
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  const callerOf = async (of: MadeAccount) => (await at.createCaller(of, ['keys.verify'])).origin.caller
  lender = await at.createAccount('Lender')
  lent = await at.createKeyspace(lender.accountId)
  account = await at.createAccount('Linking')
  keyspaceId = await at.createKeyspace(account.accountId)
  otherKeyspaceId = await at.createKeyspace(account.accountId)
  policyId = await at.createPolicy(account.accountId, { permissions: ['ads.read'] })
  here = await callerOf(account)
  there = await callerOf(lender)
  elsewhere = await callerOf(await at.createAccount('Elsewhere'))
})
afterAll(() => database.drop())

async function verify(question: VerifyQuestion, by: Caller = here) {
  const [verification] = await verifyKeys(at, by, [question])
  return verification!
}
const codeFor = async (...asked: Parameters<typeof verify>) => (await verify(...asked)).code

/** Another account in the same shard, where no look-up by shard alone would keep them apart. */
async function neighbourOf(accountId: string): Promise<string> {
  for (;;) {
    const other = await at.createAccount('Neighbour')
    if (shardOf(other.accountId) === shardOf(accountId)) return other.accountId
  }
}

async function linked(link: object = {}, input: object = {}) {
  const { keyId, codeIds, secrets } = await at.createKey(lent, { permissions: ['own.*'], ...input })
  const linkId = await at.linkKey(account.accountId, keyId, { policyIds: [policyId], ...link })
  return { keyId, codeId: codeIds[0] ?? '', key: secrets[0] ?? '', linkId }
}

describe('a linked key', () => {
  test('is valid where it is linked, and tells of itself no more than its id and name', async () => {
    const metadata = { internal: true }
    const logging = { request: true, response: false }
    const { key, keyId, linkId } = await linked({}, { name: 'partner', tags: ['a'], metadata, logging })
    const { position } = await database.serving.kysely
      .selectFrom('log.account')
      .select('position')
      .where('account_id', '=', account.accountId)
      .executeTakeFirstOrThrow()
    expect(await verify({ key })).toEqual({
      ...tellsNothing('NOT_FOUND', at.clock.now()),
      valid: true,
      code: 'VALID',
      message: 'The key is valid.',
      accountId: account.accountId,
      position,
      linkId,
      keyId,
      name: 'partner',
      permissions: ['ads.read'],
      logging,
    })
  })

  test('is its own account’s key to its own account, and nobody’s to any other', async () => {
    const { key, keyId, codeId } = await linked()
    for (const question of [{}, { keyspaceId: lent }, { accountId: lender.accountId }])
      expect(await verify({ key, ...question }, there)).toMatchObject({
        code: 'VALID',
        accountId: lender.accountId,
        keyspaceId: lent,
        keyId,
        codeId,
        linkId: null,
        permissions: ['own.*'],
      })
    for (const question of [{}, { accountId: account.accountId }, { keyspaceId }, { keyspaceId: lent }])
      expect(await verify({ key, ...question }, elsewhere)).toEqual(tellsNothing('NOT_FOUND', at.clock.now()))
  })

  test('grants what the policies of the link do, and nothing that its own account has granted it', async () => {
    const theirs = await at.createPolicy(lender.accountId, { permissions: ['reports.read'] })
    const { key, linkId } = await linked({}, { permissions: ['*'], policyIds: [theirs] })
    expect(await codeFor({ key, permission: 'ads.read' })).toBe('VALID')
    for (const permission of ['ads.write', 'own.x', 'reports.read', 'ads.read AND own.x'])
      expect(await verify({ key, permission })).toMatchObject({ code: DENIED, permissions: ['ads.read'] })
    expect(await codeFor({ key, permission: 'ads.read' }, there)).toBe('VALID')

    const endpoints = [{ methods: ['GET'], path: '/ads/:id' }]
    const scoped = await at.createPolicy(account.accountId, { permissions: ['ads.write'], endpoints })
    await at.done(updateLink, { linkId, policyIds: [policyId, scoped] })
    const endpoint = { method: 'GET', path: '/ads/7' }
    expect(await codeFor({ key, permission: 'ads.write', endpoint })).toBe('VALID')
    expect(await codeFor({ key, permission: 'ads.write' })).toBe(DENIED)
    expect(await codeFor({ key })).toBe(DENIED)
    await at.done(updatePolicy, { policyId: scoped, endpoints: null })
    expect(await codeFor({ key, permission: 'ads.write' })).toBe('VALID')
  })

  test('that acts as a user at home acts as nobody here, and is bounded by nobody', async () => {
    const ownerId = await at.addUser(lender.accountId, { externalId: 'owner@lender.example' })
    const actsAs = 'agent@lender.example'
    await at.addUser(lender.accountId, { externalId: actsAs, permissions: ['own.read'] })
    const { key } = await linked({}, { ownerId, actsAs })
    expect(await verify({ key, permission: 'ads.read' })).toMatchObject({ code: 'VALID', owner: null, actsAs: null })
    expect(await verify({ key }, there)).toMatchObject({
      owner: 'owner@lender.example',
      actsAs,
      permissions: ['own.read'],
    })
  })

  test('that is frozen at home grants no more for that', async () => {
    const frozen = await at.createKeyspace(lender.accountId, { authorizations: 'FROZEN' })
    const theirs = await at.createPolicy(lender.accountId, { permissions: ['*'] })
    const made = await at.createKey(frozen, { policyIds: [theirs] })
    await at.linkKey(account.accountId, made.keyId, { policyIds: [policyId] })
    const key = made.secrets[0] ?? ''
    expect(await codeFor({ key, permission: 'ads.read' })).toBe('VALID')
    expect(await codeFor({ key, permission: 'ads.write' })).toBe(DENIED)
  })

  test('opens what the question names: keyspace, account, both, or the caller’s account', async () => {
    const wide = await linked()
    const narrow = await linked({ keyspaceId })
    const opens = async (question: object, by: Caller) => [
      await codeFor({ key: wide.key, ...question }, by),
      await codeFor({ key: narrow.key, ...question }, by),
    ]
    const { accountId } = account
    const neighbours = await at.createKeyspace(await neighbourOf(accountId))
    for (const by of [here, ROOT]) {
      expect(await opens({ keyspaceId }, by)).toEqual(['VALID', 'VALID'])
      expect(await opens({ keyspaceId: otherKeyspaceId }, by)).toEqual(['VALID', 'NOT_FOUND'])
      expect(await opens({ accountId }, by)).toEqual(['VALID', 'VALID'])
      expect(await opens({ accountId, keyspaceId }, by)).toEqual(['VALID', 'VALID'])
      expect(await opens({ accountId, keyspaceId: otherKeyspaceId }, by)).toEqual(['VALID', 'NOT_FOUND'])
      // They do not agree.
      expect(await opens({ accountId: lender.accountId, keyspaceId }, by)).toEqual(['NOT_FOUND', 'NOT_FOUND'])
      for (const other of [lent, neighbours])
        expect(await opens({ accountId, keyspaceId: other }, by)).toEqual(['NOT_FOUND', 'NOT_FOUND'])
    }
    expect(await opens({}, here)).toEqual(['VALID', 'VALID'])
    expect(await opens({ accountId: lender.accountId }, here)).toEqual(['NOT_FOUND', 'NOT_FOUND'])
    expect(await opens({ keyspaceId: lent }, here)).toEqual(['NOT_FOUND', 'NOT_FOUND'])
    // Root, who names nothing, asks about the key itself.
    expect(await verify({ key: wide.key }, ROOT)).toMatchObject({ accountId: lender.accountId, linkId: null })
    expect(await verify({ key: wide.key, accountId }, ROOT)).toMatchObject({ accountId, linkId: wide.linkId })
  })

  test('opens neither a deleted keyspace nor this API', async () => {
    const { key } = await linked()
    const deleted = await at.createKeyspace(account.accountId)
    expect(await codeFor({ key, keyspaceId: deleted })).toBe('VALID')
    await at.done(deleteKeyspace, { keyspaceId: deleted })
    for (const by of [here, ROOT])
      for (const closed of [deleted, account.managementKeyspaceId])
        expect(await codeFor({ key, keyspaceId: closed }, by)).toBe('NOT_FOUND')
  })

  test.each(['', '\0', 'ks_', '\ud800', "' OR true --", '%'])(
    'is not found under an ill-formed id (%j)',
    async (id) => {
      const { key } = await linked()
      for (const by of [here, ROOT])
        for (const question of [{ keyspaceId: id }, { accountId: id }])
          expect(await verify({ key, ...question }, by)).toEqual(tellsNothing('NOT_FOUND', at.clock.now()))
    },
  )

  test('needs an upstream user where the linking side’s keyspace wants one, whatever its own does', async () => {
    const strict = await at.createKeyspace(account.accountId, { upstreamUserRequired: true })
    const lax = await at.createKeyspace(account.accountId)
    const strictAtHome = await at.createKeyspace(lender.accountId, { upstreamUserRequired: true })
    const made = await at.createKey(strictAtHome)
    await at.linkKey(account.accountId, made.keyId)
    const wide = made.secrets[0] ?? ''
    const { key: narrow, linkId } = await linked({ keyspaceId: strict })
    expect(await codeFor({ key: wide })).toBe('VALID')
    expect(await codeFor({ key: wide, keyspaceId: lax })).toBe('VALID')
    expect(await codeFor({ key: wide, keyspaceId: strict })).toBe('UPSTREAM_USER_REQUIRED')
    expect(await codeFor({ key: wide, keyspaceId: strict, upstreamUser: 'someone' })).toBe('VALID')
    for (const question of [{}, { keyspaceId: strict }, { accountId: account.accountId }]) {
      expect(await codeFor({ key: narrow, ...question })).toBe('UPSTREAM_USER_REQUIRED')
      expect(await codeFor({ key: narrow, ...question, upstreamUser: 'someone' })).toBe('VALID')
    }
    expect(await codeFor({ key: narrow }, there)).toBe('VALID')
    await at.done(updateKeyspace, { keyspaceId: strict, rules: { upstreamUserRequired: false } })
    expect(await codeFor({ key: narrow })).toBe('VALID')
    await at.done(unlinkKey, { linkId })
  })

  test('is judged in a batch each time for the place that is asked about', async () => {
    const { key, linkId } = await linked({ keyspaceId })
    const places = [
      { keyspaceId },
      {},
      { keyspaceId: otherKeyspaceId },
      { accountId: lender.accountId },
      { keyspaceId: lent },
    ]
    const questions = places.map((place) => ({ key, ...place }))
    const told = async (by: Caller) =>
      (await verifyKeys(at, by, questions)).map(({ code, linkId: through }) => [code, through])
    expect(await told(here)).toEqual([
      ['VALID', linkId],
      ['VALID', linkId],
      ['NOT_FOUND', null],
      ['NOT_FOUND', null],
      ['NOT_FOUND', null],
    ])
    expect(await told(ROOT)).toEqual([
      ['VALID', linkId],
      ['VALID', null],
      ['NOT_FOUND', null],
      ['VALID', null],
      ['VALID', null],
    ])
  })
})

describe('a link opens nothing any more', () => {
  test.each([
    ['REVOKED', 'its key is revoked', ({ keyId }) => at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })],
    ['REVOKED', 'its key is deleted', ({ keyId }) => at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })],
    ['REVOKED', 'the code is deleted', ({ codeId }) => at.done(deleteCode, { codeId })],
    ['DISABLED', 'its key is off', ({ keyId }) => at.done(disableKey, { keyId })],
    ['DISABLED', 'the code is off', ({ codeId }) => at.done(disableCode, { codeId })],
    [
      'REPLACED',
      'the code is replaced',
      ({ keyId }) => at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }),
    ],
    [
      'EXPIRED',
      'its key has expired',
      async ({ keyId }) => {
        await at.done(updateKey, { keyId, expiresAt: plusMs(at.clock.now(), 1_000) })
        at.clock.advance(1_000)
      },
    ],
    ['NOT_FOUND', 'it was ended', ({ linkId }) => at.done(unlinkKey, { linkId })],
  ] as readonly (readonly [string, string, (of: Awaited<ReturnType<typeof linked>>) => Promise<unknown>])[])(
    '(%s) once %s',
    async (code, _what, end) => {
      const wide = await linked()
      const narrow = await linked({ keyspaceId })
      await end(wide)
      await end(narrow)
      for (const question of [{}, { keyspaceId }, { accountId: account.accountId }]) {
        expect(await codeFor({ key: wide.key, ...question })).toBe(code)
        expect(await codeFor({ key: narrow.key, ...question })).toBe(code)
      }
    },
  )

  test('and the key is what it was to its own account once it was unlinked, and here once it is linked again', async () => {
    const { key, keyId, linkId } = await linked()
    await at.done(unlinkKey, { linkId })
    expect(await codeFor({ key }, there)).toBe('VALID')
    expect(await verify({ key })).toEqual(tellsNothing('NOT_FOUND', at.clock.now()))
    const again = await at.linkKey(account.accountId, keyId, { keyspaceId })
    expect(await verify({ key })).toMatchObject({ code: 'VALID', linkId: again, permissions: [] })
  })
})

describe('a secret that several keys have', () => {
  test('is not found where it could be meant for either of them, and is the named keyspace’s own where one is named', async () => {
    const own = await at.createKeyspace(account.accountId, { customSecrets: true })
    const theirs = await at.createKeyspace(lender.accountId, { customSecrets: true })
    const key = `shared+${mintSecret('key').reveal().slice(-32)}`
    await at.createKey(own, { codes: [{ secret: key }] })
    const { keyId } = await at.createKey(theirs, { codes: [{ secret: key }] })
    expect(await codeFor({ key })).toBe('VALID')
    const linkId = await at.linkKey(account.accountId, keyId)
    expect(await codeFor({ key })).toBe('NOT_FOUND')
    expect(await verify({ key, keyspaceId: own })).toMatchObject({ code: 'VALID', keyspaceId: own, linkId: null })
    expect(await codeFor({ key, keyspaceId: otherKeyspaceId })).toBe('VALID')
    await at.done(unlinkKey, { linkId })
    expect(await codeFor({ key })).toBe('VALID')
  })
})

describe('what it costs', () => {
  test('is one statement, in the same words, for a linked, an unknown, a foreign and an unlinked secret', async () => {
    const unlinked = await linked()
    await at.done(unlinkKey, { linkId: unlinked.linkId })
    const foreign = (await at.createForeignKey()).secrets[0] ?? ''
    const texts: string[] = []
    for (const key of [(await linked()).key, mintSecret('key').reveal(), foreign, unlinked.key])
      texts.push(...(await statementsOf(() => verify({ key, keyspaceId }))).map(({ text }) => text))
    expect(texts).toHaveLength(4)
    expect(new Set(texts).size).toBe(1)
  })
})

test("the use of a linked key is its code's, for its own account", async () => {
  const used: object[] = []
  const counting = testServices(database.serving, {
    keyring: at.keyring,
    clock: at.clock,
    uses: {
      record: ({ accountId, keyspaceId: within, keyId, codeId }) => used.push({ accountId, within, keyId, codeId }),
    },
  })
  const { key, keyId, codeId } = await linked()
  await verifyKeys(counting, here, [{ key }])
  expect(used).toEqual([{ accountId: lender.accountId, within: lent, keyId, codeId }])
})
