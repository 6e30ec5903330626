// Erasing a user leaves no byte of who they were in any table, and everything else as it was.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addUser } from '#commands/add-user.ts'
import { eraseUser } from '#commands/erase-user.ts'
import { forgetErased } from '#commands/forget-accesses.ts'
import { removeUser } from '#commands/remove-user.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateUser } from '#commands/update-user.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { checkState } from '#state/check.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { formsOf, readAllTables, tablesWith } from '#test/support/plaintexts.ts'
import { type MadeAccount, type TestServices, testServices } from '#test/support/services.ts'
import { recordAccess } from '#usage/record-access.ts'
import { verifyKeys } from '#verify/verify-keys.ts'

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
afterAll(() => database.drop())

/** More than clocks may differ by. */
const APART_MS = 360_000
const CLIENT_IP = '198.51.100.77'
const USER_AGENT = 'Kharnagys-own-client/1.0'

async function used(keyId: string, clientIp: string, userAgent: string) {
  const entry = { keyId, at: at.clock.now(), verdict: 'VALID', method: 'GET', status: 200 }
  const told = {
    path: `/of/${userAgent}`,
    clientIp,
    userAgent,
    requestBody: `by ${userAgent}`,
    responseBody: userAgent,
  }
  expect(await recordAccess(at, at.root.caller, { entries: [{ ...entry, ...told }] })).toMatchObject({
    kind: 'recorded',
  })
}

/** A user whose data is nowhere else, with a key of theirs and one that acts as them, both used. */
async function person(name: string, clientIp = CLIENT_IP) {
  const externalId = `${name}@domain.corp`
  const told = [externalId, `${name} called Kálmán`, `${name} "renamed" Groß`]
  const { userId } = (
    await at.done(addUser, {
      accountId: account.accountId,
      externalId,
      displayName: told[1],
      role: 'MEMBER',
      permissions: ['*'],
    })
  ).result
  await at.done(updateUser, { userId, displayName: told[2] })
  const logging = { request: true, response: true }
  const owned = await at.createKey(keyspaceId, { ownerId: userId, logging })
  const acting = await at.createKey(keyspaceId, { actsAs: externalId, logging })
  for (const { keyId } of [owned, acting]) await used(keyId, clientIp, `${name}-${USER_AGENT}`)
  return { userId, externalId, owned, acting, told: [...told, clientIp, `${name}-${USER_AGENT}`] }
}

/** Rows as text, by table: of each table those that are there. */
async function rowsByTable(): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows: tables } = await database.owner.pool.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'r' AND n.nspname !~ '^pg_|^information_schema$' ORDER BY 1`,
  )
  const found = new Map<string, readonly string[]>()
  for (const { name } of tables) {
    const { rows } = await database.owner.pool.query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM ${name} t`)
    found.set(name.replace(/_\d{8}$/, ''), [
      ...(found.get(name.replace(/_\d{8}$/, '')) ?? []),
      ...rows.map(({ row }) => row),
    ])
  }
  return found
}

function differencesOf(before: Awaited<ReturnType<typeof rowsByTable>>, after: typeof before) {
  return Object.fromEntries(
    [...after].flatMap(([name, rows]) => {
      const were = new Set(before.get(name))
      const are = new Set(rows)
      const gone = [...were].filter((row) => !are.has(row)).map((row) => JSON.parse(row))
      const come = [...are].filter((row) => !were.has(row)).map((row) => JSON.parse(row))
      return gone.length + come.length === 0 ? [] : [[name, { gone, come }]]
    }),
  )
}

