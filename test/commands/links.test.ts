// Links through the whole write path: which keys can be linked, where and under what, and what the linking account may not do.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Command, CommonInput, Origin } from '#commands/command.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { deleteKeyspace } from '#commands/delete-keyspace.ts'
import { deletePolicy } from '#commands/delete-policy.ts'
import { disableKey } from '#commands/disable-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { linkKey } from '#commands/link-key.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { unlinkKey } from '#commands/unlink-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateLink } from '#commands/update-link.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { permissionsOfRole } from '#domain/user/roles.ts'
import { newId } from '#secret/ids.ts'
import { checkState } from '#state/check.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices, tracesIn } from '#test/support/services.ts'
import { cases } from './cases.ts'

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let lender: MadeAccount
let lent: string
let policyId: string
let caller: Origin
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  lender = await at.createAccount('Lender')
  lent = await at.createKeyspace(lender.accountId)
  policyId = await at.createPolicy(account.accountId)
  caller = (await at.createCaller(account, ['*'])).origin
})
afterAll(() => database.drop())

async function refusal<I extends CommonInput, R>(command: Command<I, R>, input: object, origin?: Origin) {
  const before = await tracesIn(database.owner)
  const idempotent = command.name === 'revealCode' ? {} : { idempotencyKey: 'refused' }
  const answer = await at.refusal(command, { ...input, ...idempotent }, origin)
  expect(await tracesIn(database.owner)).toEqual(before)
  return answer
}

const aKey = async (input?: object) => (await at.createKey(lent, input)).keyId
const linkInput = (keyId: string, input: object = {}) => ({
  accountId: account.accountId,
  keyId,
  policyIds: [policyId],
  ...input,
})
const notFound = (subjectId: string) => ({ code: 'NOT_FOUND', subjectId })

describe('linkKey', () => {
  test("lets in another account's key, whoever of the linking account asks", async () => {
    for (const origin of [undefined, caller]) {
      const keyId = await aKey()
      const { result, accountId, eventIds } = await at.done(linkKey, linkInput(keyId), origin)
      expect(accountId).toBe(account.accountId)
      const { rows } = await database.owner.pool.query(
        'SELECT account_id, stream_id, stream_kind, data FROM log.event WHERE event_id = ANY ($1)',
        [eventIds],
      )
      const data = { keyId, keyspaceId: null, policyIds: [policyId] }
      expect(rows).toEqual([{ account_id: account.accountId, stream_id: result.linkId, stream_kind: 'link', data }])
    }
  })

  test('finds no key that is unknown, of another kind, revoked, deleted or a credential of this API, all with one answer', async () => {
    const [revoked, deleted] = [await aKey(), await aKey()]
    await at.done(revokeKey, { keyId: revoked, reason: 'UNSPECIFIED' })
    await at.done(deleteKey, { keyId: deleted, reason: 'UNSPECIFIED' })
    const credential = (await at.createCaller(lender, ['*'])).keyId
    const other = await at.createKey(lent)
    const unknown = [newId('key', 3), newId('key', 3843), '', 'key_', '\0', "' OR true --", lender.accountId]
    for (const keyId of [...unknown, revoked, deleted, credential, other.codeIds[0] ?? ''])
      expect(await refusal(linkKey, linkInput(keyId), caller)).toEqual(notFound(keyId))
  })

  test('takes a key that is off or has expired: its own account may set that right', async () => {
    const expired = await aKey({ expiresAt: plusMs(at.clock.now(), 1_000) })
    at.clock.advance(1_000)
    for (const keyId of [await aKey({ enabled: false }), expired]) await at.done(linkKey, linkInput(keyId))
  })

  test('needs a policy', async () => {
    expect(await refusal(linkKey, linkInput(await aKey(), { policyIds: [] }))).toEqual({ code: 'POLICY_REQUIRED' })
  })

  test("does not link the account's own keys", async () => {
    const own = await at.createKey(await at.createKeyspace(account.accountId))
    expect(await refusal(linkKey, linkInput(own.keyId))).toEqual({ code: 'LINK_TO_OWN_KEY' })
  })

  test('links a key once, into one keyspace or all, and anew after it was unlinked', async () => {
    const keyId = await aKey()
    const keyspaceId = await at.createKeyspace(account.accountId)
    const linkId = await at.linkKey(account.accountId, keyId)
    for (const input of [{}, { keyspaceId }])
      expect(await refusal(linkKey, linkInput(keyId, input))).toEqual({ code: 'ALREADY_LINKED' })
    await at.done(unlinkKey, { linkId })
    const again = await at.linkKey(account.accountId, keyId, { keyspaceId })
    expect(again).not.toBe(linkId)
    expect(await refusal(linkKey, linkInput(keyId))).toEqual({ code: 'ALREADY_LINKED' })
    // Other accounts have links of their own.
    await at.linkKey((await at.createAccount()).accountId, keyId)
  })

  test('says that a revoked key is not found also where it is linked', async () => {
    const keyId = await aKey()
    await at.linkKey(account.accountId, keyId)
    await at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })
    expect(await refusal(linkKey, linkInput(keyId))).toEqual(notFound(keyId))
  })

  test('finds only keyspaces of the account that are neither deleted nor the management keyspace', async () => {
    const deleted = await at.createKeyspace(account.accountId)
    await at.done(deleteKeyspace, { keyspaceId: deleted })
    const unknown = [newId('ks', 3), '', '\0', account.accountId, policyId]
    const keyId = await aKey()
    for (const keyspaceId of [...unknown, lent, deleted, account.managementKeyspaceId, lender.managementKeyspaceId])
      expect(await refusal(linkKey, linkInput(keyId, { keyspaceId }))).toEqual(notFound(keyspaceId))
  })

  test('finds only policies of the account that are not deleted, as updateLink does', async () => {
    const deleted = await at.createPolicy(account.accountId)
    await at.done(deletePolicy, { policyId: deleted })
    const foreign = await at.createPolicy(lender.accountId)
    const keyId = await aKey()
    const linkId = await at.linkKey(account.accountId, await aKey())
    for (const unknown of [newId('pol', 3), '', '\0', account.accountId, lent, foreign, deleted]) {
      const policyIds = [policyId, unknown]
      expect(await refusal(linkKey, linkInput(keyId, { policyIds }))).toEqual(notFound(unknown))
      expect(await refusal(updateLink, { linkId, policyIds })).toEqual(notFound(unknown))
    }
  })
})

