// A console: an account lets other programs reach its API. A key is made first, then access codes for it, two at most and each
// for a year; policies say what it opens.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DAY_MS, type Instant, plusMs } from '#domain/instant.ts'
import {
  CodeDocument,
  CreateKeyDocument,
  type CreateKeyInput,
  CreateKeyspaceDocument,
  CreatePolicyDocument,
  type CreatePolicyInput,
  DeleteCodeDocument,
  DeleteKeyDocument,
  DisableCodeDocument,
  EnableCodeDocument,
  EnableKeyDocument,
  IssueCodeDocument,
  type IssueCodeInput,
  KeyDocument,
  KeysDocument,
  LinkDocument,
  LinkKeyDocument,
  LinksDocument,
  PoliciesDocument,
  RevealCodeDocument,
  RevokeKeyDocument,
  RotateKeyDocument,
  UnlinkKeyDocument,
  UpdateCodeDocument,
  UpdateKeyDocument,
  UpdateLinkDocument,
  UpdatePolicyDocument,
  VerifyKeyDocument,
} from '#test/generated/operations.ts'
import { type Scenario, startScenario } from '#test/support/scenario.ts'

const YEAR_MS = 365 * DAY_MS

let at: Scenario
let keyspaceId: string
beforeAll(async () => {
  at = await startScenario()
  const { keyspace } = await at.done(CreateKeyspaceDocument, {
    accountId: at.accountId,
    name: 'Console',
    rules: {
      prefix: 'bms',
      liveCodesMax: 2,
      codesAtCreation: 0,
      codeLifetimeDays: 365,
      codeLifetimeDaysMax: 365,
      secretDisplay: 'REVEALABLE',
      codeDeletion: 'WHEN_DISABLED',
      presentations: [
        { place: 'HEADER', name: 'x-api-key' },
        { place: 'QUERY', name: 'apiKey' },
      ],
    },
  })
  keyspaceId = keyspace.id
})
afterAll(() => at.close())

async function createPolicy(input: Partial<CreatePolicyInput> = {}): Promise<string> {
  const { policy } = await at.done(CreatePolicyDocument, {
    accountId: at.accountId,
    name: `Policy ${crypto.randomUUID()}`,
    description: 'Read campaigns.',
    permissions: ['campaigns.read'],
    ...input,
  })
  return policy.id
}

const inputFor = (more: Partial<CreateKeyInput> = {}): CreateKeyInput => ({
  keyspaceId,
  name: 'Metrics',
  enabled: true,
  ...more,
})
const createKey = async (more: Partial<CreateKeyInput> = {}) =>
  (await at.done(CreateKeyDocument, inputFor(more))).key.id

async function issue(keyId: string, more: Partial<IssueCodeInput> = {}) {
  const { issued } = await at.done(IssueCodeDocument, { keyId, description: 'For the export', ...more })
  return { codeId: issued.accessCode.id, secret: issued.secret ?? '', expiresAt: issued.accessCode.expiresAt }
}

async function keyWithCode(more: Partial<CreateKeyInput> = {}) {
  const keyId = await createKey(more)
  return { keyId, ...(await issue(keyId)) }
}

const verdictOn = async (key: string) => (await at.verify({ key, keyspaceId })).code
const read = async (keyId: string) => (await at.ask(KeyDocument, { keyId })).key
const expiryOf = (ms: number): Instant => plusMs(at.clock.now(), ms)

async function listed(filter: object = {}) {
  const { account } = await at.ask(KeysDocument, { accountId: at.accountId, filter: { keyspaceId, ...filter } })
  return account?.keys?.nodes ?? []
}

async function eventTypes(keyId: string): Promise<readonly string[]> {
  const { key } = await at.ask<{ key: { events: { nodes: readonly { type: string }[] } } }, object>(
    'query ($keyId: ID!) { key(id: $keyId) { events(first: 100) { nodes { type } } } }',
    { keyId },
  )
  return key.events.nodes.map(({ type }) => type)
}