describe('erasing a user', () => {
  test('leaves no byte of who they were, and all else as it was', async () => {
    const other = await person('stayer', '192.0.2.1')
    const { userId, owned, acting, told } = await person('kharnagy')
    const { rows: vault } = await database.owner.pool.query<{ bytes: Buffer }>(
      `SELECT sealed AS bytes FROM vault.user_key WHERE user_id = $1
        UNION ALL SELECT ciphertext FROM vault.personal WHERE user_id = $1
        UNION ALL SELECT digest FROM vault.identity WHERE user_id = $1`,
      [userId],
    )
    expect(vault).toHaveLength(5)
    const before = await rowsByTable()
    const beforeBytes = await readAllTables(database.owner)
    // Or the test would not find it anywhere.
    expect(tablesWith(beforeBytes, CLIENT_IP)).not.toEqual([])
    for (const { bytes } of vault) expect(beforeBytes.some((table) => table.bytes.includes(bytes))).toBe(true)

    const { eventIds } = await at.done(eraseUser, { userId })
    expect(eventIds).toHaveLength(4)

    const tables = await readAllTables(database.owner)
    for (const text of told)
      for (const form of [...formsOf(text), JSON.stringify(text).slice(1, -1)])
        expect(tablesWith(tables, form), `${text} as ${form}`).toEqual([])
    for (const { bytes } of vault)
      for (const form of [bytes, bytes.toString('hex'), bytes.toString('base64')])
        expect(tables.filter((table) => table.bytes.includes(form)).map(({ name }) => name)).toEqual([])
    for (const text of other.told.slice(3)) expect(tablesWith(tables, text)).not.toEqual([])

    const differences = differencesOf(before, await rowsByTable())
    expect(Object.keys(differences).sort()).toEqual(
      [
        ...[
          'log.account',
          'log.event',
          'log.feed_shard',
          'log.stream',
          'state.key',
          'state."user"',
          'usage.access_log',
        ].sort(),
        ...['vault.identity', 'vault.personal', 'vault.user_key'],
      ].sort(),
    )
    expect(differences['log.event']).toMatchObject({ gone: [], come: { length: 4 } })
    for (const [name, count] of [
      ['vault.identity', 1],
      ['vault.personal', 3],
      ['vault.user_key', 1],
    ] as const) {
      expect(differences[name]?.come).toEqual([])
      expect(differences[name]?.gone.map((row: { user_id: string }) => row.user_id)).toEqual(Array(count).fill(userId))
    }
    const keyIds = [owned.keyId, acting.keyId].sort()
    expect(differences['state.key']?.come.map((row: { key_id: string }) => row.key_id).sort()).toEqual(keyIds)
    expect(differences['state."user"']?.come).toMatchObject([{ user_id: userId, erased_at: expect.any(String) }])
    const nothing = { path: null, client_ip: null, user_agent: null, request_body: null, response_body: null }
    const was = new Map(differences['usage.access_log']?.gone.map((row: { entry_id: string }) => [row.entry_id, row]))
    expect(differences['usage.access_log']?.come).toHaveLength(2)
    for (const row of differences['usage.access_log']?.come ?? [])
      expect(row).toEqual({ ...(was.get(row.entry_id) as object), ...nothing })
  })

  test('removes who is still there, and of who was removed destroys what was kept', async () => {
    const { userId, owned, externalId } = await person('twice')
    const [told] = await verifyKeys(at, at.root.caller, [{ key: owned.secrets[0] ?? '' }])
    expect(told).toMatchObject({ code: 'VALID', owner: externalId })
    await at.done(removeUser, { userId })
    const types = async (ids: readonly string[]) =>
      (await database.owner.pool.query('SELECT type FROM log.event WHERE event_id = ANY ($1)', [ids])).rows
    const erased = await at.done(eraseUser, { userId })
    expect(await types(erased.eventIds)).toEqual([{ type: 'user.erased' }])
    expect((await at.done(eraseUser, { userId })).eventIds).toEqual([])
    expect((await at.done(removeUser, { userId })).eventIds).toEqual([])
    expect(await at.refusal(updateUser, { userId, displayName: 'Again' })).toMatchObject({ code: 'NOT_FOUND' })
    // From memory as little as from the tables.
    const [forgotten] = await verifyKeys(at, at.root.caller, [{ key: owned.secrets[0] ?? '' }])
    expect(forgotten).toMatchObject({ code: 'REVOKED', owner: '(erased)' })
  })

  test('frees their external id: who is added with it is another', async () => {
    const { userId, externalId } = await person('returns')
    await at.done(eraseUser, { userId })
    const { result } = await at.done(addUser, { accountId: account.accountId, externalId, role: 'MEMBER' })
    expect(result.userId).not.toBe(userId)
  })

  test('takes what is kept of keys that were theirs once, of the time when they were, and of no other', async () => {
    const { userId } = await person('former')
    const { userId: successorId } = await person('successor')
    const { keyId } = await at.createKey(keyspaceId)
    const givenTo = (ownerId: string | null) => at.done(updateKey, { keyId, ownerId })
    const stages = ['nobody-yet', 'the-former', 'nobody-between', 'the-successor', 'the-former-again', 'nobody-since']
    const owners = [null, userId, null, successorId, userId, null]
    for (const [index, stage] of stages.entries()) {
      const ownerId = owners[index] ?? null
      if (index > 0) await givenTo(ownerId)
      at.clock.advance(APART_MS)
      await used(keyId, '203.0.113.50', stage)
      at.clock.advance(APART_MS)
    }
    await at.done(eraseUser, { userId })
    const kept = async () => {
      const tables = await readAllTables(database.owner)
      return stages.filter((stage) => tablesWith(tables, stage).length > 0)
    }
    expect(await kept()).toEqual(stages.filter((stage) => !stage.startsWith('the-former')))
    await at.done(eraseUser, { userId: successorId })
    expect(await kept()).toEqual(stages.filter((stage) => stage.startsWith('nobody')))
  })

  test('takes what is kept of keys that acted as them once', async () => {
    const { userId, externalId } = await person('double')
    const { keyId } = await at.createKey(keyspaceId, { actsAs: externalId })
    await used(keyId, '203.0.113.51', 'acting-double')
    await at.done(updateKey, { keyId, actsAs: null })
    await at.done(eraseUser, { userId })
    expect(tablesWith(await readAllTables(database.owner), 'acting-double')).toEqual([])
  })

  test('of uses that are told of later, nothing is written that was forgotten', async () => {
    const [{ userId, owned, acting }, other] = [await person('gone'), await person('still-here', '203.0.113.61')]
    await at.done(eraseUser, { userId })
    for (const { keyId } of [owned, acting, other.owned]) await used(keyId, '203.0.113.60', `told-later-${keyId}`)
    const all = await readAllTables(database.owner)
    for (const { keyId } of [owned, acting]) expect(tablesWith(all, `told-later-${keyId}`)).toEqual([])
    expect(tablesWith(all, `told-later-${other.owned.keyId}`)).toContain('usage.access_log')
    const { rows } = await database.owner.pool.query(
      'SELECT verdict, method, status, client_ip FROM usage.access_log WHERE key_id = $1 AND at = $2',
      [owned.keyId, at.clock.now()],
    )
    expect(rows).toContainEqual({ verdict: 'VALID', method: 'GET', status: 200, client_ip: null })
    await at.done(eraseUser, { userId: other.userId })
  })

  test('of uses of keys that were given away and that are told of later, the next sweep forgets the same', async () => {
    const { userId, owned } = await person('late')
    await at.done(updateKey, { keyId: owned.keyId, ownerId: null })
    await at.done(eraseUser, { userId })
    await used(owned.keyId, '203.0.113.9', 'late-comer')
    expect(tablesWith(await readAllTables(database.owner), '203.0.113.9')).not.toEqual([])
    const longAgo = plusMs(at.clock.now(), -30 * DAY_MS)
    await forgetErased(database.serving, plusMs(at.clock.now(), DAY_MS), () => false)
    expect(tablesWith(await readAllTables(database.owner), '203.0.113.9')).not.toEqual([])
    await forgetErased(database.serving, longAgo, () => false)
    expect(tablesWith(await readAllTables(database.owner), '203.0.113.9')).toEqual([])
  })

  test('leaves state and log as they follow from each other', async () => {
    expect(await checkState(database.owner)).toMatchObject({ difference: null })
  })
})
