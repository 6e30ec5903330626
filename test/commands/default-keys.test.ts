// Default keys: one for every user in every keyspace that has them, made with the user and in the place of one that ends.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { addUser } from '#commands/add-user.ts'
import { createKeyspace } from '#commands/create-keyspace.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { removeUser } from '#commands/remove-user.ts'
import { revealCode } from '#commands/reveal-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { checkState } from '#state/check.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { PATIENTLY } from '#test/support/wait.ts'
import { verifyKeys } from '#verify/verify-keys.ts'

const ON = { defaultKeys: true, defaultKeyName: 'Yours', secretDisplay: 'REVEALABLE', prefix: 'akm' }
const REASON = { reason: 'UNSPECIFIED' }

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let keyspaceId: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
})
afterAll(async () => {
  expect(await checkState(database.owner)).toMatchObject({ difference: null })
  await database.drop()
})
beforeEach(async () => {
  account = await at.createAccount()
  keyspaceId = await at.createKeyspace(account.accountId, ON)
})

const rowsOf = async (userId: string) =>
  database.owner.kysely
    .selectFrom('state.key')
    .selectAll()
    .where('owner_id', '=', userId)
    .orderBy('created_at')
    .orderBy('key_id')
    .execute()

const defaultsOf = async (userId: string, where = keyspaceId) =>
  (await rowsOf(userId)).filter((key) => key.keyspace_id === where && key.is_default)

const eventsOf = async (...ids: readonly string[]) =>
  (
    await database.owner.pool.query<{ type: string; actor_kind: string; position: string }>(
      'SELECT type, actor_kind FROM log.event WHERE event_id = ANY ($1) ORDER BY position',
      [ids],
    )
  ).rows

const change = (rules: object) => at.done(updateKeyspace, { keyspaceId, rules })
const newUser = (input: object = {}) => ({
  accountId: account.accountId,
  externalId: crypto.randomUUID(),
  role: 'MEMBER',
  ...input,
})

describe('a new user', () => {
  test('gets one in every keyspace that has them, by the system, in the transaction that adds them', async () => {
    const other = await at.createKeyspace(account.accountId, { ...ON, codesAtCreation: 2 })
    await at.createKeyspace(account.accountId, { secretDisplay: 'REVEALABLE' })
    const { result, secrets, eventIds } = await at.done(addUser, newUser({ permissions: ['ads.*'] }))
    const keys = await rowsOf(result.userId)
    expect(keys.map(({ keyspace_id }) => keyspace_id).sort()).toEqual([keyspaceId, other].sort())
    for (const key of keys)
      expect(key).toMatchObject({
        name: 'Yours',
        owner_id: result.userId,
        acts_as_id: result.userId,
        permissions: ['*'],
        is_default: true,
        enabled: true,
        created_by_kind: 'SYSTEM',
        created_by_id: null,
      })
    const made = ['SYSTEM key.created', 'SYSTEM code.issued']
    const events = (await eventsOf(...eventIds)).map(({ actor_kind, type }) => `${actor_kind} ${type}`)
    expect(events[0]).toBe('ROOT user.added')
    expect(events.slice(1).sort()).toEqual([...made, ...made, 'SYSTEM code.issued'].sort())
    expect([...secrets.keys()]).toEqual(result.issuedCodeIds)
    expect(secrets.size).toBe(3)
  })

  test('opens with it what they may do themselves, and no more', async () => {
    const { secrets } = await at.done(addUser, newUser({ permissions: ['ads.*'] }))
    const [secret] = secrets.values()
    const inputs = ['ads.read', 'reports.read'].map((permission) => ({ key: secret?.reveal() ?? '', permission }))
    const verdicts = await verifyKeys(at, at.root.caller, inputs)
    expect(verdicts.map(({ code }) => code)).toEqual(['VALID', 'INSUFFICIENT_PERMISSIONS'])
  })

  test('is made by the server, by no credential, whoever added the user', async () => {
    const { origin, keyId, codeIds } = await at.createCaller(account, ['*'])
    const { eventIds } = await at.done(addUser, newUser(), origin)
    const { rows } = await database.owner.pool.query(
      `SELECT type, actor_kind, credential_key_id AS key, credential_code_id AS code, convert_from(body, 'UTF8')::jsonb -> 'credential' AS told
         FROM log.event WHERE event_id = ANY ($1) ORDER BY position LIMIT 2`,
      [eventIds],
    )
    const [code] = codeIds
    expect(rows).toEqual([
      { type: 'user.added', actor_kind: 'KEY', key: keyId, code, told: { keyId, codeId: code } },
      { type: 'key.created', actor_kind: 'SYSTEM', key: null, code: null, told: null },
    ])
  })

  test('has their secret told to no one who could not have such a secret in another way', async () => {
    for (const [more, told] of [
      [[], 0],
      [['keys.read'], 0],
      [['keys.write'], 1],
      [['secrets.reveal'], 1],
    ] as const) {
      const { origin } = await at.createCaller(account, ['users.write', 'keys.verify', ...more])
      const { result, secrets } = await at.done(addUser, newUser({ role: 'VERIFIER', permissions: ['*'] }), origin)
      expect([more, result.issuedCodeIds.length, secrets.size]).toEqual([more, 1, told])
    }
  })

  test('that is refused leaves no key behind', async () => {
    const input = newUser()
    await at.done(addUser, input)
    const count = () => database.owner.pool.query('SELECT count(*)::int FROM state.key')
    const before = (await count()).rows
    expect(await at.refusal(addUser, input)).toEqual({ code: 'NAME_IN_USE' })
    expect((await count()).rows).toEqual(before)
  })
})