describe('B1 the list', () => {
  test('B1 shows the keys of the account, with what their owner called them', async () => {
    const keyId = await createKey({ name: 'Automation platform', tags: ['ads'] })
    const keys = await listed()
    expect(keys.find(({ id }) => id === keyId)).toMatchObject({ name: 'Automation platform', tags: ['ads'], codes: [] })
  })

  test('B1 shows nothing of another account', async () => {
    const { accountId } = await at.createAccount('Another account')
    const stranger = await at.createCredential(['*'], accountId)
    await createKey()
    const { account } = await at.ask(KeysDocument, { accountId }, stranger)
    expect(account?.keys?.nodes).toEqual([])
    expect(await at.ask(KeysDocument, { accountId: at.accountId }, stranger)).toEqual({ account: null })
  })
})

describe('B2 creating a key', () => {
  test('B2 takes a name, tags and policies', async () => {
    const policyIds = [await createPolicy(), await createPolicy()]
    const keyId = await createKey({ name: 'Reports', tags: ['finance', 'monthly'], policyIds })
    expect(await read(keyId)).toMatchObject({
      name: 'Reports',
      tags: ['finance', 'monthly'],
      policies: policyIds.map((id) => ({ id })),
      codes: [],
    })
    expect((await listed({ tags: ['monthly', 'finance'] })).map(({ id }) => id)).toEqual([keyId])
  })

  test('B2 works without a policy, and the key then opens nothing that asks for one', async () => {
    const { secret } = await keyWithCode({ policyIds: [] })
    expect(await verdictOn(secret)).toBe('VALID')
    expect(await at.verify({ key: secret, keyspaceId, permission: 'campaigns.read' })).toMatchObject({
      code: 'INSUFFICIENT_PERMISSIONS',
    })
  })

  test('B2 offers policies that each have a name and a description', async () => {
    const shown = { name: 'Ads', description: 'Create ads.', permissions: ['ads.write'] }
    const made = { ...shown, accountId: at.accountId }
    for (const wrong of [{ name: '' }, { description: '' }])
      expect(await at.refused(CreatePolicyDocument, { ...made, ...wrong })).toMatchObject({ code: 'INVALID_INPUT' })
    const { policy } = await at.done(CreatePolicyDocument, made)
    const { account } = await at.ask(PoliciesDocument, { accountId: at.accountId })
    expect(account?.policies?.nodes).toContainEqual(expect.objectContaining({ ...shown, id: policy.id }))
    for (const { name, description } of account?.policies?.nodes ?? []) expect([name, description]).not.toContain('')
  })
})

