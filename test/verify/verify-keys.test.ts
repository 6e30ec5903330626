// Verdicts on real rows: what each state of a key comes to, who is told what, and what a guess costs.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey } from '#commands/create-key.ts'
import { deleteCode } from '#commands/delete-code.ts'
import { deleteKey } from '#commands/delete-key.ts'
import { disableCode } from '#commands/disable-code.ts'
import { disableKey } from '#commands/disable-key.ts'
import { enableCode } from '#commands/enable-code.ts'
import { enableKey } from '#commands/enable-key.ts'
import { issueCode } from '#commands/issue-code.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { updateKeyspace } from '#commands/update-keyspace.ts'
import type { Clock } from '#database/clock.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Caller } from '#domain/caller.ts'
import { type Instant, plusMs } from '#domain/instant.ts'
import { JsonText } from '#domain/json-text.ts'
import { verdictMessage } from '#domain/verdict.ts'
import { newId } from '#secret/ids.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { type MadeAccount, type MadeKey, type TestServices, testKeyring, testServices } from '#test/support/services.ts'
import { statementsOf } from '#test/support/statements.ts'
import { type VerifyQuestion, verifyKeys } from '#verify/verify-keys.ts'
import { tellsNothing } from './support.ts'

const ROOT: Caller = { kind: 'ROOT' }

let database: TestDatabase
let at: TestServices
let account: MadeAccount
let foreign: MadeAccount
let keyspaceId: string
let caller: Caller
beforeAll(async () => {
  database = await createTestDatabase()
  at = testServices(database.serving)
  account = await at.createAccount()
  foreign = await at.createAccount('Foreign')
  keyspaceId = await at.createKeyspace(account.accountId)
  caller = (await at.createCaller(account, ['keys.verify'])).origin.caller
})
afterAll(() => database.drop())

async function verify(question: VerifyQuestion, by: Caller = ROOT) {
  const [verification] = await verifyKeys(at, by, [question])
  if (verification === undefined) throw new Error('A question has an answer')
  return verification
}

const codeFor = async (key: string | undefined, by?: Caller) => (await verify({ key: key ?? '' }, by)).code

const nothingTold = () => tellsNothing('NOT_FOUND', at.clock.now())

const soon = (seconds: number) => plusMs(at.clock.now(), seconds * 1_000)
const rotate = (keyId: string, overlapSeconds: number) => at.done(rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds })

