// Seals made anew under a newer secret of the server, by a real process beside commands that go on, and killed in the middle.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { deleteCode } from '#commands/delete-code.ts'
import { resealAll } from '#commands/reseal.ts'
import { revealCode } from '#commands/reveal-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { statement } from '#database/connect.ts'
import { newId } from '#secret/ids.ts'
import type { Keyring } from '#secret/keyring.ts'
import { seal, unseal } from '#secret/seal.ts'
import { Secret } from '#secret/secret.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type TestServices, testKeyring, testServices } from '#test/support/services.ts'
import { verifyKeys } from '#verify/verify-keys.ts'
import { rotateSecrets, textOf } from './rotating.ts'

// Each starts processes.
let database: TestDatabase
let at: TestServices
let keyspaceId: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = services('k1')
  const { accountId } = await at.createAccount()
  keyspaceId = await at.createKeyspace(accountId, { secretDisplay: 'REVEALABLE', customSecrets: true })
})
afterAll(() => database.drop())

function services(...ids: readonly string[]): TestServices {
  return testServices(database.serving, { keyring: testKeyring(...ids) })
}

type SealRow = { code_id: string; secret_id: string; nonce: Buffer; ciphertext: Buffer }

async function seals(): Promise<readonly SealRow[]> {
  return (await database.owner.pool.query<SealRow>('SELECT * FROM vault.sealed_secret ORDER BY code_id')).rows
}

function opened(keyring: Keyring, { code_id, secret_id, nonce, ciphertext }: SealRow): string {
  return unseal(keyring, { secretId: secret_id, nonce, ciphertext }, code_id).reveal()
}

const revealed = async (by: TestServices, codeId: string | undefined) =>
  (await by.done(revealCode, { codeId })).secrets.get(codeId ?? '')?.reveal()

test('every seal is made anew under the newest secret; what is left under older ones is told', async () => {
  const made = [await at.createKey(keyspaceId), await at.createKey(keyspaceId, { codes: [{}, {}] })]
  const { code, stdout, stderr } = await rotateSecrets(database, 'k2', 'k1').ended
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(
    /^3 seals, 0 keys of users' data and 0 digests of external ids were made anew under k2, the newest secret\.$/m,
  )
  expect(stdout).toMatch(
    /^k1: still needed, for 3 codes \(digests of their secrets\), \d+ events \(their MACs\)\. It can not be dropped\.$/m,
  )
  expect(new Set((await seals()).map(({ secret_id }) => secret_id))).toEqual(new Set(['k2']))
  const newer = services('k2', 'k1')
  for (const { codeIds, secrets } of made)
    for (const [index, codeId] of codeIds.entries()) {
      expect(await revealed(newer, codeId)).toBe(secrets[index])
      expect(await verifyKeys(newer, newer.root.caller, [{ key: secrets[index] ?? '' }])).toMatchObject([
        { code: 'VALID' },
      ])
    }
  const again = await rotateSecrets(database, 'k2', 'k1').ended
  expect(again.stdout).toMatch(/^0 seals, /)
  for (const value of textOf('k2', 'k1').split(',')) expect(stdout + again.stdout).not.toContain(value.slice(3))
})

test('a code that was issued under an older secret verifies and is shown as long as that is configured', async () => {
  const older = await services('k1', 'k2').createKey(keyspaceId)
  for (const ids of [
    ['k1', 'k2'],
    ['k2', 'k1'],
  ]) {
    const by = services(...ids)
    expect(await verifyKeys(by, by.root.caller, [{ key: older.secrets[0] ?? '' }])).toMatchObject([{ code: 'VALID' }])
    expect(await revealed(by, older.codeIds[0])).toBe(older.secrets[0])
  }
})

describe('a secret that nothing is made under', () => {
  test('is named as one that can be dropped, and forgotten once it is not configured', async () => {
    const { stdout } = await rotateSecrets(database, 'k2', 'k1', 'k0').ended
    expect(stdout).toMatch(/^k0: nothing is made under it\. It can be dropped/m)
    const { rows } = await database.owner.pool.query(`SELECT FROM vault.secret_check WHERE secret_id = 'k0'`)
    expect(rows).toHaveLength(1)
    const without = await rotateSecrets(database, 'k2', 'k1').ended
    expect(without).toMatchObject({ code: 0 })
    expect(without.stdout).toMatch(/^k0 is not configured, and nothing was made under it: it is forgotten\.$/m)
    expect((await rotateSecrets(database, 'k2', 'k1').ended).stdout).not.toContain('k0')
  })

  test('but none that anything is made under, whatever is configured', async () => {
    const { code, stdout, stderr } = await rotateSecrets(database, 'k2').ended
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('The secret k1 is not configured')
    expect((await rotateSecrets(database, 'k2', 'k1').ended).code).toBe(0)
  })
})