describe("B3 linking another account's key", () => {
  /** A partner's key, as the partner has made it: with a policy of theirs and a code. */
  async function lend(): Promise<{ keyId: string; codeId: string; secret: string; theirs: Partner }> {
    const { accountId } = await at.createAccount('Partner')
    const credential = await at.createCredential(['*'], accountId)
    const own = await at.createKeyspace(accountId, { codesAtCreation: 0, secretDisplay: 'REVEALABLE' })
    const policyId = await at.createPolicy(accountId, { permissions: ['partner.read'] })
    const input = { ...inputFor({ keyspaceId: own, policyIds: [policyId] }), name: "Partner's tool" }
    const { key } = await at.done(CreateKeyDocument, input, credential)
    const { issued } = await at.done(IssueCodeDocument, { keyId: key.id }, credential)
    const theirs = { credential, keyspaceId: own }
    return { keyId: key.id, codeId: issued.accessCode.id, secret: issued.secret ?? '', theirs }
  }
  type Partner = { readonly credential: string; readonly keyspaceId: string }

  const inputOf = async (keyId: string, more: object = {}) => ({
    accountId: at.accountId,
    keyId,
    keyspaceId,
    policyIds: [await createPolicy()],
    ...more,
  })
  const link = async (keyId: string) => (await at.done(LinkKeyDocument, await inputOf(keyId))).link
  const here = async (key: string, permission?: string) =>
    (await at.verify({ key, keyspaceId, ...(permission === undefined ? {} : { permission }) })).code
  const there = async (key: string, { credential, keyspaceId }: Partner, permission: string) =>
    (await at.ask(VerifyKeyDocument, { input: { key, keyspaceId, permission } }, credential)).verifyKey.code

  test('B3 lets it in by its id, under at least one policy', async () => {
    const { keyId, secret } = await lend()
    expect(await here(secret)).toBe('NOT_FOUND')
    expect(await at.refused(LinkKeyDocument, await inputOf(keyId, { policyIds: [] }))).toMatchObject({
      code: 'POLICY_REQUIRED',
    })
    const made = await link(keyId)
    expect(made).toMatchObject({ keyId, keyName: "Partner's tool", active: true })
    expect(await here(secret)).toBe('VALID')
    const { account } = await at.ask(LinksDocument, { accountId: at.accountId })
    expect(account?.links?.nodes.map(({ id }) => id)).toContain(made.id)
  })

  test('B3 an own key is not linked, another one not twice, an unknown or revoked one not at all', async () => {
    const refusal = async (keyId: string) => (await at.refused(LinkKeyDocument, await inputOf(keyId))).code
    expect(await refusal(await createKey())).toBe('LINK_TO_OWN_KEY')
    const { keyId } = await lend()
    await link(keyId)
    expect(await refusal(keyId)).toBe('ALREADY_LINKED')
    const revoked = await lend()
    await at.done(DeleteKeyDocument, { keyId: revoked.keyId, reason: 'UNSPECIFIED' }, revoked.theirs.credential)
    for (const unknown of [revoked.keyId, keyId.replace(/.{4}$/, 'zzzz'), 'nothing'])
      expect(await refusal(unknown)).toBe('NOT_FOUND')
  })

  test("B3 it takes no codes here: its owner's are used", async () => {
    const { keyId, codeId, theirs } = await lend()
    await link(keyId)
    const rotation = { keyId, slot: 'PRIMARY' as const, overlapSeconds: 0 }
    const refusals = [
      await at.refused(IssueCodeDocument, { keyId }),
      await at.refused(RotateKeyDocument, rotation),
      await at.refused(UpdateCodeDocument, { codeId, description: 'ours' }),
      await at.refused(DisableCodeDocument, { codeId }),
      await at.refused(RevealCodeDocument, { codeId }),
      await at.refused(DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' }),
    ]
    expect(refusals.map(({ code }) => code)).toEqual([
      ...Array(2).fill('LINKED_KEY_HAS_NO_CODES'),
      ...Array(4).fill('NOT_FOUND'),
    ])
    expect((await at.download(codeId)).status).toBe(404)
    const { issued } = await at.done(RotateKeyDocument, rotation, theirs.credential)
    expect(await here(issued.secret ?? '')).toBe('VALID')
  })

  test("B3 it has here what the link's policies grant, and at home what its own account grants", async () => {
    const { keyId, secret, theirs } = await lend()
    const { id: linkId } = await link(keyId)
    expect([await here(secret, 'campaigns.read'), await here(secret, 'partner.read')]).toEqual([
      'VALID',
      'INSUFFICIENT_PERMISSIONS',
    ])
    expect([await there(secret, theirs, 'campaigns.read'), await there(secret, theirs, 'partner.read')]).toEqual([
      'INSUFFICIENT_PERMISSIONS',
      'VALID',
    ])
    const headers = { 'x-api-key': secret }
    expect(await at.present({ keyspaceId, permission: 'campaigns.read', headers })).toBe('200')
    const policyIds = [await createPolicy({ permissions: ['ads.write'] })]
    await at.done(UpdateLinkDocument, { linkId, policyIds })
    expect([await here(secret, 'campaigns.read'), await here(secret, 'ads.write')]).toEqual([
      'INSUFFICIENT_PERMISSIONS',
      'VALID',
    ])
  })

  test('B3 unlinking leaves the key as it is for its own account', async () => {
    const { keyId, secret, theirs } = await lend()
    const before = (await at.ask(KeyDocument, { keyId }, theirs.credential)).key
    const { id: linkId } = await link(keyId)
    await at.done(UnlinkKeyDocument, { linkId })
    expect([await here(secret), await there(secret, theirs, 'partner.read')]).toEqual(['NOT_FOUND', 'VALID'])
    expect((await at.ask(KeyDocument, { keyId }, theirs.credential)).key).toEqual(before)
  })

  test('B3 when its own account revokes it, the link opens nothing from then on', async () => {
    const { keyId, secret, theirs } = await lend()
    const { id: linkId } = await link(keyId)
    await at.done(RevokeKeyDocument, { keyId, reason: 'KEY_COMPROMISE' }, theirs.credential)
    expect(await here(secret)).toBe('REVOKED')
    expect((await at.ask(LinkDocument, { linkId })).link).toMatchObject({ active: false })
  })
})

describe('B4 issuing a code', () => {
  test('B4 takes a description, and the answer has the secret', async () => {
    const keyId = await createKey()
    const { codeId, secret } = await issue(keyId, { description: 'Spreadsheet' })
    expect(secret).toMatch(/^bms_\w{49}$/)
    expect((await read(keyId))?.codes).toMatchObject([{ id: codeId, description: 'Spreadsheet', status: 'VALID' }])
    expect(await verdictOn(secret)).toBe('VALID')
  })

  test('B4 the key can not be used before', async () => {
    const { key, issued } = await at.done(CreateKeyDocument, inputFor())
    expect(issued).toEqual([])
    expect((await read(key.id))?.codes).toEqual([])
  })

  test('B4 the secret can be downloaded as a text file', async () => {
    const { codeId, secret } = await keyWithCode()
    const response = await at.download(codeId)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="\w+\.txt"$/)
    expect(await response.text()).toBe(secret)
  })
})