describe('a verdict', () => {
  const situations: readonly (readonly [string, string, (made: MadeKey) => Promise<unknown>])[] = [
    ['VALID', 'nothing has happened', async () => undefined],
    [
      'VALID',
      'it was switched off and on',
      async ({ keyId, codeIds: [codeId] }) => {
        await at.done(disableKey, { keyId })
        await at.done(disableCode, { codeId })
        await at.done(enableKey, { keyId })
        await at.done(enableCode, { codeId })
      },
    ],
    [
      'VALID',
      'the other slot was rotated',
      async ({ keyId }) => {
        await at.done(issueCode, { keyId, slot: 'SECONDARY' })
        await at.done(rotateKey, { keyId, slot: 'SECONDARY', overlapSeconds: 0 })
      },
    ],
    [
      'VALID',
      'the keyspace’s prefix was changed',
      () => at.done(updateKeyspace, { keyspaceId, rules: { prefix: 'new' } }),
    ],
    ['VALID', 'it is in overlap', ({ keyId }) => rotate(keyId, 60)],
    [
      'REPLACED',
      'the overlap has ended',
      async ({ keyId }) => {
        await rotate(keyId, 60)
        at.clock.advance(60_000)
      },
    ],
    ['REPLACED', 'there was no overlap', ({ keyId }) => rotate(keyId, 0)],
    [
      'REPLACED',
      'a second rotation has ended the overlap',
      async ({ keyId }) => {
        await rotate(keyId, 60)
        await rotate(keyId, 60)
      },
    ],
    [
      'REPLACED',
      'it was switched off in overlap',
      async ({ keyId, codeIds: [codeId] }) => {
        await rotate(keyId, 60)
        await at.done(disableCode, { codeId })
      },
    ],
    [
      'REPLACED',
      'it was switched off and then rotated',
      async ({ keyId, codeIds: [codeId] }) => {
        await at.done(disableCode, { codeId })
        await rotate(keyId, 60)
      },
    ],
    ['DISABLED', 'the key is off', ({ keyId }) => at.done(disableKey, { keyId })],
    ['DISABLED', 'the code is off', ({ codeIds: [codeId] }) => at.done(disableCode, { codeId })],
    [
      'DISABLED',
      'the key is off while the code is in overlap',
      async ({ keyId }) => {
        await rotate(keyId, 60)
        await at.done(disableKey, { keyId })
      },
    ],
    [
      'DISABLED',
      'the key is off and expired',
      async ({ keyId }) => {
        await at.done(updateKey, { keyId, expiresAt: soon(1) })
        await at.done(disableKey, { keyId })
        at.clock.advance(1_000)
      },
    ],
    [
      'EXPIRED',
      'the key has expired at this very instant',
      async ({ keyId }) => {
        await at.done(updateKey, { keyId, expiresAt: soon(1) })
        at.clock.advance(1_000)
      },
    ],
    [
      'VALID',
      'the key expires a millisecond later',
      async ({ keyId }) => {
        await at.done(updateKey, { keyId, expiresAt: soon(1) })
        at.clock.advance(999)
      },
    ],
    [
      'EXPIRED',
      'the key has expired while the code is in overlap',
      async ({ keyId }) => {
        await at.done(updateKey, { keyId, expiresAt: soon(1) })
        await rotate(keyId, 60)
        at.clock.advance(1_000)
      },
    ],
    ['REVOKED', 'the key is revoked', ({ keyId }) => at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })],
    ['REVOKED', 'the key is deleted', ({ keyId }) => at.done(deleteKey, { keyId, reason: 'UNSPECIFIED' })],
    ['REVOKED', 'the code is deleted', ({ codeIds: [codeId] }) => at.done(deleteCode, { codeId })],
    [
      'REVOKED',
      'the code is deleted in overlap',
      async ({ keyId, codeIds: [codeId] }) => {
        await rotate(keyId, 60)
        await at.done(deleteCode, { codeId })
      },
    ],
    [
      'REVOKED',
      'the key is revoked while off, replaced and expired',
      async ({ keyId }) => {
        await at.done(updateKey, { keyId, expiresAt: soon(1) })
        await rotate(keyId, 0)
        await at.done(disableKey, { keyId })
        await at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })
        at.clock.advance(1_000)
      },
    ],
  ]

  test.each(situations)('is %s where %s', async (code, _where, happen) => {
    const made = await at.createKey(keyspaceId, {
      name: 'judged',
      tags: ['t'],
      metadata: { m: 1 },
      permissions: ['ads.*'],
    })
    await happen(made)
    const verification = await verify({ key: made.secrets[0] ?? '' }, caller)
    expect(verification).toMatchObject({
      valid: code === 'VALID',
      code,
      accountId: account.accountId,
      keyspaceId,
      keyId: made.keyId,
      codeId: made.codeIds[0],
      slot: 'PRIMARY',
      name: 'judged',
      tags: ['t'],
      metadata: new JsonText({ m: 1 }),
      permissions: ['ads.*'],
      checkedAt: at.clock.now(),
    })
    const { rows } = await database.owner.pool.query('SELECT position FROM log.account WHERE account_id = $1', [
      account.accountId,
    ])
    expect(verification.position).toBe(rows[0].position)
    expect(verification.message).toBe(verdictMessage(verification.code))
  })

  test('is EXPIRED at the end of a code’s own expiry, and REPLACED at the end of an overlap, to the millisecond', async () => {
    const codes = [{ slot: 'PRIMARY', expiresAt: soon(2) }, { slot: 'SECONDARY' }]
    const { keyId, secrets } = await at.createKey(keyspaceId, { codes })
    await at.done(rotateKey, { keyId, slot: 'SECONDARY', overlapSeconds: 2 })
    at.clock.advance(1_999)
    expect([await codeFor(secrets[0]), await codeFor(secrets[1])]).toEqual(['VALID', 'VALID'])
    at.clock.advance(1)
    expect([await codeFor(secrets[0]), await codeFor(secrets[1])]).toEqual(['EXPIRED', 'REPLACED'])
  })

  test('names the earliest of the ends there are', async () => {
    const { keyId, secrets } = await at.createKey(keyspaceId, {
      expiresAt: soon(100),
      codes: [{ expiresAt: soon(50) }],
    })
    const key = secrets[0] ?? ''
    expect((await verify({ key })).expiresAt).toBe(soon(50))
    await at.done(updateKey, { keyId, expiresAt: soon(40) })
    expect((await verify({ key })).expiresAt).toBe(soon(40))
    await rotate(keyId, 30)
    expect((await verify({ key })).expiresAt).toBe(soon(30))
  })

  test.each([
    ['VALID', 'ads.read'],
    ['VALID', 'ads.read AND reports.export'],
    ['VALID', 'users.write OR ads.read.own'],
    ['INSUFFICIENT_PERMISSIONS', 'ads'],
    ['INSUFFICIENT_PERMISSIONS', 'users.write'],
    ['INSUFFICIENT_PERMISSIONS', 'ads.read AND users.write'],
    ['INSUFFICIENT_PERMISSIONS', 'adsense.read'],
  ])('is %s where %s is asked for', async (code, permission) => {
    const { secrets } = await at.createKey(keyspaceId, { permissions: ['ads.*', 'reports.export'] })
    expect((await verify({ key: secrets[0] ?? '', permission })).code).toBe(code)
  })

  test('on what a key may do comes last', async () => {
    const { keyId, secrets } = await at.createKey(keyspaceId)
    await at.done(disableKey, { keyId })
    expect((await verify({ key: secrets[0] ?? '', permission: 'ads.read' })).code).toBe('DISABLED')
  })

  test('is not given on a permission that cannot be read, and names which', async () => {
    const { secrets } = await at.createKey(keyspaceId)
    const key = secrets[0] ?? ''
    const sent = await statementsOf(async () => {
      const asked = verifyKeys(at, ROOT, [{ key }, { key, permission: 'ads.read AND' }])
      await expect(asked).rejects.toThrow(BadQueryArgumentError)
      await expect(asked).rejects.toMatchObject({ issues: [{ path: ['1', 'permission'] }] })
    })
    expect(sent).toEqual([])
  })
})