test('killed in the middle it loses no secret, and goes on when it is run again', async () => {
  const both = testKeyring('k3', 'k2', 'k1')
  const plaintexts = new Map(
    Array.from({ length: 20_000 }, (_, index) => [newId('code', 0), `a secret, number ${index}`]),
  )
  const rows = [...plaintexts].map(([codeId, text]) => ({
    codeId,
    ...seal(testKeyring('k2'), new Secret(text), codeId),
  }))
  await database.owner.pool.query(
    `INSERT INTO vault.sealed_secret (shard, code_id, keyspace_id, secret_id, nonce, ciphertext)
     SELECT 0, u.code_id, 'ks_of_a_test', 'k2', u.nonce, u.ciphertext
       FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS u (code_id, nonce, ciphertext)`,
    [rows.map(({ codeId }) => codeId), rows.map(({ nonce }) => nonce), rows.map(({ ciphertext }) => ciphertext)],
  )
  const all = (await seals()).length
  const renewed = async () => (await seals()).filter(({ secret_id }) => secret_id === 'k3').length
  for (const share of [0, 0.2, 0.5]) {
    const running = rotateSecrets(database, 'k3', 'k2', 'k1')
    await vi.waitUntil(async () => (await renewed()) > share * all, { timeout: 30_000, interval: 5 })
    running.child.kill('SIGKILL')
    expect((await running.ended).signal).toBe('SIGKILL')
    const left = await seals()
    expect(left).toHaveLength(all)
    expect(new Set(left.map(({ secret_id }) => secret_id))).toEqual(new Set(['k2', 'k3']))
    for (const row of left) {
      const text = opened(both, row)
      if (plaintexts.has(row.code_id)) expect(text).toBe(plaintexts.get(row.code_id))
    }
  }
  const { code, stdout } = await rotateSecrets(database, 'k3', 'k2', 'k1').ended
  expect(code).toBe(0)
  expect(Number(/^(\d+) seals/.exec(stdout)?.[1])).toBeLessThan(all / 2)
  expect(await renewed()).toBe(all)
  await database.owner.pool.query(`DELETE FROM vault.sealed_secret WHERE keyspace_id = 'ks_of_a_test'`)
})

describe('while commands go on', () => {
  const newest = testKeyring('k4', 'k3', 'k2', 'k1')
  const issuing = () => services('k3', 'k4', 'k2', 'k1')

  test('what they destroy stays destroyed, what they keep is met, and nobody fails', async () => {
    const by = issuing()
    const made = await Promise.all(Array.from({ length: 60 }, () => by.createKey(keyspaceId, { codes: [{}, {}] })))
    const destroying = made.map(async ({ keyId, codeIds }, index) => {
      if (index % 3 === 0) await by.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })
      if (index % 3 === 1) await by.done(deleteCode, { codeId: codeIds[1] })
      await by.createKey(keyspaceId)
    })
    await Promise.all([resealAll(database.owner, newest), ...destroying])
    await resealAll(database.owner, newest)
    const left = new Map((await seals()).map((row) => [row.code_id, row]))
    for (const [index, { codeIds, secrets }] of made.entries()) {
      const kept = index % 3 === 0 ? [] : index % 3 === 1 ? codeIds.slice(0, 1) : codeIds
      expect(codeIds.filter((codeId) => left.has(codeId))).toEqual(kept)
      for (const [slot, codeId] of kept.entries()) expect(opened(newest, left.get(codeId)!)).toBe(secrets[slot])
    }
    expect(new Set([...left.values()].map(({ secret_id }) => secret_id))).toEqual(new Set(['k4']))
  })

  test('a seal that another changed or destroyed between reading and writing is left to them', async () => {
    const by = issuing()
    const made = await Promise.all([by.createKey(keyspaceId), by.createKey(keyspaceId)])
    const [changed = '', destroyed = ''] = made.map(({ codeIds }) => codeIds[0])
    const others = seal(newest, new Secret('made anew by another'), changed)
    const { pool } = database.owner
    const query = pool.query.bind(pool) as (...parameters: unknown[]) => Promise<unknown>
    const spy = vi.spyOn(pool, 'query').mockImplementation((async (...parameters: unknown[]) => {
      if (/^WITH held/.test(String(parameters[0]).trim())) {
        await query('DELETE FROM vault.sealed_secret WHERE code_id = $1', [destroyed])
        await query('UPDATE vault.sealed_secret SET secret_id = $1, nonce = $2, ciphertext = $3 WHERE code_id = $4', [
          others.secretId,
          others.nonce,
          others.ciphertext,
          changed,
        ])
      }
      return query(...parameters)
    }) as never)
    await resealAll(database.owner, newest)
    spy.mockRestore()
    const left = await seals()
    expect(left.find(({ code_id }) => code_id === changed)?.nonce).toEqual(others.nonce)
    expect(left.filter(({ code_id }) => code_id === destroyed)).toEqual([])
  })

  test('one that a command holds is not waited for', async () => {
    const { codeIds } = await issuing().createKey(keyspaceId)
    const holder = await database.owner.pool.connect()
    try {
      await holder.query('BEGIN')
      await holder.query('DELETE FROM vault.sealed_secret WHERE code_id = $1', [codeIds[0]])
      await resealAll(database.owner, newest)
      await holder.query('ROLLBACK')
    } finally {
      holder.release()
    }
    const [kept] = (await seals()).filter(({ code_id }) => code_id === codeIds[0])
    expect(kept?.secret_id).toBe('k3')
    await resealAll(database.owner, newest)
  })

  test('one that this server has not made is left as it is, and named', async () => {
    const { codeIds } = await issuing().createKey(keyspaceId)
    await database.owner.kysely.executeQuery(
      statement(`UPDATE vault.sealed_secret SET nonce = decode(repeat('00', 12), 'hex') WHERE code_id = $1`, [
        codeIds[0],
      ]),
    )
    const { code, stderr } = await rotateSecrets(database, 'k4', 'k3', 'k2', 'k1').ended
    expect([code, stderr]).toEqual([1, expect.stringContaining(codeIds[0] ?? '')])
    expect((await seals()).filter(({ secret_id }) => secret_id !== 'k4').map(({ code_id }) => code_id)).toEqual(codeIds)
  })
})