describe('B5 two codes of a year each', () => {
  test('B5 a third live code is refused', async () => {
    const { keyId, secret } = await keyWithCode()
    const { secret: second, codeId } = await issue(keyId)
    const third = () => at.refused(IssueCodeDocument, { keyId })
    expect(await third()).toMatchObject({ code: 'CODE_LIMIT_REACHED' })
    await at.done(DisableCodeDocument, { codeId })
    expect(await third()).toMatchObject({ code: 'CODE_LIMIT_REACHED' })
    expect([await verdictOn(secret), await verdictOn(second)]).toEqual(['VALID', 'DISABLED'])
  })

  test('B5 of fifty that are issued at once exactly two come to be', async () => {
    const keyId = await createKey()
    const attempts = await Promise.all(
      Array.from({ length: 50 }, () => at.ask(IssueCodeDocument, { input: { keyId } })),
    )
    const outcomes = attempts.map(({ issueCode }) => ('code' in issueCode ? issueCode.code : 'done'))
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(2)
    expect(new Set(outcomes)).toEqual(new Set(['done', 'CODE_LIMIT_REACHED']))
    expect((await read(keyId))?.codes).toHaveLength(2)
  })

  test('B5 each is valid for 365 days, and then no more', async () => {
    const { expiresAt, secret } = await keyWithCode()
    expect(expiresAt).toBe(expiryOf(YEAR_MS))
    at.clock.advance(YEAR_MS - 1)
    expect(await verdictOn(secret)).toBe('VALID')
    at.clock.advance(1)
    expect(await verdictOn(secret)).toBe('EXPIRED')
  })

  test('B5 never for longer: neither when it is issued nor when it is rotated', async () => {
    const keyId = await createKey()
    for (const expiresAt of [null, expiryOf(YEAR_MS + 1)])
      expect(await at.refused(IssueCodeDocument, { keyId, expiresAt })).toMatchObject({ code: 'EXPIRY_OUT_OF_RANGE' })
    await issue(keyId, { expiresAt: expiryOf(YEAR_MS) })
    const rotation = { keyId, slot: 'PRIMARY' as const, overlapSeconds: 0 }
    for (const expiresAt of [null, expiryOf(YEAR_MS + 1)])
      expect(await at.refused(RotateKeyDocument, { ...rotation, expiresAt })).toMatchObject({
        code: 'EXPIRY_OUT_OF_RANGE',
      })
    const { issued } = await at.done(RotateKeyDocument, rotation)
    expect(issued.accessCode.expiresAt).toBe(expiryOf(YEAR_MS))
  })

  test('B5 those about to expire are listed, and a new one bridges the gap', async () => {
    const { keyId, secret } = await keyWithCode()
    const isListed = async () => (await listed({ expiresBefore: expiryOf(21 * DAY_MS) })).some(({ id }) => id === keyId)
    expect(await isListed()).toBe(false)
    at.clock.advance(YEAR_MS - 20 * DAY_MS)
    expect(await isListed()).toBe(true)
    const next = await issue(keyId)
    at.clock.advance(20 * DAY_MS)
    expect([await verdictOn(secret), await verdictOn(next.secret)]).toEqual(['EXPIRED', 'VALID'])
    expect(await isListed()).toBe(false)
    expect(await verdictOn((await issue(keyId)).secret)).toBe('VALID')
  })
})

