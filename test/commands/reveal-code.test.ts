// A secret that can be shown again: kept sealed with the event that issues its code, shown by an event, gone with the event that
// retires the code.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey } from '#commands/create-key.ts'
import { deleteCode } from '#commands/delete-code.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { revealCode } from '#commands/reveal-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import { SealBrokenError } from '#secret/seal.ts'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type TestServices, testKeyring, testServices } from '#test/support/services.ts'

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let keyspaceId: string
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  keyspaceId = await at.createKeyspace(account.accountId, { secretDisplay: 'REVEALABLE', customSecrets: true })
})
afterAll(() => database.drop())

async function revealed(codeId: string | undefined, services = at): Promise<string | undefined> {
  const { secrets } = await services.done(revealCode, { codeId })
  return secrets.get(codeId ?? '')?.reveal()
}

async function sealsOf(...codeIds: readonly (string | undefined)[]): Promise<number> {
  const { rows } = await database.owner.pool.query('SELECT FROM vault.sealed_secret WHERE code_id = ANY ($1)', [
    codeIds,
  ])
  return rows.length
}

const notRevealable = { code: 'SECRET_NOT_REVEALABLE' }

describe('a secret is shown again', () => {
  test('as it was issued, whichever mutation issued its code, as often as asked', async () => {
    const own = '{"an own": 5ecret}x7Kq$'.replaceAll(' ', '_')
    const made = await at.createKey(keyspaceId, { codes: [{}, { secret: own }] })
    const { keyId } = made
    expect([await revealed(made.codeIds[0]), await revealed(made.codeIds[1])]).toEqual(made.secrets)
    expect(made.secrets[1]).toBe(own)
    const rotated = await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 })
    await at.done(deleteCode, { codeId: made.codeIds[1] })
    const issued = await at.done(issueCode, { keyId })
    for (const { result, secrets } of [rotated, issued]) {
      const [codeId = ''] = result.issuedCodeIds
      for (const _ of [1, 2]) expect(await revealed(codeId)).toBe(secrets.get(codeId)?.reveal())
    }
  })

  test('each time by an event that says whose code it was and who asked, and changes nothing', async () => {
    const { keyId, codeIds } = await at.createKey(keyspaceId)
    const { origin } = await at.createCaller(account, ['secrets.reveal'])
    const before = await keyRow(keyId)
    at.clock.advance(1_000)
    const { eventIds } = await at.done(revealCode, { codeId: codeIds[0] }, origin)
    const { rows } = await database.owner.pool.query(
      'SELECT type, stream_id, actor_kind, actor_id, data FROM log.event WHERE event_id = ANY ($1)',
      [eventIds],
    )
    const actor_id = origin.caller.kind === 'KEY' ? origin.caller.keyId : null
    expect(rows).toEqual([
      { type: 'code.revealed', stream_id: keyId, actor_kind: 'KEY', actor_id, data: { codeId: codeIds[0] } },
    ])
    expect(await keyRow(keyId)).toEqual({ ...before, version: before.version + 1 })
  })

  test('while its code or its key is switched off', async () => {
    const { keyId, codeIds, secrets } = await at.createKey(keyspaceId)
    await at.done(disableCode, { codeId: codeIds[0] })
    await at.done(disableKey, { keyId })
    expect(await revealed(codeIds[0])).toBe(secrets[0])
  })

  test('by whichever instance, with another newest secret of the server too', async () => {
    const newer = testServices(database.serving, { keyring: testKeyring('k2', 'k1'), clock: at.clock })
    const [old, young] = [await at.createKey(keyspaceId), await newer.createKey(keyspaceId)]
    expect(await revealed(old.codeIds[0], newer)).toBe(old.secrets[0])
    const older = testServices(database.serving, { keyring: testKeyring('k1', 'k2'), clock: at.clock })
    expect(await revealed(young.codeIds[0], older)).toBe(young.secrets[0])
  })

  test('after state was made anew, which leaves the vault alone', async () => {
    const { codeIds, secrets } = await at.createKey(keyspaceId)
    const before = await vault()
    await rebuildState(database.owner)
    expect(await vault()).toEqual(before)
    expect(await revealed(codeIds[0])).toBe(secrets[0])
    expect((await checkState(database.owner)).difference).toBeNull()
  })
})

describe('a secret is not shown', () => {
  test('where the keyspace shows secrets once, as a management keyspace always does', async () => {
    const once = await at.createKeyspace(account.accountId)
    for (const where of [once, account.managementKeyspaceId]) {
      const { codeIds } = await at.createKey(where)
      expect(await at.refusal(revealCode, { codeId: codeIds[0] })).toEqual(notRevealable)
      expect(await sealsOf(...codeIds)).toBe(0)
    }
    const rules = { secretDisplay: 'REVEALABLE' }
    expect(await at.refusal(updateKeyspace, { keyspaceId: account.managementKeyspaceId, rules })).toEqual({
      code: 'MANAGEMENT_KEYSPACE',
    })
  })

  test('of a code that was issued before the keyspace came to keep secrets', async () => {
    const other = await at.createKeyspace(account.accountId)
    const { keyId, codeIds } = await at.createKey(other)
    await at.done(updateKeyspace, { keyspaceId: other, rules: { secretDisplay: 'REVEALABLE' } })
    expect(await at.refusal(revealCode, { codeId: codeIds[0] })).toEqual(notRevealable)
    const { result } = await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 0 })
    expect(await revealed(result.issuedCodeIds[0])).toBeDefined()
  })

  test('of a code that has expired', async () => {
    const expiresAt = plusMs(at.clock.now(), DAY_MS)
    const { codeIds } = await at.createKey(keyspaceId, { codes: [{ expiresAt }] })
    expect(await revealed(codeIds[0])).toBeDefined()
    at.clock.advance(DAY_MS)
    expect(await at.refusal(revealCode, { codeId: codeIds[0] })).toEqual({ code: 'CODE_NOT_LIVE' })
  })

  test('to who may do all but that', async () => {
    const { codeIds } = await at.createKey(keyspaceId)
    const { origin } = await at.createCaller(account, ['keys.read', 'keys.write', 'keys.verify', 'keyspaces.write'])
    await expect(at.run(revealCode, { codeId: codeIds[0] }, origin)).rejects.toThrow('do not permit')
  })

  test('where somebody has put one code’s seal in the place of another’s', async () => {
    const [one, other] = [await at.createKey(keyspaceId), await at.createKey(keyspaceId)]
    await database.owner.pool.query(
      `UPDATE vault.sealed_secret AS a SET nonce = b.nonce, ciphertext = b.ciphertext, secret_id = b.secret_id
         FROM vault.sealed_secret AS b WHERE a.code_id = $1 AND b.code_id = $2`,
      [one.codeIds[0], other.codeIds[0]],
    )
    await expect(at.run(revealCode, { codeId: one.codeIds[0] })).rejects.toThrow(SealBrokenError)
  })
})