describe('updateLink', () => {
  test('sets the policies, and makes no event where they are those already', async () => {
    const linkId = await at.linkKey(account.accountId, await aKey())
    const other = await at.createPolicy(account.accountId)
    expect((await at.done(updateLink, { linkId, policyIds: [other, policyId] })).eventIds).toHaveLength(1)
    expect((await at.done(updateLink, { linkId, policyIds: [other, policyId] })).eventIds).toHaveLength(0)
    expect(await refusal(updateLink, { linkId, policyIds: [] })).toEqual({ code: 'POLICY_REQUIRED' })
    expect(await refusal(updateLink, { linkId, policyIds: [other, other] })).toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('does not find a link that has ended; unlinkKey has found its end reached', async () => {
    const linkId = await at.linkKey(account.accountId, await aKey())
    await at.done(unlinkKey, { linkId })
    expect(await refusal(updateLink, { linkId, policyIds: [policyId] })).toEqual(notFound(linkId))
    expect((await at.done(unlinkKey, { linkId })).eventIds).toEqual([])
  })
})

describe('the linking account', () => {
  let keyId: string
  let codeId: string
  beforeAll(async () => {
    const key = await at.createKey(lent)
    keyId = key.keyId
    codeId = key.codeIds[0] ?? ''
    await at.linkKey(account.accountId, keyId, { policyIds: [policyId] })
  })
  const issuing = [
    ['issueCode', issueCode as Command<CommonInput, unknown>, {}],
    ['rotateKey', rotateKey as Command<CommonInput, unknown>, { slot: 'PRIMARY', overlapSeconds: 0 }],
  ] as const

  test.each(issuing)('is told of %s that a linked key has no codes here', async (_name, command, input) => {
    const refused = { code: 'LINKED_KEY_HAS_NO_CODES' }
    expect(await refusal(command, { keyId, ...input }, caller)).toEqual(refused)
    expect(await refusal(command, { keyId, ...input, expectedVersion: 99 }, caller)).toEqual(refused)
  })

  test.each(issuing)(
    'is told nothing of %s of a key that it has not linked, or not any more',
    async (_name, command, input) => {
      const other = await aKey()
      expect(await refusal(command, { keyId: other, ...input }, caller)).toEqual(notFound(other))
      await at.done(unlinkKey, { linkId: await at.linkKey(account.accountId, other) })
      expect(await refusal(command, { keyId: other, ...input }, caller)).toEqual(notFound(other))
    },
  )

  test.each(issuing)(
    'is told nothing of it for %s as a MEMBER, to whom there are no links',
    async (_name, command, input) => {
      const member = {
        kind: 'USER',
        by: null,
        userId: await at.addUser(account.accountId),
        accountId: account.accountId,
        role: 'MEMBER',
        permissions: permissionsOfRole('MEMBER'),
        applicationPermissions: [],
      } as const
      const origin = { caller: member, correlationId: 'test' }
      expect(await refusal(command, { keyId, ...input }, origin)).toEqual(notFound(keyId))
    },
  )

  test.each(
    cases.filter(({ id, name }) => (id === 'keyId' || id === 'codeId') && !/^(issueCode|rotateKey)$/.test(name)),
  )('finds nothing for $name by a linked key or a code of it', async ({ command, id, prepare }) => {
    const input = { ...(await prepare(at, account)), [id ?? '']: id === 'keyId' ? keyId : codeId }
    const { idempotencyKey: _, ...asked } = { ...input, idempotencyKey: null }
    expect(await refusal(command, asked, caller)).toEqual(notFound(id === 'keyId' ? keyId : codeId))
  })

  test('leaves what the owner and root do to the key as it is for any other', async () => {
    const owner = (await at.createCaller(lender, ['*'])).origin
    for (const origin of [owner, at.root]) {
      const { result, accountId } = await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }, origin)
      expect(accountId).toBe(lender.accountId)
      expect(result.issuedCodeIds).toHaveLength(1)
    }
  })

  test("does not change the key by any of this: its history tells of its own account's doings only", async () => {
    const { rows } = await database.owner.pool.query(
      'SELECT type FROM log.event WHERE stream_id = $1 ORDER BY version',
      [keyId],
    )
    expect(rows.map(({ type }) => type)).toEqual(['key.created', 'code.issued', 'key.rotated', 'key.rotated'])
  })
})