describe('where a key is asked for', () => {
  test('decides whether it is found', async () => {
    const other = await at.createKeyspace(account.accountId)
    const { secrets } = await at.createKey(keyspaceId)
    const key = secrets[0] ?? ''
    const { accountId } = account
    for (const by of [ROOT, caller]) {
      for (const place of [
        {},
        { keyspaceId },
        { accountId },
        { keyspaceId, accountId },
        { keyspaceId: null, accountId: null },
      ])
        expect((await verify({ key, ...place }, by)).code, JSON.stringify(place)).toBe('VALID')
      for (const place of [
        { keyspaceId: other },
        { keyspaceId: account.managementKeyspaceId },
        { accountId: foreign.accountId },
        { keyspaceId, accountId: foreign.accountId },
        { keyspaceId: other, accountId },
        { keyspaceId: '' },
        { keyspaceId: "' OR 1=1 --" },
        { accountId: '%' },
        { accountId: '\0\ud800' },
      ])
        expect(await verify({ key, ...place }, by), JSON.stringify(place)).toEqual(nothingTold())
    }
  })

  test('another account’s caller learns nothing, whatever has become of it', async () => {
    const stranger = (await at.createCaller(foreign, ['*'])).origin.caller
    const made = await at.createKey(keyspaceId)
    const key = made.secrets[0] ?? ''
    const asked = [{ key }, { key, keyspaceId }, { key, accountId: account.accountId }, { key, permission: 'ads.read' }]
    for (const happen of [
      async () => undefined,
      () => at.done(disableKey, { keyId: made.keyId }),
      () => at.done(revokeKey, { keyId: made.keyId, reason: 'UNSPECIFIED' }),
    ]) {
      await happen()
      for (const answer of await verifyKeys(at, stranger, asked)) expect(answer).toEqual(nothingTold())
    }
  })

  test('a credential of this API opens nothing unless its keyspace is named', async () => {
    const { secrets } = await at.createKey(account.managementKeyspaceId, { permissions: ['*'] })
    const key = secrets[0] ?? ''
    for (const by of [ROOT, caller]) {
      for (const place of [{}, { accountId: account.accountId }, { keyspaceId }])
        expect(await verify({ key, ...place }, by)).toEqual(nothingTold())
      expect((await verify({ key, keyspaceId: account.managementKeyspaceId }, by)).code).toBe('VALID')
    }
  })
})

