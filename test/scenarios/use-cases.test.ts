// Use cases: one platform with a keyspace for each thing that customers use it for; keys of one open nothing in another, and
// there are never more than twenty active ones in each.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import {
  CreateKeyDocument,
  type CreateKeyInput,
  CreateKeyspaceDocument,
  DeleteCodeDocument,
  DeleteKeyDocument,
  DisableCodeDocument,
  DisableKeyDocument,
  EnableCodeDocument,
  EnableKeyDocument,
  IssueCodeDocument,
  KeyDocument,
  KeysDocument,
  RevealCodeDocument,
  RevokeKeyDocument,
  RotateKeyDocument,
  UpdateCodeDocument,
  UpdateKeyDocument,
} from '#test/generated/operations.ts'
import { type Scenario, startScenario } from '#test/support/scenario.ts'
import { PATIENTLY } from '#test/support/wait.ts'

const LIMIT = 20

let at: Scenario
let invoices: string
beforeAll(async () => {
  at = await startScenario()
  invoices = await createUseCase('Invoices')
})
afterAll(() => at.close())

async function createUseCase(name: string): Promise<string> {
  const { keyspace } = await at.done(CreateKeyspaceDocument, {
    accountId: at.accountId,
    name,
    rules: { prefix: 'mb', liveCodesMax: 1, secretDisplay: 'REVEALABLE', activeKeysMax: LIMIT },
  })
  return keyspace.id
}

const inputFor = (keyspaceId: string, more: Partial<CreateKeyInput> = {}): CreateKeyInput => ({
  keyspaceId,
  name: 'Archive',
  enabled: true,
  ...more,
})

async function create(keyspaceId: string, more: Partial<CreateKeyInput> = {}) {
  const { key, issued } = await at.done(CreateKeyDocument, inputFor(keyspaceId, more))
  return { keyId: key.id, codeId: issued[0]?.accessCode.id ?? '', secret: issued[0]?.secret ?? '' }
}

const revoke = (keyId: string) => at.done(RevokeKeyDocument, { keyId, reason: 'UNSPECIFIED' })
const verdictOn = async (key: string, keyspaceId: string) => (await at.verify({ key, keyspaceId })).code

async function listed(filter: object): Promise<readonly string[] | undefined> {
  const { account } = await at.ask(KeysDocument, { accountId: at.accountId, filter, first: 100 })
  return account?.keys?.nodes.map(({ id }) => id)
}

describe('U1 a key works in its own use case only', () => {
  test('U1 in another one it is nothing', async () => {
    const receipts = await createUseCase('Receipts')
    const { secret } = await create(invoices)
    expect(await verdictOn(secret, invoices)).toBe('VALID')
    expect(await at.verify({ key: secret, keyspaceId: receipts })).toMatchObject({
      code: 'NOT_FOUND',
      keyId: null,
      name: null,
    })
    const headers = { 'x-api-key': secret }
    expect(await at.present({ keyspaceId: receipts, headers })).toBe('401 NOT_FOUND')
  })

  test('U1 each use case has its own set of keys', async () => {
    const receipts = await createUseCase('Delivery notes')
    const { keyId } = await create(receipts)
    expect(await listed({ keyspaceId: receipts })).toEqual([keyId])
    expect(await listed({ keyspaceId: invoices })).not.toContain(keyId)
  })
})

describe('U2 creating a key', () => {
  test('U2 takes a name', async () => {
    const { key } = await at.done(CreateKeyDocument, inputFor(invoices, { name: 'Accounting software' }))
    expect(key).toMatchObject({ name: 'Accounting software', status: 'ACTIVE' })
    expect(await at.refused(CreateKeyDocument, inputFor(invoices, { name: '' }))).toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  test('U2 shows the secret, to be seen and copied, then and later', async () => {
    const { codeId, secret } = await create(invoices)
    expect(secret).toMatch(/^mb_\w{49}$/)
    expect(await at.done(RevealCodeDocument, { codeId })).toMatchObject({ secret })
    expect(await verdictOn(secret, invoices)).toBe('VALID')
  })
})

describe('U3 at most 20 active keys', () => {
  test('U3 of fifty that are created at once exactly 20 come to be', async () => {
    const keyspaceId = await createUseCase('Contracts')
    const attempts = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        at.ask(CreateKeyDocument, { input: inputFor(keyspaceId, { name: `key ${i}` }) }),
      ),
    )
    const outcomes = attempts.map(({ createKey }) => ('code' in createKey ? createKey.code : 'done'))
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(LIMIT)
    expect(new Set(outcomes)).toEqual(new Set(['done', 'KEY_LIMIT_REACHED']))
    expect(await listed({ keyspaceId })).toHaveLength(LIMIT)
  })

  test('U3 revoked, deleted and expired ones do not count, disabled ones do', async () => {
    const keyspaceId = await createUseCase('Orders')
    const expiresAt = plusMs(at.clock.now(), DAY_MS)
    const [first, second, third, ...others] = await Promise.all(
      Array.from({ length: LIMIT }, (_, i) => create(keyspaceId, i === 0 ? { expiresAt } : {})),
    )
    const next = () => at.ask(CreateKeyDocument, { input: inputFor(keyspaceId) })
    const isFull = async () => expect(await next()).toMatchObject({ createKey: { code: 'KEY_LIMIT_REACHED' } })
    const hasRoomForOne = async () => {
      expect(await next()).toMatchObject({ createKey: { key: { status: 'ACTIVE' } } })
      await isFull()
    }
    await isFull()
    await at.done(DisableKeyDocument, { keyId: others[0]?.keyId ?? '' })
    await isFull()
    await revoke(second?.keyId ?? '')
    await hasRoomForOne()
    await at.done(DeleteKeyDocument, { keyId: third?.keyId ?? '', reason: 'UNSPECIFIED' })
    await hasRoomForOne()
    at.clock.advance(DAY_MS)
    expect((await at.ask(KeyDocument, { keyId: first?.keyId ?? '' })).key?.status).toBe('EXPIRED')
    await hasRoomForOne()
  })

  test('U3 an expired key is not revived beyond them', async () => {
    const keyspaceId = await createUseCase('Offers')
    const { keyId } = await create(keyspaceId, { expiresAt: plusMs(at.clock.now(), DAY_MS) })
    at.clock.advance(DAY_MS)
    await Promise.all(Array.from({ length: LIMIT }, () => create(keyspaceId)))
    const revival = { keyId, expiresAt: plusMs(at.clock.now(), DAY_MS) }
    expect(await at.refused(UpdateKeyDocument, revival)).toMatchObject({ code: 'KEY_LIMIT_REACHED' })
  })

  test('U3 each use case has 20 of its own', async () => {
    const full = await createUseCase('Letters')
    await Promise.all(Array.from({ length: LIMIT }, () => create(full)))
    const { secret } = await create(await createUseCase('Parcels'))
    expect(secret).not.toBe('')
  })
})