describe('B6 presenting a code', () => {
  test('B6 in the header x-api-key or the query parameter apiKey, and nowhere else', async () => {
    const { secret } = await keyWithCode({ policyIds: [await createPolicy()] })
    const request = { keyspaceId, permission: 'campaigns.read' }
    expect(await at.present({ ...request, headers: { 'x-api-key': secret } })).toBe('200')
    expect(await at.present({ ...request, path: `/campaigns?page=2&apiKey=${secret}` })).toBe('200')
    for (const elsewhere of [
      { path: `/campaigns?apikey=${secret}` },
      { path: `/campaigns/${secret}` },
      { headers: { authorization: `Bearer ${secret}` } },
      { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ apiKey: secret }) },
    ])
      expect(await at.present({ ...request, ...elsewhere })).toBe('401 UNAUTHENTICATED')
  })
})

describe('B7 access', () => {
  test('B7 is to what the policies grant and to nothing else, as they are at that moment', async () => {
    const reading = { methods: ['GET'], path: '/campaigns/*' }
    const policyId = await createPolicy({ endpoints: [reading] })
    const { secret } = await keyWithCode({ policyIds: [policyId] })
    const ask = (method: string, path: string, permission?: string) =>
      at.present({
        keyspaceId,
        method,
        path,
        headers: { 'x-api-key': secret },
        ...(permission === undefined ? {} : { permission }),
      })
    expect(await ask('GET', '/campaigns/7')).toBe('200')
    expect(await ask('GET', '/campaigns/7', 'campaigns.read')).toBe('200')
    for (const [method, path, permission] of [
      ['DELETE', '/campaigns/7'],
      ['GET', '/invoices/7'],
      ['GET', '/campaigns/7', 'campaigns.write'],
    ] as const)
      expect(await ask(method, path, permission)).toBe('403 INSUFFICIENT_PERMISSIONS')
    await at.done(UpdatePolicyDocument, { policyId, endpoints: [{ methods: ['GET'], path: '/invoices/*' }] })
    expect([await ask('GET', '/campaigns/7'), await ask('GET', '/invoices/7')]).toEqual([
      '403 INSUFFICIENT_PERMISSIONS',
      '200',
    ])
  })
})

describe('B8 editing a key', () => {
  test('B8 changes every detail, and its codes stay', async () => {
    const { keyId, secret } = await keyWithCode({ policyIds: [await createPolicy()], tags: ['old'] })
    const details = {
      name: 'Renamed',
      description: 'What it is for',
      tags: ['new', 'newer'],
      metadata: { plan: 'gold' },
      policyIds: [await createPolicy({ permissions: ['ads.write'] })],
      permissions: ['ads.read'],
      expiresAt: expiryOf(DAY_MS),
      logging: { request: true, response: true },
    }
    await at.done(UpdateKeyDocument, { keyId, ...details })
    const { policyIds, ...shown } = details
    expect(await read(keyId)).toMatchObject({ ...shown, policies: policyIds.map((id) => ({ id })) })
    expect(await at.verify({ key: secret, keyspaceId, permission: 'ads.read AND ads.write' })).toMatchObject({
      code: 'VALID',
      name: 'Renamed',
      tags: ['new', 'newer'],
    })
  })

  test('B8 does not overwrite what somebody else has changed meanwhile', async () => {
    const keyId = await createKey()
    const expectedVersion = (await read(keyId))?.version ?? 0
    await at.done(UpdateKeyDocument, { keyId, name: 'Theirs', expectedVersion })
    expect(await at.refused(UpdateKeyDocument, { keyId, name: 'Ours', expectedVersion })).toMatchObject({
      code: 'CONFLICT',
    })
    expect(await read(keyId)).toMatchObject({ name: 'Theirs' })
  })
})

