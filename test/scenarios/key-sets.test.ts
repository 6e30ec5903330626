// Key sets: administrators hand out pairs of secrets to integrators; what a set may do is fixed for good, and its two secrets
// are replaced one at a time.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DAY_MS, type Instant, plusMs } from '#domain/instant.ts'
import {
  AddUserDocument,
  CreateKeyDocument,
  type CreateKeyInput,
  CreateKeyspaceDocument,
  CreatePolicyDocument,
  DeleteKeyDocument,
  DeletePolicyDocument,
  EnableKeyDocument,
  IssueCodeDocument,
  KeyDocument,
  KeysDocument,
  RevealCodeDocument,
  RevokeKeyDocument,
  RotateKeyDocument,
  RotationsDocument,
  type RotationsQuery,
  UpdateKeyDocument,
  UpdateKeyspaceDocument,
  UpdatePolicyDocument,
} from '#test/generated/operations.ts'
import { type Scenario, startScenario } from '#test/support/scenario.ts'

let at: Scenario
let keyspaceId: string
let policyId: string
let nextYear: Instant
beforeAll(async () => {
  at = await startScenario()
  nextYear = plusMs(at.clock.now(), 365 * DAY_MS)
  const { keyspace } = await at.done(CreateKeyspaceDocument, {
    accountId: at.accountId,
    name: 'Third-party software',
    rules: {
      prefix: 'bss',
      liveCodesMax: 2,
      codesAtCreation: 2,
      secretDisplay: 'ONCE',
      authorizations: 'FROZEN',
      policyRequired: true,
      expiryRequired: true,
      presentations: [{ place: 'HEADER', name: 'X-Api-Key' }],
    },
  })
  keyspaceId = keyspace.id
  policyId = await readers()
})
afterAll(() => at.close())

async function readers(): Promise<string> {
  const { policy } = await at.done(CreatePolicyDocument, {
    accountId: at.accountId,
    name: `Readers ${crypto.randomUUID()}`,
    description: 'Read what is published.',
    permissions: ['brands.read'],
  })
  return policy.id
}

const both = (expiresAt: Instant | null) => [
  { slot: 'PRIMARY' as const, expiresAt },
  { slot: 'SECONDARY' as const, expiresAt },
]
const inputFor = (expiresAt: Instant | null, more: Partial<CreateKeyInput> = {}): CreateKeyInput => ({
  keyspaceId,
  name: 'Shop',
  enabled: true,
  policyIds: [policyId],
  codes: both(expiresAt),
  ...more,
})

async function createSet(expiresAt: Instant | null = nextYear, more: Partial<CreateKeyInput> = {}) {
  const { key, issued } = await at.done(CreateKeyDocument, inputFor(expiresAt, more))
  const [primary = '', secondary = ''] = issued.map(({ secret }) => secret ?? '')
  const [primaryId = '', secondaryId = ''] = issued.map(({ accessCode }) => accessCode.id)
  return { keyId: key.id, primary, secondary, primaryId, secondaryId, issued }
}

const rotate = (keyId: string, slot: 'PRIMARY' | 'SECONDARY', expiresAt: Instant | null = nextYear) =>
  at.done(RotateKeyDocument, { keyId, slot, expiresAt, overlapSeconds: 0 })
const verdictOn = async (key: string) => (await at.verify({ key, keyspaceId })).code
const read = async (keyId: string) => (await at.ask(KeyDocument, { keyId })).key

