import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Caller } from '#domain/caller.ts'
import { createLoaders, type Loaders } from '#queries/loaders.ts'
import type { Reader } from '#queries/reader.ts'
import { encryptPersonal, newPersonalKey } from '#secret/personal.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import {
  codeRow,
  insertCodes,
  insertKeys,
  keyRow,
  linkRow,
  policyRow,
  type SeededAccount,
  seedAccount,
  seedEvents,
  seedId,
} from '#test/support/seed.ts'
import { testKeyring } from '#test/support/services.ts'

const NOW = '2026-06-01T00:00:00.000Z'
const PAST = '2026-05-01T00:00:00.000Z'
const FUTURE = '2026-07-01T00:00:00.000Z'
const ROOT: Caller = { kind: 'ROOT' }

let database: TestDatabase
let reader: Reader
let account: SeededAccount
let stranger: SeededAccount

/** One of each thing of an account, by loader. */
const idsOf = ({ accountId, keyspaceId, shard }: SeededAccount, n: number) => ({
  account: accountId,
  keyspace: keyspaceId,
  key: seedId('key', shard, n),
  code: codeRow(keyRow(account, n), 1).code_id,
  rotation: seedId('rot', shard, n),
  link: seedId('lnk', shard, n),
  linkedKey: seedId('lnk', shard, n),
  policy: seedId('pol', shard, n),
  event: seedId('evt', shard, n),
  activeKeyCount: keyspaceId,
  accountPosition: accountId,
  keyName: seedId('key', shard, n),
  user: seedId('usr', shard, n),
  profile: seedId('usr', shard, n),
})
const keyCaller = (own: SeededAccount): Caller => ({
  kind: 'KEY',
  keyId: seedId('key', own.shard, 1),
  codeId: seedId('code', own.shard, 1),
  accountId: own.accountId,
  permissions: ['*'],
})

beforeAll(async () => {
  database = await createTestDatabase()
  const keyring = testKeyring('k1')
  reader = { database: database.serving, keyring, now: NOW, memberId: null }
  account = await seedAccount(database.owner, 1)
  stranger = await seedAccount(database.owner, 17)
  for (const [own, n] of [
    [account, 1],
    [stranger, 2],
  ] as const) {
    const key = keyRow(own, n)
    await insertKeys(database.owner, [key])
    await insertCodes(database.owner, [codeRow(key, 1)])
    await database.owner.kysely
      .insertInto('state.rotation')
      .values({
        shard: own.shard,
        rotation_id: seedId('rot', own.shard, n),
        account_id: own.accountId,
        key_id: key.key_id,
        ordinal: 1,
        slot: 'PRIMARY',
        retired_code_id: seedId('code', own.shard, n),
        replacement_code_id: seedId('code', own.shard, n),
        rotated_at: PAST,
        rotated_by_kind: 'ROOT',
        rotated_by_id: null,
      })
      .execute()
    // Each has linked the other's key.
    const lender = own === account ? stranger : account
    await database.owner.kysely
      .insertInto('state.link')
      .values(linkRow(own, n, seedId('key', lender.shard, 3 - n)))
      .execute()
    await database.owner.kysely.insertInto('state.policy').values(policyRow(own, n)).execute()
    const { accountId: account_id, shard } = own
    const user_id = seedId('usr', shard, n)
    const { sealed, secretId, ...personal } = newPersonalKey(keyring, user_id)
    const told = ['externalId', 'displayName'].map((name) => {
      const place = { userId: user_id, version: 1, name }
      return { shard, user_id, version: 1, name, ciphertext: encryptPersonal(personal, place, `${name} ${n}`) }
    })
    const { kysely } = database.owner
    await kysely
      .insertInto('state.user')
      .values({
        shard,
        user_id,
        account_id,
        role: 'MEMBER',
        permissions: [],
        created_at: PAST,
        removed_at: null,
        erased_at: null,
        version: 1,
      })
      .execute()
    await kysely
      .insertInto('vault.user_key')
      .values({ shard, user_id, account_id, sealed, secret_id: secretId })
      .execute()
    await kysely.insertInto('vault.personal').values(told).execute()
    await seedEvents(database.owner, own, { from: PAST, count: 1, streamIds: [key.key_id], types: ['key.created'] })
  }
})
afterAll(() => database.drop())
afterEach(() => {
  vi.restoreAllMocks()
})