describe('B9 deleting a key', () => {
  test('B9 stops everything that relies on it, for good', async () => {
    const { keyId, codeId, secret } = await keyWithCode()
    const { secret: second } = await issue(keyId)
    await at.done(DeleteKeyDocument, { keyId, reason: 'UNSPECIFIED' })
    expect([await verdictOn(secret), await verdictOn(second)]).toEqual(['REVOKED', 'REVOKED'])
    expect((await listed()).map(({ id }) => id)).not.toContain(keyId)
    const attempts = await Promise.all([
      at.refused(EnableKeyDocument, { keyId }),
      at.refused(UpdateKeyDocument, { keyId, name: 'Back' }),
      at.refused(IssueCodeDocument, { keyId }),
      at.refused(EnableCodeDocument, { codeId }),
      at.refused(RevealCodeDocument, { codeId }),
    ])
    expect(attempts.map(({ code }) => code)).toEqual(Array(5).fill('KEY_DELETED'))
  })

  test('B9 leaves its history readable', async () => {
    const { keyId } = await keyWithCode({ name: 'Gone' })
    await at.done(DeleteKeyDocument, { keyId, reason: 'CESSATION_OF_OPERATION', note: 'Contract ended' })
    expect(await read(keyId)).toMatchObject({
      name: 'Gone',
      status: 'DELETED',
      revocation: { reason: 'CESSATION_OF_OPERATION', note: 'Contract ended' },
      codes: [{ status: 'REVOKED' }],
    })
    expect(await eventTypes(keyId)).toEqual(['key.created', 'code.issued', 'key.revoked', 'key.deleted'])
  })
})

describe('B10 seeing a secret again', () => {
  test('B10 it is shown and downloaded, each time an event', async () => {
    const { keyId, codeId, secret } = await keyWithCode()
    expect(await at.done(RevealCodeDocument, { codeId })).toMatchObject({ secret })
    expect(await (await at.download(codeId)).text()).toBe(secret)
    expect((await eventTypes(keyId)).slice(2)).toEqual(['code.revealed', 'code.revealed'])
  })

  test('B10 only to who may see secrets', async () => {
    const { keyId, codeId } = await keyWithCode()
    const editor = await at.createCredential(['accounts.read', 'keys.read', 'keys.write'])
    expect(await at.denied(RevealCodeDocument, { input: { codeId } }, editor)).toEqual(['FORBIDDEN'])
    expect((await at.download(codeId, editor)).status).toBe(403)
    expect(await eventTypes(keyId)).not.toContain('code.revealed')
  })

  test("B10 a code's description is edited", async () => {
    const { codeId, secret } = await keyWithCode()
    await at.done(UpdateCodeDocument, { codeId, description: 'For the dashboard' })
    expect((await at.ask(CodeDocument, { codeId })).code).toMatchObject({ description: 'For the dashboard' })
    expect(await verdictOn(secret)).toBe('VALID')
  })
})

describe('B11 switching off and deleting a code', () => {
  test('B11 a code is switched off and on', async () => {
    const { keyId, codeId, secret } = await keyWithCode()
    const { secret: other } = await issue(keyId)
    await at.done(DisableCodeDocument, { codeId })
    expect([await verdictOn(secret), await verdictOn(other)]).toEqual(['DISABLED', 'VALID'])
    await at.done(EnableCodeDocument, { codeId })
    expect(await verdictOn(secret)).toBe('VALID')
  })

  test('B11 it is deleted only while it is off, and then for good', async () => {
    const { keyId, codeId, secret } = await keyWithCode()
    expect(await at.refused(DeleteCodeDocument, { codeId })).toMatchObject({ code: 'CODE_ENABLED' })
    expect(await verdictOn(secret)).toBe('VALID')
    await at.done(DisableCodeDocument, { codeId })
    await at.done(DeleteCodeDocument, { codeId })
    expect(await verdictOn(secret)).toBe('REVOKED')
    for (const document of [EnableCodeDocument, RevealCodeDocument])
      expect(await at.refused(document as typeof EnableCodeDocument, { codeId })).toMatchObject({
        code: 'CODE_NOT_LIVE',
      })
    expect(await verdictOn((await issue(keyId)).secret)).toBe('VALID')
  })

  test('B11 or once it has expired', async () => {
    const { codeId } = await keyWithCode()
    at.clock.advance(YEAR_MS)
    const { accessCode } = await at.done(DeleteCodeDocument, { codeId })
    expect(accessCode).toMatchObject({ status: 'DELETED' })
  })
})

test('nothing of this leaves a plaintext where none must be', async () => {
  expect(await at.plaintextsLeft()).toEqual([])
})