describe('clocks', () => {
  /** Of an instance that lags behind the database. */
  const lagging = (ms: number): Clock => ({ ...at.clock, now: () => plusMs(at.clock.now(), -ms) })
  const codeAt = async (clock: Clock, key: string | undefined) =>
    (await verifyKeys({ ...at, clock }, ROOT, [{ key: key ?? '' }]))[0]

  test('that lag never lengthen an overlap that was ended early', async () => {
    const endings: readonly ((made: MadeKey) => Promise<unknown>)[] = [
      ({ keyId }) => rotate(keyId, 3_600),
      ({ codeIds: [codeId] }) => at.done(disableCode, { codeId }),
    ]
    for (const end of endings) {
      const made = await at.createKey(keyspaceId)
      await rotate(made.keyId, 3_600)
      at.clock.advance(1_000)
      expect((await codeAt(lagging(600_000), made.secrets[0]))?.code).toBe('VALID')
      await end(made)
      const ended: Instant = at.clock.now()
      for (const lagMs of [1, 999, 1_000, 600_000, 3_600_000])
        expect(await codeAt(lagging(lagMs), made.secrets[0])).toMatchObject({ code: 'REPLACED', checkedAt: ended })
    }
  })

  test('that run ahead only shorten', async () => {
    const { keyId, secrets } = await at.createKey(keyspaceId)
    await rotate(keyId, 60)
    expect((await codeAt(lagging(-59_999), secrets[0]))?.code).toBe('VALID')
    expect((await codeAt(lagging(-60_000), secrets[0]))?.code).toBe('REPLACED')
  })

  test('say nothing about a revocation', async () => {
    const { keyId, secrets } = await at.createKey(keyspaceId)
    await at.done(revokeKey, { keyId, reason: 'UNSPECIFIED' })
    for (const lagMs of [0, 86_400_000, -86_400_000])
      expect((await codeAt(lagging(lagMs), secrets[0]))?.code).toBe('REVOKED')
  })
})

test('a secret still verifies after a newer secret of the server was put in front, and not once its own is gone', async () => {
  const { secrets } = await at.createKey(keyspaceId)
  const [key = ''] = secrets
  const answers = await Promise.all(
    [['k2', 'k1'], ['k3', 'k2', 'k1'], ['k2']].map((ids) =>
      verifyKeys(testServices(database.serving, { keyring: testKeyring(...ids) }), ROOT, [{ key }]),
    ),
  )
  expect(answers.map(([answer]) => answer?.code)).toEqual(['VALID', 'VALID', 'NOT_FOUND'])
})

test('verifying writes nothing', async () => {
  const { result, secrets } = await at.done(createKey, { keyspaceId, name: 'read', enabled: true })
  const key = secrets.get(result.issuedCodeIds[0] ?? newId('code', 0))?.reveal() ?? ''
  const client = await database.serving.pool.connect()
  try {
    await client.query('SET default_transaction_read_only = on')
    const readOnly = { ...at, database: { ...at.database, pool: client as never } }
    expect((await verifyKeys(readOnly, ROOT, [{ key }]))[0]?.code).toBe('VALID')
  } finally {
    client.release(true)
  }
})