describe('switching the rule', () => {
  test('on gives one to every user who is there, and to nobody else', async () => {
    const off = await at.createKeyspace(account.accountId, { ...ON, defaultKeys: false })
    const stranger = await at.createAccount()
    const strangersUser = await at.addUser(stranger.accountId)
    const users = await Promise.all(Array.from({ length: 9 }, () => at.addUser(account.accountId)))
    const gone = await at.addUser(account.accountId)
    await at.done(removeUser, { userId: gone })
    await at.done(updateKeyspace, { keyspaceId: off, rules: { defaultKeys: true } })
    for (const userId of users) {
      const [key, ...others] = await defaultsOf(userId, off)
      expect(others).toEqual([])
      expect(key).toMatchObject({ created_by_kind: 'SYSTEM', acts_as_id: userId })
      expect(await at.done(revealCode, { codeId: await codeOf(key?.key_id) })).toMatchObject({ kind: 'done' })
    }
    expect(await defaultsOf(gone, off)).toEqual([])
    expect(await rowsOf(strangersUser)).toEqual([])
  })

  test('on with the keyspace itself is the same', async () => {
    const userId = await at.addUser(account.accountId)
    const input = { accountId: account.accountId, name: 'born with it', rules: ON }
    const made = await at.done(createKeyspace, input)
    expect(await defaultsOf(userId, made.result.keyspaceId)).toHaveLength(1)
  })

  test('off leaves them as ordinary keys, and on again as what they were', async () => {
    const userId = await at.addUser(account.accountId)
    const [before] = await defaultsOf(userId)
    await change({ defaultKeys: false })
    const another = await at.addUser(account.accountId)
    expect(await rowsOf(another)).toEqual([])
    await change({ defaultKeys: true })
    expect(await rowsOf(userId)).toEqual([before])
    expect(await defaultsOf(another)).toHaveLength(1)
  })

  test('a key that was given away while it was off is not what its first owner gets back', async () => {
    const [giver, taker] = [await at.addUser(account.accountId), await at.addUser(account.accountId)]
    const [given] = await defaultsOf(giver)
    await change({ defaultKeys: false })
    await at.done(updateKey, { keyId: given?.key_id, ownerId: taker })
    await change({ defaultKeys: true })
    expect(await defaultsOf(giver)).toMatchObject([{ owner_id: giver }])
    expect(await defaultsOf(taker)).toHaveLength(1)
    expect(await rowsOf(taker)).toHaveLength(2)
  })

  test('on is refused beside rules that do not allow it, and in more keyspaces than a user could have keys in', async () => {
    const path = ['rules', 'defaultKeys']
    expect(await at.refusal(updateKeyspace, { keyspaceId, rules: { activeKeysMax: 5 } })).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ path: ['rules', 'activeKeysMax'] }],
    })
    for (let n = 0; n < 9; n++) await at.createKeyspace(account.accountId, ON)
    const input = { accountId: account.accountId, name: 'one too many', rules: ON }
    expect(await at.refusal(createKeyspace, input)).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path }] })
    const off = await at.createKeyspace(account.accountId, { secretDisplay: 'REVEALABLE' })
    const late = { keyspaceId: off, rules: { defaultKeys: true } }
    expect(await at.refusal(updateKeyspace, late)).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path }] })
    await change({ defaultKeys: false })
    await at.done(updateKeyspace, late)
  })
})

async function codeOf(keyId: string | undefined): Promise<string> {
  const { rows } = await database.owner.pool.query<{ code_id: string }>(
    'SELECT code_id FROM state.code WHERE key_id = $1 ORDER BY ordinal LIMIT 1',
    [keyId],
  )
  return rows[0]?.code_id ?? ''
}