async function loadEach(loaders: Loaders, ids: ReturnType<typeof idsOf>): Promise<Record<string, unknown>> {
  const names = Object.keys(ids) as (keyof typeof ids)[]
  const entries = names.map(async (name) => [name, await loaders[name].load(ids[name])] as const)
  return Object.fromEntries(await Promise.all(entries))
}

/** Texts of the statements that were sent while `work` ran. */
async function statementsOf(work: () => Promise<unknown>): Promise<readonly string[]> {
  const query = vi.spyOn(pg.Client.prototype, 'query')
  await work()
  return query.mock.calls.map(([config]) => (config as unknown as { name?: string; text: string }).text)
}

describe('loaders', () => {
  test('give root what there is of any account', async () => {
    for (const [own, n] of [
      [account, 1],
      [stranger, 2],
    ] as const) {
      const found = await loadEach(createLoaders(reader, ROOT), idsOf(own, n))
      expect(found).toMatchObject({
        account: { account_id: own.accountId },
        keyspace: { keyspace_id: own.keyspaceId },
        key: { key_id: seedId('key', own.shard, n) },
        code: { key_id: seedId('key', own.shard, n) },
        rotation: { ordinal: 1 },
        link: { key_id: expect.stringMatching(/^key_/) },
        linkedKey: { name: `Key ${3 - n}`, active: true },
        policy: { name: `Policy ${n}` },
        event: { position: 1n },
        activeKeyCount: 1,
        accountPosition: 1n,
        keyName: `Key ${n}`,
        user: { role: 'MEMBER' },
        profile: { externalId: `externalId ${n}`, displayName: `displayName ${n}` },
      })
    }
  })

  test("give a management key its own account's, and of another's exactly as little as of what does not exist", async () => {
    const loaders = createLoaders(reader, keyCaller(account))
    const own = await loadEach(loaders, idsOf(account, 1))
    expect(Object.values(own)).not.toContain(null)
    const foreign = await loadEach(loaders, idsOf(stranger, 2))
    expect(new Set(Object.values(foreign))).toEqual(new Set([null]))
    const foreignKey = seedId('key', stranger.shard, 2)
    expect(await loaders.codesOfKey.load(foreignKey)).toEqual([])
    expect(await loaders.retiredCodesOfKey.load(foreignKey)).toEqual([])
  })

  test('give nobody nothing, without a statement', async () => {
    const texts = await statementsOf(async () => {
      const found = await loadEach(createLoaders(reader, undefined), idsOf(account, 1))
      expect(new Set(Object.values(found))).toEqual(new Set([null]))
    })
    expect(texts).toEqual([])
  })

  test('ask nothing of the database for ill-formed ids and those of another kind', async () => {
    const texts = await statementsOf(async () => {
      const loaders = createLoaders(reader, ROOT)
      for (const id of ['', '\0', "' OR true", 'key_1', account.accountId, `${seedId('key', 1, 1)} `])
        expect(await loaders.key.load(id)).toBeNull()
      expect(await loaders.codesOfKey.load('nonsense')).toEqual([])
    })
    expect(texts).toEqual([])
  })

  test('send one statement for all ids of a kind, of the same text and name however many', async () => {
    const ids = Array.from({ length: 300 }, (_, n) => seedId('key', n % 16, n))
    const sent: { name?: string; text: string }[] = []
    for (const count of [1, 2, 300]) {
      const query = vi.spyOn(pg.Client.prototype, 'query')
      const loaders = createLoaders(reader, ROOT)
      await Promise.all(ids.slice(0, count).flatMap((id) => [loaders.key.load(id), loaders.keyName.load(id)]))
      expect(query.mock.calls).toHaveLength(1)
      sent.push(query.mock.calls[0]?.[0] as unknown as { name: string; text: string })
      query.mockRestore()
    }
    expect(new Set(sent.map(({ text }) => text)).size).toBe(1)
    expect(sent[0]?.name).toMatch(/^keyledger_/)
  })

  test('remember until they are told to forget', async () => {
    const loaders = createLoaders(reader, ROOT)
    const keyId = seedId('key', 1, 1)
    expect((await loaders.key.load(keyId))?.name).toBe('Key 1')
    const rename = (name: string) =>
      database.owner.kysely.updateTable('state.key').set({ name }).where('key_id', '=', keyId).execute()
    await rename('Renamed')
    expect(await loaders.keyName.load(keyId)).toBe('Key 1')
    loaders.clear()
    expect(await loaders.keyName.load(keyId)).toBe('Renamed')
    await rename('Key 1')
  })

  test('count the keys that are neither revoked, deleted nor expired, disabled ones too', async () => {
    const { otherKeyspaceId: keyspace_id, managementKeyspaceId } = account
    const revoked = { revoked_at: PAST, revoked_by_kind: 'ROOT', revocation_reason: 'UNSPECIFIED' } as const
    await insertKeys(database.owner, [
      keyRow(account, 51, { keyspace_id }),
      keyRow(account, 52, { keyspace_id, enabled: false, expires_at: FUTURE }),
      keyRow(account, 53, { keyspace_id, expires_at: NOW }),
      keyRow(account, 54, { keyspace_id, ...revoked }),
      keyRow(account, 55, { keyspace_id, deleted_at: PAST, ...revoked }),
    ])
    const { activeKeyCount } = createLoaders(reader, keyCaller(account))
    expect(await Promise.all([keyspace_id, managementKeyspaceId].map((id) => activeKeyCount.load(id)))).toEqual([2, 0])
    expect(await activeKeyCount.load(seedId('ks', 1, 999))).toBeNull()
  })
})