describe('S1 only administrators manage', () => {
  test('S1 whoever may only read or verify creates, rotates, renames and removes no set', async () => {
    const { keyId } = await createSet()
    const before = await read(keyId)
    const others = ['accounts.read', 'keys.read', 'keys.verify', 'events.read', 'logs.read', 'secrets.reveal']
    for (const credential of [at.service, await at.createCredential(others)]) {
      const attempts = [
        at.denied(CreateKeyDocument, { input: inputFor(nextYear) }, credential),
        at.denied(RotateKeyDocument, { input: { keyId, expiresAt: null } as never }, credential),
        at.denied(UpdateKeyDocument, { input: { keyId, name: 'Mine' } }, credential),
        at.denied(DeleteKeyDocument, { input: { keyId } as never }, credential),
      ]
      expect(await Promise.all(attempts)).toEqual(Array(4).fill(['FORBIDDEN']))
    }
    expect(await read(keyId)).toEqual(before)
  })

  test('S1 users of the company who are no administrators do not either, whose keys they may be', async () => {
    const attemptsOf = async (role: 'AUDITOR' | 'VERIFIER' | 'MEMBER' | 'ADMINISTRATOR') => {
      const externalId = `${role.toLowerCase()}@example.org`
      const { user } = await at.done(AddUserDocument, { accountId: at.accountId, externalId, role, permissions: ['*'] })
      const credential = await at.signIn(externalId)
      const { keyId } = await createSet(nextYear, { ownerId: user.id })
      return [
        await at.outcome(CreateKeyDocument, inputFor(nextYear, { ownerId: user.id }), credential),
        await at.outcome(
          RotateKeyDocument,
          { keyId, slot: 'SECONDARY', expiresAt: null, overlapSeconds: 0 },
          credential,
        ),
        await at.outcome(UpdateKeyDocument, { keyId, name: 'Mine' }, credential),
        await at.outcome(DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' }, credential),
      ]
    }
    expect(await attemptsOf('AUDITOR')).toEqual(Array(4).fill('FORBIDDEN'))
    expect(await attemptsOf('VERIFIER')).toEqual(Array(4).fill('FORBIDDEN'))
    expect(await attemptsOf('MEMBER')).toEqual(Array(4).fill('NOT_FOUND'))
    expect(await attemptsOf('ADMINISTRATOR')).toEqual(Array(4).fill('done'))
  })

  test("S1 nor does another company's administrator, to whom it does not exist", async () => {
    const { keyId } = await createSet()
    const { accountId } = await at.createAccount('Another company')
    const stranger = await at.createCredential(['*'], accountId)
    expect(await at.refused(UpdateKeyDocument, { keyId, name: 'Mine' }, stranger)).toMatchObject({ code: 'NOT_FOUND' })
    expect(await at.refused(CreateKeyDocument, inputFor(null), stranger)).toMatchObject({ code: 'NOT_FOUND' })
    expect((await at.ask(KeyDocument, { keyId }, stranger)).key).toBeNull()
  })

  test('S1 who holds a secret of a set manages nothing with it', async () => {
    const { keyId, primary } = await createSet()
    expect(await at.denied(UpdateKeyDocument, { input: { keyId, name: 'Mine' } }, primary)).toEqual(['UNAUTHENTICATED'])
  })
})

describe('S2 possession is enough', () => {
  test('S2 the secret opens what it is for, without a user or a login', async () => {
    const { keyId, primary } = await createSet()
    expect(await at.verify({ key: primary, keyspaceId, permission: 'brands.read' })).toMatchObject({
      valid: true,
      keyId,
    })
    const request = { keyspaceId, permission: 'brands.read', path: '/brands' }
    expect(await at.present({ ...request, headers: { 'x-api-key': primary } })).toBe('200')
  })
})

describe('S3 authorizations can not be changed', () => {
  test('S3 no edit of the key changes them', async () => {
    const { keyId } = await createSet(nextYear, { permissions: ['logos.read'] })
    const other = await readers()
    for (const change of [{ policyIds: [other] }, { policyIds: [policyId, other] }, { permissions: ['*'] }])
      expect(await at.refused(UpdateKeyDocument, { keyId, ...change })).toMatchObject({ code: 'AUTHORIZATIONS_FROZEN' })
    expect(await read(keyId)).toMatchObject({
      authorizationsFrozen: true,
      permissions: ['logos.read'],
      effectivePermissions: ['brands.read', 'logos.read'],
    })
  })

  test('S3 neither an edit nor the end of its policy changes them', async () => {
    const own = await readers()
    const { keyId, primary } = await createSet(nextYear, { policyIds: [own] })
    const grants = async (permission: string) => (await at.verify({ key: primary, keyspaceId, permission })).code
    await at.done(UpdatePolicyDocument, { policyId: own, permissions: ['brands.write'] })
    expect([await grants('brands.read'), await grants('brands.write')]).toEqual(['VALID', 'INSUFFICIENT_PERMISSIONS'])
    await at.done(DeletePolicyDocument, { policyId: own })
    expect([await grants('brands.read'), await grants('brands.write')]).toEqual(['VALID', 'INSUFFICIENT_PERMISSIONS'])
    expect(await read(keyId)).toMatchObject({ effectivePermissions: ['brands.read'] })
  })

  test('S3 not even other rules of the keyspace thaw a set, and a rotation takes nothing along', async () => {
    const { keyId } = await createSet()
    const thaw = (authorizations: 'EDITABLE' | 'FROZEN') =>
      at.done(UpdateKeyspaceDocument, { keyspaceId, rules: { authorizations } })
    await thaw('EDITABLE')
    expect(await at.refused(UpdateKeyDocument, { keyId, permissions: ['*'] })).toMatchObject({
      code: 'AUTHORIZATIONS_FROZEN',
    })
    await thaw('FROZEN')
    await rotate(keyId, 'PRIMARY')
    expect(await read(keyId)).toMatchObject({ effectivePermissions: ['brands.read'] })
  })
})

describe('S3 sets from before authorizations were frozen', () => {
  test('S3 keep what they grant when that becomes a rule', async () => {
    const own = await readers()
    const switchTo = (authorizations: 'EDITABLE' | 'FROZEN') =>
      at.done(UpdateKeyspaceDocument, { keyspaceId, rules: { authorizations } })
    await switchTo('EDITABLE')
    const { keyId, primary } = await createSet(nextYear, { policyIds: [own] })
    const grants = async (permission: string) => (await at.verify({ key: primary, keyspaceId, permission })).code
    await at.done(UpdatePolicyDocument, { policyId: own, permissions: ['brands.write'] })
    expect([await grants('brands.read'), await grants('brands.write')]).toEqual(['INSUFFICIENT_PERMISSIONS', 'VALID'])
    await switchTo('FROZEN')
    await at.done(UpdatePolicyDocument, { policyId: own, permissions: ['*'] })
    expect([await grants('brands.read'), await grants('brands.write')]).toEqual(['INSUFFICIENT_PERMISSIONS', 'VALID'])
    expect(await at.refused(UpdateKeyDocument, { keyId, policyIds: [policyId] })).toMatchObject({
      code: 'AUTHORIZATIONS_FROZEN',
    })
    await at.done(DeletePolicyDocument, { policyId: own })
    expect(await read(keyId)).toMatchObject({ authorizationsFrozen: true, effectivePermissions: ['brands.write'] })
  })
})

describe('S4 what a new set needs', () => {
  test('S4 authorizations, else POLICY_REQUIRED', async () => {
    for (const policyIds of [undefined, []]) {
      const input = inputFor(nextYear, { policyIds: policyIds ?? null })
      expect(await at.refused(CreateKeyDocument, input)).toMatchObject({ code: 'POLICY_REQUIRED' })
    }
  })

  test('S4 an expiry for each secret, else EXPIRY_REQUIRED', async () => {
    const unsaid = [null, [{ slot: 'PRIMARY' as const }], [...both(nextYear).slice(1), {}]]
    for (const codes of unsaid)
      expect(await at.refused(CreateKeyDocument, inputFor(null, { codes }))).toMatchObject({ code: 'EXPIRY_REQUIRED' })
  })

  test('S4 one that is not past already', async () => {
    expect(await at.refused(CreateKeyDocument, inputFor(at.clock.now()))).toMatchObject({ code: 'EXPIRY_OUT_OF_RANGE' })
  })

  test('S4 a name', async () => {
    for (const name of ['', '  '])
      expect(await at.refused(CreateKeyDocument, inputFor(null, { name }))).toMatchObject({ code: 'INVALID_INPUT' })
    expect(
      await at.denied(CreateKeyDocument, { input: { keyspaceId, enabled: true } as never }, at.administrator),
    ).toEqual(['BAD_REQUEST'])
  })

  test('S4 null is unlimited, and each secret may have an expiry of its own', async () => {
    const codes = [{ slot: 'PRIMARY' as const, expiresAt: null }, ...both(nextYear).slice(1)]
    const { keyId } = await createSet(null, { codes })
    expect((await read(keyId))?.codes.map(({ slot, expiresAt }) => [slot, expiresAt])).toEqual([
      ['PRIMARY', null],
      ['SECONDARY', nextYear],
    ])
  })
})

describe('S5 secrets are shown once', () => {
  test('S5 both stand in the answer that creates the set', async () => {
    const { primary, secondary } = await createSet()
    expect([await verdictOn(primary), await verdictOn(secondary)]).toEqual(['VALID', 'VALID'])
  })

  test('S5 neither is ever shown or downloaded again, not even to an administrator', async () => {
    const { primaryId, secondaryId } = await createSet()
    for (const codeId of [primaryId, secondaryId]) {
      expect(await at.refused(RevealCodeDocument, { codeId })).toMatchObject({ code: 'SECRET_NOT_REVEALABLE' })
      const { status } = await at.download(codeId)
      expect(status).toBe(409)
    }
  })

  test('S5 a retry of the creation shows none', async () => {
    const input = inputFor(null, { idempotencyKey: crypto.randomUUID() })
    const first = await at.done(CreateKeyDocument, input)
    const again = await at.done(CreateKeyDocument, input)
    expect(again.key.id).toBe(first.key.id)
    expect(again.issued.map(({ secret }) => secret)).toEqual([null, null])
  })

  test('S5 what is lost is replaced', async () => {
    const { keyId, primary } = await createSet()
    const { issued } = await rotate(keyId, 'PRIMARY')
    expect(issued.secret).not.toBe(primary)
    expect(await verdictOn(issued.secret ?? '')).toBe('VALID')
  })
})

describe('S6 two secrets are live', () => {
  test('S6 both open the same, whenever either is used', async () => {
    const { keyId, primary, secondary } = await createSet()
    for (const key of [primary, secondary, primary])
      expect(await at.verify({ key, keyspaceId, permission: 'brands.read' })).toMatchObject({ code: 'VALID', keyId })
  })

  test('S6 replaced at different times, one of them always works', async () => {
    const { keyId, primary, secondary } = await createSet()
    const { issued: first } = await rotate(keyId, 'PRIMARY')
    expect([await verdictOn(primary), await verdictOn(secondary)]).toEqual(['REPLACED', 'VALID'])
    at.clock.advance(DAY_MS)
    const { issued: second } = await rotate(keyId, 'SECONDARY')
    expect(await verdictOn(secondary)).toBe('REPLACED')
    expect([await verdictOn(first.secret ?? ''), await verdictOn(second.secret ?? '')]).toEqual(['VALID', 'VALID'])
  })

  test('S6 a third is refused', async () => {
    const { keyId } = await createSet()
    expect(await at.refused(IssueCodeDocument, { keyId, expiresAt: null })).toMatchObject({
      code: 'CODE_LIMIT_REACHED',
    })
  })
})

describe('S7 renaming and removing', () => {
  test('S7 a set is renamed, and its secrets stay', async () => {
    const { keyId, primary } = await createSet()
    const { key } = await at.done(UpdateKeyDocument, { keyId, name: 'Web shop' })
    expect(key).toMatchObject({ name: 'Web shop', effectivePermissions: ['brands.read'] })
    expect(await at.verify({ key: primary, keyspaceId })).toMatchObject({ code: 'VALID', name: 'Web shop' })
  })

  test('S7 a removed set opens nothing, is in no list, and nothing brings it back', async () => {
    const { keyId, primary, secondary } = await createSet()
    await at.done(DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' })
    expect([await verdictOn(primary), await verdictOn(secondary)]).toEqual(['REVOKED', 'REVOKED'])
    const { account } = await at.ask(KeysDocument, { accountId: at.accountId, filter: { keyspaceId }, first: 100 })
    expect(account?.keys?.nodes.map(({ id }) => id)).not.toContain(keyId)
    const attempts = await Promise.all([
      at.refused(EnableKeyDocument, { keyId }),
      at.refused(UpdateKeyDocument, { keyId, name: 'Back' }),
      at.refused(IssueCodeDocument, { keyId, expiresAt: null }),
      at.refused(RotateKeyDocument, { keyId, slot: 'PRIMARY', expiresAt: null, overlapSeconds: 0 }),
    ])
    expect(attempts.map(({ code }) => code)).toEqual(Array(4).fill('KEY_DELETED'))
  })
})

describe('S8 the table of a set', () => {
  const rows = async (keyId: string) =>
    (await read(keyId))?.codes.map(({ slot, hint, status, expiresAt }) => ({ slot, hint, status, expiresAt }))

  test('S8 shows which secret it is, its head, whether it is valid, and until when', async () => {
    const soon = plusMs(at.clock.now(), DAY_MS)
    const codes = [{ slot: 'PRIMARY' as const, expiresAt: soon }, ...both(null).slice(1)]
    const { keyId, primary, secondary, issued } = await createSet(null, { codes })
    const [first, second] = issued.map(({ accessCode }) => accessCode.hint)
    expect([primary.startsWith(`${first}_`), secondary.startsWith(`${second}_`)]).toEqual([true, true])
    expect(await rows(keyId)).toEqual([
      { slot: 'PRIMARY', hint: first, status: 'VALID', expiresAt: soon },
      { slot: 'SECONDARY', hint: second, status: 'VALID', expiresAt: null },
    ])
    at.clock.advance(DAY_MS)
    expect(await rows(keyId)).toMatchObject([{ status: 'EXPIRED', expiresAt: soon }, { status: 'VALID' }])
    await at.done(RevokeKeyDocument, { keyId, reason: 'KEY_COMPROMISE' })
    expect(await rows(keyId)).toMatchObject([{ status: 'REVOKED' }, { status: 'REVOKED' }])
  })

  test('S8 a secret seen in a log is assigned to its set by its head', async () => {
    const { keyId, issued } = await createSet()
    const hint = issued[1]?.accessCode.hint ?? ''
    const { account } = await at.ask(KeysDocument, { accountId: at.accountId, filter: { hint } })
    expect(account?.keys?.nodes.map(({ id }) => id)).toEqual([keyId])
  })
})

describe('S9 rotation', () => {
  test('S9 wants to be told the new expiry', async () => {
    const { keyId, primary } = await createSet()
    expect(await at.refused(RotateKeyDocument, { keyId, slot: 'PRIMARY', overlapSeconds: 0 })).toMatchObject({
      code: 'EXPIRY_REQUIRED',
    })
    expect(await verdictOn(primary)).toBe('VALID')
  })

  test('S9 ends the previous secret at once, and leaves the other alone', async () => {
    const { keyId, primary, secondary, secondaryId } = await createSet()
    const { issued } = await rotate(keyId, 'PRIMARY', null)
    expect([await verdictOn(primary), await verdictOn(secondary)]).toEqual(['REPLACED', 'VALID'])
    expect(issued.accessCode).toMatchObject({ slot: 'PRIMARY', expiresAt: null })
    const other = (await read(keyId))?.codes.find(({ id }) => id === secondaryId)
    expect(other).toMatchObject({ slot: 'SECONDARY', status: 'VALID', expiresAt: nextYear, replacedAt: null })
  })

  test('S9 works on an expired secret too', async () => {
    const { keyId, primary } = await createSet(plusMs(at.clock.now(), DAY_MS))
    at.clock.advance(DAY_MS)
    expect(await verdictOn(primary)).toBe('EXPIRED')
    const { issued } = await rotate(keyId, 'PRIMARY', null)
    expect(await verdictOn(issued.secret ?? '')).toBe('VALID')
    expect(await verdictOn(primary)).toBe('REPLACED')
  })
})

describe('S10 replaced secrets stay visible', () => {
  test('S10 for ever: each with its head and when it was replaced, page by page', async () => {
    const { keyId, issued } = await createSet(null)
    const replaced = [issued[0]?.accessCode.hint]
    const instants: Instant[] = []
    for (let i = 0; i < 103; i += 1) {
      at.clock.advance(1_000)
      instants.push(at.clock.now())
      replaced.push((await rotate(keyId, 'PRIMARY', null)).issued.accessCode.hint)
    }
    await at.done(DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' })
    const chain: unknown[] = []
    for (let after: string | null = null, more = true; more; ) {
      const { key }: RotationsQuery = await at.ask(RotationsDocument, { keyId, first: 100, after })
      chain.push(...(key?.rotations.nodes ?? []).map(({ retired, rotatedAt }) => [retired.hint, rotatedAt]))
      after = key?.rotations.pageInfo.endCursor ?? null
      more = key?.rotations.pageInfo.hasNextPage ?? false
    }
    expect(chain).toEqual(instants.map((instant, i) => [replaced[i], instant]).toReversed())
  })

  test('S10 beside the live ones, with all that is shown of those', async () => {
    const { keyId, primaryId, issued } = await createSet()
    at.clock.advance(DAY_MS)
    await rotate(keyId, 'PRIMARY', null)
    const row = (await read(keyId))?.codes.find(({ id }) => id === primaryId)
    expect(row).toMatchObject({
      hint: issued[0]?.accessCode.hint,
      status: 'REPLACED',
      replacedAt: at.clock.now(),
      overlapEndsAt: null,
    })
  })
})

describe('S11 a request', () => {
  test('S11 presents the secret in the header X-Api-Key, as bss_<id>_<secret>', async () => {
    const { primary } = await createSet()
    expect(primary).toMatch(/^bss_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}$/)
    const request = { keyspaceId, permission: 'brands.read' }
    expect(await at.present({ ...request, headers: { 'X-Api-Key': primary } })).toBe('200')
    expect(await at.present({ ...request, path: `/?X-Api-Key=${primary}` })).toBe('401 UNAUTHENTICATED')
    expect(await at.present({ ...request, headers: { authorization: `Bearer ${primary}` } })).toBe(
      '401 UNAUTHENTICATED',
    )
  })

  test('S11 has the access rights of the key and no others', async () => {
    const { primary } = await createSet()
    const headers = { 'x-api-key': primary }
    expect(await at.present({ keyspaceId, permission: 'brands.read', headers })).toBe('200')
    expect(await at.present({ keyspaceId, permission: 'brands.write', headers })).toBe('403 INSUFFICIENT_PERMISSIONS')
  })
})

test('nothing of this leaves a plaintext where none must be', async () => {
  expect(await at.plaintextsLeft()).toEqual([])
})
