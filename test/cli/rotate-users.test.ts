// What is kept of users made anew under a newer secret of the server: by a real process that is killed in the middle, and beside
// commands and lookups that go on.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { addUser } from '#commands/add-user.ts'
import { removeUser } from '#commands/remove-user.ts'
import { resealAll } from '#commands/reseal.ts'
import { knownShardOf } from '#domain/ids.ts'
import { findUserByExternalId, type Profile, readProfiles } from '#queries/users.ts'
import { identityOf } from '#secret/identity.ts'
import { newId } from '#secret/ids.ts'
import { encryptPersonal, newPersonalKey } from '#secret/personal.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testKeyring, testServices } from '#test/support/services.ts'
import { rotateSecrets } from './rotating.ts'

// Each starts processes.
vi.setConfig({ testTimeout: 90_000 })

let database: TestDatabase
let accountId: string
beforeAll(async () => {
  database = await createTestDatabase()
  accountId = (await services('k1').createAccount()).accountId
})
afterAll(() => database.drop())

function services(...ids: readonly string[]): TestServices {
  return testServices(database.serving, { keyring: testKeyring(...ids) })
}

/** Reads as a server does that has these secrets and no others. */
function readerOf(...ids: readonly string[]) {
  const now = '2026-06-01T00:00:00.000Z'
  return { database: database.serving, keyring: testKeyring(...ids), now, memberId: null }
}

async function found(externalId: string, ...ids: readonly string[]): Promise<string | undefined> {
  return (await findUserByExternalId(readerOf(...ids), accountId, externalId))?.user_id
}

async function profileOf(userId: string, ...ids: readonly string[]): Promise<Profile | undefined> {
  const place = { shard: knownShardOf(userId), id: userId }
  return (await readProfiles(readerOf(...ids), [place], null)).get(userId)
}

type Row = { readonly user_id: string; readonly secret_id: string }

async function rowsOf(table: 'user_key' | 'identity'): Promise<readonly Row[]> {
  return (await database.owner.pool.query<Row>(`SELECT user_id, secret_id FROM vault.${table}`)).rows
}

/** How many there are, under one secret or all. */
async function countOf(table: 'user_key' | 'identity', secretId: string | null = null): Promise<number> {
  const text = `SELECT count(*)::int AS n FROM vault.${table} WHERE secret_id = coalesce($1, secret_id)`
  return (await database.owner.pool.query<{ n: number }>(text, [secretId])).rows[0]?.n ?? 0
}