describe('U4 revocation is final', () => {
  test('U4 whoever uses the key is refused from then on, and the key stays on display', async () => {
    const { keyId, secret } = await create(invoices)
    const headers = { 'x-api-key': secret }
    expect(await at.verify({ key: secret, keyspaceId: invoices })).toMatchObject({ code: 'VALID' })
    await revoke(keyId)
    expect(await verdictOn(secret, invoices)).toBe('REVOKED')
    expect(await at.present({ keyspaceId: invoices, headers })).toBe('401 REVOKED')
    expect(await listed({ keyspaceId: invoices, statuses: ['REVOKED'] })).toContain(keyId)
  })

  test('U4 no mutation undoes it', async () => {
    const { keyId, codeId, secret } = await create(invoices)
    await revoke(keyId)
    const attempts = [
      at.refused(EnableKeyDocument, { keyId }),
      at.refused(DisableKeyDocument, { keyId }),
      at.refused(UpdateKeyDocument, { keyId, name: 'Back', expiresAt: null }),
      at.refused(IssueCodeDocument, { keyId }),
      at.refused(RotateKeyDocument, { keyId, slot: 'PRIMARY', overlapSeconds: 0 }),
      at.refused(EnableCodeDocument, { codeId }),
      at.refused(DisableCodeDocument, { codeId }),
      at.refused(UpdateCodeDocument, { codeId, description: 'back' }),
      at.refused(DeleteCodeDocument, { codeId }),
      at.refused(RevealCodeDocument, { codeId }),
    ]
    expect(new Set((await Promise.all(attempts)).map(({ code }) => code))).toEqual(new Set(['KEY_REVOKED']))
    expect((await revoke(keyId)).events).toEqual([])
    expect(await verdictOn(secret, invoices)).toBe('REVOKED')
    await at.done(DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' })
    expect(await verdictOn(secret, invoices)).toBe('REVOKED')
  })
})

describe('U5 one key for many services', () => {
  test('U5 any number of services use it, together and for as long as they like', async () => {
    const { keyId, secret } = await create(invoices)
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, () => at.verify({ key: secret, keyspaceId: invoices })),
    )
    expect(new Set(verdicts.map(({ code, keyId }) => `${code} ${keyId}`))).toEqual(new Set([`VALID ${keyId}`]))
  })
})

describe('U6 keeping order', () => {
  test('U6 keys that are no longer in use are found, to be deleted', async () => {
    const keyspaceId = await createUseCase('Forms')
    const idle = await create(keyspaceId)
    // Lists begin with the newest.
    at.clock.advance(1_000)
    const busy = await create(keyspaceId)
    at.clock.advance(30 * DAY_MS)
    const since = at.clock.now()
    expect(await listed({ keyspaceId, unusedSince: since })).toEqual([busy.keyId, idle.keyId])
    at.clock.advance(DAY_MS)
    expect(await verdictOn(busy.secret, keyspaceId)).toBe('VALID')
    await vi.waitFor(
      async () => expect(await listed({ keyspaceId, unusedSince: since })).toEqual([idle.keyId]),
      PATIENTLY,
    )
    const young = await create(keyspaceId)
    expect(await listed({ keyspaceId, unusedSince: since })).not.toContain(young.keyId)
    await at.done(DeleteKeyDocument, { keyId: idle.keyId, reason: 'CESSATION_OF_OPERATION' })
    expect(await listed({ keyspaceId, unusedSince: since })).toEqual([])
  })

  test('U6 a key that may be compromised is rotated: new secret, same key', async () => {
    const { keyId, secret } = await create(invoices)
    const { key, issued } = await at.done(RotateKeyDocument, { keyId, slot: 'PRIMARY', overlapSeconds: 0 })
    expect(key.id).toBe(keyId)
    expect(await verdictOn(secret, invoices)).toBe('REPLACED')
    expect(await verdictOn(issued.secret ?? '', invoices)).toBe('VALID')
  })

  test('U6 a key that is compromised is deleted, and stops at once', async () => {
    const { keyId, secret } = await create(invoices)
    await at.done(DeleteKeyDocument, { keyId, reason: 'KEY_COMPROMISE' })
    expect(await verdictOn(secret, invoices)).toBe('REVOKED')
    expect(await listed({ keyspaceId: invoices })).not.toContain(keyId)
  })
})

test('nothing of this leaves a plaintext where none must be', async () => {
  expect(await at.plaintextsLeft()).toEqual([])
})