describe('what a link relies on', () => {
  test('is a policy, which is not deleted under it', async () => {
    const [first, second] = [await at.createPolicy(account.accountId), await at.createPolicy(account.accountId)]
    const linkId = await at.linkKey(account.accountId, await aKey(), { policyIds: [first] })
    expect(await refusal(deletePolicy, { policyId: first })).toEqual({ code: 'POLICY_IN_USE' })
    await at.done(updateLink, { linkId, policyIds: [second] })
    await at.done(deletePolicy, { policyId: first })
    expect(await refusal(deletePolicy, { policyId: second })).toEqual({ code: 'POLICY_IN_USE' })
    await at.done(unlinkKey, { linkId })
    await at.done(deletePolicy, { policyId: second })
  })

  test('is its keyspace, which is not deleted under it; one into all of the account needs none', async () => {
    const keyspaceId = await at.createKeyspace(account.accountId)
    await at.linkKey(account.accountId, await aKey())
    const linkId = await at.linkKey(account.accountId, await aKey(), { keyspaceId })
    expect(await refusal(deleteKeyspace, { keyspaceId })).toEqual({ code: 'KEYSPACE_NOT_EMPTY' })
    await at.done(unlinkKey, { linkId })
    await at.done(deleteKeyspace, { keyspaceId })
  })

  test('is not locked: its key is changed, and ended, as if there were no link', async () => {
    const keyId = await aKey()
    await at.linkKey(account.accountId, keyId)
    await at.done(updateKey, { keyId, name: 'renamed', expiresAt: plusMs(at.clock.now(), DAY_MS) })
    await at.done(disableKey, { keyId })
    await at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })
  })
})

test('after all that the state is what the log says', async () => {
  expect(await checkState(database.owner)).toMatchObject({ difference: null })
  await database.owner.pool.query(`UPDATE state.link SET policy_ids = '{}' WHERE unlinked_at IS NULL`)
  expect((await checkState(database.owner)).difference).toMatch(
    /^state\.link lnk_\w+ differs from the log in policy_ids$/,
  )
})