test('users are found and read under the newest secret alone, removed ones read and not found', async () => {
  const at = services('k1')
  const kept = await at.addUser(accountId, { externalId: 'kept@example.org', displayName: 'Kept' })
  const removed = await at.addUser(accountId, { externalId: 'removed@example.org' })
  await at.done(removeUser, { userId: removed })
  const { code, stdout, stderr } = await rotateSecrets(database, 'k2', 'k1').ended
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain("0 seals, 2 keys of users' data and 1 digests of external ids were made anew under k2")
  expect(stdout).not.toMatch(/^k1: .*users/m)
  expect(await found('kept@example.org', 'k2')).toBe(kept)
  expect(await found('removed@example.org', 'k2')).toBeUndefined()
  expect(await profileOf(kept, 'k2')).toEqual({ externalId: 'kept@example.org', displayName: 'Kept' })
  expect(await profileOf(removed, 'k2')).toMatchObject({ externalId: 'removed@example.org' })
  const again = await services('k2', 'k1').addUser(accountId, { externalId: 'removed@example.org' })
  expect(await found('removed@example.org', 'k1', 'k2')).toBe(again)
  const twice = { accountId, externalId: 'kept@example.org', role: 'MEMBER' }
  expect(await services('k2', 'k1').refusal(addUser, twice)).toMatchObject({ code: 'NAME_IN_USE' })
  expect(await rotateSecrets(database, 'k2', 'k1').ended).toMatchObject({
    stdout: expect.stringMatching(/^0 seals, 0 keys of users' data and 0 digests/),
  })
})

test('a user is found before, while and after their digest is made anew, and added only once', async () => {
  const userId = await services('k2', 'k3').addUser(accountId, { externalId: 'between@example.org' })
  const twice = { accountId, externalId: 'between@example.org', role: 'MEMBER' }
  for (const ids of [
    ['k2', 'k3'],
    ['k3', 'k2'],
  ]) {
    expect(await found('between@example.org', ...ids)).toBe(userId)
    expect(await services(...ids).refusal(addUser, twice)).toMatchObject({ code: 'NAME_IN_USE' })
    await resealAll(database.owner, testKeyring('k3', 'k2', 'k1'))
    expect(await found('between@example.org', ...ids)).toBe(userId)
    expect(await services(...ids).refusal(addUser, twice)).toMatchObject({ code: 'NAME_IN_USE' })
  }
})

test('the digest of an erased user can not be made anew: it is told, and ends with the user', async () => {
  const at = services('k3')
  const userId = await at.addUser(accountId)
  await database.owner.pool.query('DELETE FROM vault.user_key WHERE user_id = $1', [userId])
  const told = await rotateSecrets(database, 'k4', 'k3', 'k2', 'k1').ended
  expect(told.code).toBe(0)
  expect(told.stdout).toMatch(
    /^k3: still needed, for .*1 erased users \(digests of their external ids, until the users are removed\)/m,
  )
  expect((await rowsOf('user_key')).filter(({ user_id }) => user_id === userId)).toEqual([])
  await at.done(removeUser, { userId })
  expect((await rotateSecrets(database, 'k4', 'k3', 'k2', 'k1').ended).stdout).not.toMatch(/users \(digests/)
})

test('what this server has not made is left as it is, and named', async () => {
  const at = services('k4')
  const [key = '', data = ''] = [await at.addUser(accountId), await at.addUser(accountId)]
  const spoil = 'set_byte($2, 20, get_byte($2, 20) # 1)'
  for (const [table, column, userId] of [
    ['user_key', 'sealed', key],
    ['personal', 'ciphertext', data],
  ])
    await database.owner.pool.query(
      `UPDATE vault.${table} SET ${column} = ${spoil.replaceAll('$2', column ?? '')} WHERE user_id = $1`,
      [userId],
    )
  const { code, stderr } = await rotateSecrets(database, 'k5', 'k4', 'k3', 'k2', 'k1').ended
  expect(code).toBe(1)
  expect(stderr).toContain('What is kept of 2 users was not made by this server')
  for (const userId of [key, data]) expect(stderr).toContain(userId)
  const left = async (table: 'user_key' | 'identity') =>
    (await rowsOf(table)).filter(({ secret_id }) => secret_id !== 'k5').map(({ user_id }) => user_id)
  expect([await left('user_key'), (await left('identity')).toSorted()]).toEqual([[key], [key, data].toSorted()])
  for (const userId of [key, data]) {
    await at.done(removeUser, { userId })
    for (const table of ['user_key', 'personal'])
      await database.owner.pool.query(`DELETE FROM vault.${table} WHERE user_id = $1`, [userId])
  }
})

describe('beside a server', () => {
  const all = ['k6', 'k5', 'k4', 'k3', 'k2', 'k1']

  test('who is removed while their digest is replaced is found no more, and their external id is free', async () => {
    const at = services('k5')
    const userId = await at.addUser(accountId, { externalId: 'leaving@example.org' })
    const { pool } = database.owner
    const query = pool.query.bind(pool) as (...parameters: unknown[]) => Promise<unknown>
    let removing: Promise<unknown> = Promise.resolve()
    const spy = vi.spyOn(pool, 'query').mockImplementation((async (...parameters: unknown[]) => {
      if (!String(parameters[0]).includes('UPDATE vault.identity')) return query(...parameters)
      spy.mockRestore()
      const holder = await pool.connect()
      await holder.query('BEGIN')
      const answer = await holder.query(...(parameters as [string, unknown[]]))
      removing = at.done(removeUser, { userId })
      await vi.waitUntil(async () => {
        const { rows } = await pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        )
        return rows.length > 0
      })
      await holder.query('COMMIT')
      holder.release()
      return answer
    }) as never)
    await resealAll(database.owner, testKeyring(...all))
    await removing
    expect((await rowsOf('identity')).filter(({ user_id }) => user_id === userId)).toEqual([])
    expect(await found('leaving@example.org', ...all)).toBeUndefined()
    const again = await at.addUser(accountId, { externalId: 'leaving@example.org' })
    expect(await found('leaving@example.org', ...all)).toBe(again)
  })

  test('users are added, removed and looked up as ever', async () => {
    // An instance that has not been restarted with the newest first.
    const at = services('k5', 'k6', 'k4', 'k3', 'k2', 'k1')
    const ids = await Promise.all(
      Array.from({ length: 40 }, (_, n) => at.addUser(accountId, { externalId: `busy-${n}@example.org` })),
    )
    let done = false
    const looking = (async () => {
      while (!done) {
        const n = Math.floor(Math.random() * 20)
        expect(await found(`busy-${n}@example.org`, ...all)).toBe(ids[n])
      }
    })()
    // The second half goes, and comes back as somebody else.
    const moving = ids.slice(20).map(async (userId, n) => {
      await at.done(removeUser, { userId })
      return at.addUser(accountId, { externalId: `busy-${n + 20}@example.org` })
    })
    const resealing = Array.from({ length: 5 }, () => resealAll(database.owner, testKeyring(...all)))
    const [others] = await Promise.all([Promise.all(moving), Promise.all(resealing)])
    done = true
    await looking
    await resealAll(database.owner, testKeyring(...all))
    for (const [n, userId] of [...ids.slice(0, 20), ...others].entries())
      expect(await found(`busy-${n}@example.org`, 'k6')).toBe(userId)
    expect(new Set((await rowsOf('identity')).map(({ secret_id }) => secret_id))).toEqual(new Set(['k6']))
    expect(new Set((await rowsOf('user_key')).map(({ secret_id }) => secret_id))).toEqual(new Set(['k6']))
  })
})

test('killed at any moment it loses nobody, and goes on when it is run again', async () => {
  const before = testKeyring('k6')
  const people = Array.from({ length: 8_000 }, (_, n) => {
    const shard = knownShardOf(accountId)
    const { key, sealed, userId } = newPersonalKey(before, newId('usr', shard))
    const externalId = `crowd-${n}@example.org`
    const ciphertext = encryptPersonal({ userId, key }, { userId, version: 1, name: 'externalId' }, externalId)
    return { userId, sealed, ciphertext, externalId, digest: identityOf(before, accountId, externalId).digest }
  })
  const of = (table: string, columns: string, values: string, ...rows: readonly unknown[]) =>
    database.owner.pool.query(
      `INSERT INTO vault.${table} (shard, user_id, ${columns})
       SELECT $1, u.user_id, ${values} FROM unnest($2::text[], $3::bytea[]) AS u (user_id, made)`,
      [knownShardOf(accountId), people.map(({ userId }) => userId), ...rows],
    )
  await of(
    'user_key',
    'account_id, sealed, secret_id',
    `'${accountId}', made, 'k6'`,
    people.map(({ sealed }) => sealed),
  )
  await of(
    'personal',
    'name, version, ciphertext',
    `'externalId', 1, made`,
    people.map(({ ciphertext }) => ciphertext),
  )
  await of(
    'identity',
    'account_id, digest, secret_id',
    `'${accountId}', made, 'k6'`,
    people.map(({ digest }) => digest),
  )
  // As autovacuum would in time: without it each lookup reads whole tables.
  await database.owner.pool.query('ANALYZE vault.user_key, vault.personal, vault.identity')
  const total = { user_key: await countOf('user_key'), identity: await countOf('identity') }
  const ids = ['k7', 'k6', 'k5', 'k4', 'k3', 'k2', 'k1']
  for (const [table, share] of [
    ['user_key', 0],
    ['user_key', 0.5],
    ['identity', 0],
    ['identity', 0.4],
  ] as const) {
    const running = rotateSecrets(database, ...ids)
    await vi.waitUntil(async () => (await countOf(table, 'k7')) > share * total[table], {
      timeout: 30_000,
      interval: 5,
    })
    running.child.kill('SIGKILL')
    expect((await running.ended).signal).toBe('SIGKILL')
    for (const each of ['user_key', 'identity'] as const) expect(await countOf(each)).toBe(total[each])
    expect(await countOf(table, 'k6')).toBeGreaterThan(0)
    const profiles = await readProfiles(
      readerOf('k7', 'k6'),
      people.map(({ userId: id }) => ({ shard: knownShardOf(id), id })),
      null,
    )
    const lost = people.filter(({ userId, externalId }) => profiles.get(userId)?.externalId !== externalId)
    expect(lost).toEqual([])
  }
  const { code, stdout } = await rotateSecrets(database, ...ids).ended
  expect(code).toBe(0)
  expect(stdout).not.toMatch(/^k\d: .*users/m)
  expect([await countOf('user_key', 'k7'), await countOf('identity', 'k7')]).toEqual([total.user_key, total.identity])
  const { rows } = await database.owner.pool.query<{ user_id: string; digest: Buffer }>(
    'SELECT user_id, digest FROM vault.identity',
  )
  const digests = new Map(rows.map(({ user_id, digest }) => [user_id, digest]))
  const newest = testKeyring('k7')
  const lost = people.filter(
    ({ userId, externalId }) => digests.get(userId)?.equals(identityOf(newest, accountId, externalId).digest) !== true,
  )
  expect(lost).toEqual([])
})