describe('the codes of a key', () => {
  test("are each slot's newest unless deleted, PRIMARY first, then those in overlap; the rest is retired", async () => {
    const key = keyRow(account, 60)
    const replaced = (overlap_ends_at: string | null) => ({ replaced_at: PAST, overlap_ends_at })
    await insertKeys(database.owner, [key])
    await insertCodes(database.owner, [
      codeRow(key, 1, replaced(null)),
      codeRow(key, 2, { slot: 'SECONDARY', ...replaced(PAST) }),
      codeRow(key, 3, replaced(FUTURE)),
      codeRow(key, 4, { slot: 'SECONDARY', ...replaced(FUTURE) }),
      codeRow(key, 5, { slot: 'SECONDARY', expires_at: PAST }),
      codeRow(key, 6, { expires_at: PAST }),
    ])
    const { codesOfKey, retiredCodesOfKey } = createLoaders(reader, keyCaller(account))
    expect((await codesOfKey.load(key.key_id)).map((code) => code.ordinal)).toEqual([6, 5, 3, 4])
    expect((await retiredCodesOfKey.load(key.key_id)).map((code) => code.ordinal)).toEqual([2, 1])
  })

  test('leave a slot out whose newest code is deleted, and an overlap that has ended this instant', async () => {
    const key = keyRow(account, 61)
    await insertKeys(database.owner, [key])
    await insertCodes(database.owner, [
      codeRow(key, 1, { expires_at: PAST }),
      codeRow(key, 2, { deleted_at: PAST }),
      codeRow(key, 3, { slot: 'SECONDARY', replaced_at: PAST, overlap_ends_at: NOW }),
      codeRow(key, 4, { slot: 'SECONDARY', enabled: false }),
    ])
    const { codesOfKey, retiredCodesOfKey } = createLoaders(reader, ROOT)
    expect((await codesOfKey.load(key.key_id)).map((code) => code.ordinal)).toEqual([4])
    expect((await retiredCodesOfKey.load(key.key_id)).map((code) => code.ordinal)).toEqual([3, 2, 1])
  })

  test('retired are at most 100, the newest, beside the current ones', async () => {
    const key = keyRow(account, 62)
    await insertKeys(database.owner, [key])
    await insertCodes(
      database.owner,
      Array.from({ length: 150 }, (_, n) => codeRow(key, n + 1, { replaced_at: n < 149 ? PAST : null })),
    )
    const { codesOfKey, retiredCodesOfKey } = createLoaders(reader, ROOT)
    expect((await codesOfKey.load(key.key_id)).map((code) => code.ordinal)).toEqual([150])
    const retired = await retiredCodesOfKey.load(key.key_id)
    expect(retired.map((code) => code.ordinal)).toEqual(Array.from({ length: 100 }, (_, n) => 149 - n))
  })

  test('never carry a digest', async () => {
    const loaders = createLoaders(reader, ROOT)
    const keyId = seedId('key', 1, 62)
    const codes = [
      await loaders.code.load(codeRow(keyRow(account, 1), 1).code_id),
      ...(await loaders.codesOfKey.load(keyId)),
      ...(await loaders.retiredCodesOfKey.load(keyId)),
    ]
    for (const code of codes) {
      expect(code).toMatchObject({ slot: 'PRIMARY' })
      expect(code).not.toHaveProperty('digest')
    }
  })
})