describe('a kept secret is destroyed', () => {
  const twoCodes = async () => {
    const { keyId, codeIds } = await at.createKey(keyspaceId, { codes: [{}, {}] })
    expect(await sealsOf(...codeIds)).toBe(2)
    return { keyId, first: codeIds[0], second: codeIds[1] }
  }

  test.each([0, 3_600])('by a rotation with an overlap of %d seconds, the other slot’s not', async (overlapSeconds) => {
    const { keyId, first, second } = await twoCodes()
    await at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds })
    expect([await sealsOf(first), await sealsOf(second)]).toEqual([0, 1])
    expect(await at.refusal(revealCode, { codeId: first })).toEqual({ code: 'CODE_NOT_LIVE' })
  })

  test('by the deletion of its code', async () => {
    const { first, second } = await twoCodes()
    await at.done(deleteCode, { codeId: second })
    expect([await sealsOf(first), await sealsOf(second)]).toEqual([1, 0])
    expect(await at.refusal(revealCode, { codeId: second })).toEqual({ code: 'CODE_NOT_LIVE' })
  })

  test('by the revocation of its key, and by its deletion', async () => {
    for (const [command, code] of [
      [revokeKey, 'KEY_REVOKED'],
      [deleteKey, 'KEY_DELETED'],
    ] as const) {
      const { keyId, first, second } = await twoCodes()
      await at.done(command, { keyId, reason: 'UNSPECIFIED' })
      expect(await sealsOf(first, second)).toBe(0)
      expect(await at.refusal(revealCode, { codeId: first })).toEqual({ code })
    }
  })

  test('by what is issued in the place of its expired code', async () => {
    const expiresAt = plusMs(at.clock.now(), 1_000)
    const { keyId, codeIds } = await at.createKey(keyspaceId, { codes: [{ expiresAt }] })
    at.clock.advance(1_000)
    expect(await sealsOf(...codeIds)).toBe(1)
    await at.done(issueCode, { keyId, slot: 'PRIMARY' })
    expect(await sealsOf(...codeIds)).toBe(0)
  })

  test('with all of its keyspace, and of no other, when secrets are to be shown once from then on', async () => {
    const other = await at.createKeyspace(account.accountId, { secretDisplay: 'REVEALABLE' })
    const there = await at.createKey(other)
    const here = await at.createKey(keyspaceId)
    await at.done(updateKeyspace, { keyspaceId: other, rules: { prefix: 'still' } })
    expect(await sealsOf(...there.codeIds)).toBe(1)
    await at.done(updateKeyspace, { keyspaceId: other, rules: { secretDisplay: 'ONCE' } })
    expect([await sealsOf(...there.codeIds), await sealsOf(...here.codeIds)]).toEqual([0, 1])
    await at.done(updateKeyspace, { keyspaceId: other, rules: { secretDisplay: 'REVEALABLE' } })
    expect(await at.refusal(revealCode, { codeId: there.codeIds[0] })).toEqual(notRevealable)
  })

  test('and by nothing else', async () => {
    const { keyId, first, second } = await twoCodes()
    await at.done(updateKey, { keyId, name: 'renamed', permissions: [] })
    await at.done(disableKey, { keyId })
    await at.done(disableCode, { codeId: first })
    expect(await sealsOf(first, second)).toBe(2)
  })

  test('not by what is refused: nothing is kept of a code that was never issued', async () => {
    const before = await vault()
    const { keyId } = await twoCodes()
    expect(await at.refusal(issueCode, { keyId })).toMatchObject({ code: 'CODE_LIMIT_REACHED' })
    expect(await at.refusal(createKey, { keyspaceId, name: 'x', enabled: true, codes: [{}, {}, {}] })).toBeDefined()
    expect(await vault()).toHaveLength(before.length + 2)
  })
})

test('a retry with the same idempotency key neither shows the secret nor keeps it again', async () => {
  const input = { keyspaceId, name: 'again', enabled: true, idempotencyKey: 'kept' }
  const first = await at.done(createKey, input)
  const before = await vault()
  expect((await at.done(createKey, input)).secrets.size).toBe(0)
  expect(await vault()).toEqual(before)
  expect(await revealed(first.result.issuedCodeIds[0])).toBe([...first.secrets.values()][0]?.reveal())
})

async function keyRow(keyId: string) {
  return at.database.kysely.selectFrom('state.key').selectAll().where('key_id', '=', keyId).executeTakeFirstOrThrow()
}

async function vault(): Promise<readonly unknown[]> {
  return (await database.owner.pool.query('SELECT * FROM vault.sealed_secret ORDER BY code_id')).rows
}