test('a user who is being added while the rule is switched on is not missed', async () => {
  const late = await at.createKeyspace(account.accountId, { ...ON, defaultKeys: false })
  const looked = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  // It has looked which keyspaces have default keys, and has not committed yet.
  const decide: typeof addUser.decide = async (step, input) => {
    const decided = await addUser.decide(step, input)
    looked.resolve()
    await goOn.promise
    return decided
  }
  const adding = at.done({ ...addUser, decide }, newUser())
  await looked.promise
  let switched = false
  const switching = at.done(updateKeyspace, { keyspaceId: late, rules: { defaultKeys: true } }).then(() => {
    switched = true
  })
  await vi.waitFor(async () => {
    const { rowCount } = await database.owner.pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    expect(switched || rowCount === 1).toBe(true)
  }, PATIENTLY)
  goOn.resolve()
  const [{ result }] = await Promise.all([adding, switching])
  expect(await defaultsOf(result.userId, late)).toHaveLength(1)
})

describe('the end of a default key', () => {
  test.each([
    ['revokeKey', revokeKey],
    ['deleteKey', deleteKey],
  ] as const)('by %s makes the next one, with a new id and a new secret', async (_name, command) => {
    const added = await at.done(addUser, newUser())
    const { userId } = added.result
    const [old] = await defaultsOf(userId)
    const caller = await at.createCaller(account, ['keys.write'])
    const { result, secrets, eventIds } = await at.done(command, { keyId: old?.key_id, ...REASON }, caller.origin)
    const [next, ...others] = await defaultsOf(userId)
    expect(others).toEqual([])
    expect(next?.key_id).not.toBe(old?.key_id)
    expect(result).toMatchObject({ keyId: old?.key_id, replacementKeyId: next?.key_id })
    expect(next).toMatchObject({ name: 'Yours', owner_id: userId, acts_as_id: userId, created_by_kind: 'SYSTEM' })
    const events = (await eventsOf(...eventIds)).map(({ actor_kind, type }) => `${actor_kind} ${type}`)
    expect(events[0]).toBe('KEY key.revoked')
    expect(events.slice(-2)).toEqual(['SYSTEM key.created', 'SYSTEM code.issued'])

    const plain = [...added.secrets.values(), ...secrets.values()].map((secret) => ({ key: secret.reveal() }))
    const verdicts = await verifyKeys(at, at.root.caller, plain)
    expect(verdicts.map(({ code }) => code)).toEqual(['REVOKED', 'VALID'])
    expect(await at.refusal(revealCode, { codeId: added.result.issuedCodeIds[0] })).toMatchObject({
      code: expect.stringMatching(/^KEY_(REVOKED|DELETED)$/),
    })
  })

  test('is told again to a retry without the secret, and happens once', async () => {
    const userId = await at.addUser(account.accountId)
    const [old] = await defaultsOf(userId)
    const input = { keyId: old?.key_id, ...REASON, idempotencyKey: 'once' }
    const first = await at.done(revokeKey, input)
    const again = await at.done(revokeKey, input)
    expect(again).toMatchObject({ result: first.result, eventIds: first.eventIds })
    expect([first.secrets.size, again.secrets.size]).toEqual([1, 0])
    const after = await at.done(revokeKey, { keyId: old?.key_id, ...REASON })
    expect(after).toMatchObject({ eventIds: [], result: { replacementKeyId: null, issuedCodeIds: [] } })
    expect(await rowsOf(userId)).toHaveLength(2)
  })

  test('is the end of an ordinary key while the rule is off', async () => {
    const userId = await at.addUser(account.accountId)
    const [old] = await defaultsOf(userId)
    await change({ defaultKeys: false })
    const { result } = await at.done(revokeKey, { keyId: old?.key_id, ...REASON })
    expect(result.replacementKeyId).toBeNull()
    await change({ defaultKeys: true })
    expect(await defaultsOf(userId)).toHaveLength(1)
  })

  test('is no way out of a user who only has other keys', async () => {
    const userId = await at.addUser(account.accountId)
    const { keyId } = await at.createKey(keyspaceId, { ownerId: userId })
    const { result } = await at.done(revokeKey, { keyId, ...REASON })
    expect(result.replacementKeyId).toBeNull()
    expect(await defaultsOf(userId)).toHaveLength(1)
  })
})

test('a default key is its user’s for good, whoever asks', async () => {
  const [userId, other] = [
    await at.addUser(account.accountId),
    await at.addUser(account.accountId, { externalId: 'other' }),
  ]
  const [key] = await defaultsOf(userId)
  const caller = await at.createCaller(account, ['*'])
  for (const origin of [at.root, caller.origin])
    for (const [path, edit] of [
      ['ownerId', { ownerId: other }],
      ['ownerId', { ownerId: null }],
      ['actsAs', { actsAs: 'other' }],
      ['actsAs', { actsAs: null }],
    ] as const)
      expect(await at.refusal(updateKey, { keyId: key?.key_id, ...edit }, origin)).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: [path] }],
      })
  await at.done(updateKey, { keyId: key?.key_id, name: 'laptop', ownerId: userId })
})
