// A mutation tried over HTTP: no more of what it would do is told than whoever asks may read, and no secret at all.
import { afterAll, describe, expect, test } from 'vitest'
import { plusMs } from '#domain/instant.ts'
import { startTestApp } from '#test/support/app.ts'
import { checksums } from '#test/support/plaintexts.ts'

const app = await startTestApp()
afterAll(() => app.close())

const { accountId, managementKeyspaceId } = await app.createAccount()
const keyspaceId = await app.createKeyspace(accountId, { managedBy: 'OWNERS', secretDisplay: 'REVEALABLE' })

const PLAN = `__typename ... on DryRun {
  planned { type schemaVersion subjectId subject { id } subjectVersion actor { label } follows summary data } plannedCount
  stops { extent stopsAt accessCode { id key { name } } link { id } lastUsedAt usesLastWeek lastAccess { clientIp userAgent } } stopCount }
  ... on Error { code } ... on InvalidInputError { issues { path } }`

type Stop = {
  readonly extent: string
  readonly stopsAt: string
  readonly accessCode: { readonly id: string } | null
  readonly link: { readonly id: string } | null
  readonly lastUsedAt: string | null
  readonly usesLastWeek: number | null
  readonly lastAccess: object | null
}
type Planned = {
  readonly type: string
  readonly summary: string
  readonly subjectId: string | null
  readonly data: object
}
type Tried = {
  readonly __typename: string
  readonly code?: string
  readonly planned: readonly Planned[]
  readonly plannedCount: number
  readonly stops: readonly Stop[]
  readonly stopCount: number
}

async function trial(mutation: string, input: object, credential = app.rootKey) {
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`
  const { data, errors } = await app.execute<Record<string, Tried>, object>(
    `mutation ($input: ${type}Input!) { ${mutation}(input: $input, dryRun: true) { ${PLAN} } }`,
    { input },
    { credential },
  )
  return {
    told: data?.[mutation] as Tried,
    errors: errors.map(({ path, extensions }) => [path?.at(-1), extensions?.code]),
  }
}

async function verify(key: string) {
  await app.ask('query ($key: String!) { verifyKey(input: { key: $key }) { code } }', { key })
}

test('tells what would happen, what would stop, and who used it last', async () => {
  const { keyId, codeId, secret } = await app.createKey(keyspaceId, { name: 'nightly export' })
  await verify(secret)
  await verify(secret)
  await app.app.services.uses.flush()
  await app.ask(`mutation ($input: RecordAccessInput!) { recordAccess(input: $input) { __typename } }`, {
    input: {
      entries: [{ keyId, codeId, at: app.clock.now(), verdict: 'VALID', clientIp: '192.0.2.7', userAgent: 'curl' }],
    },
  })
  const { told, errors } = await trial('rotateKey', { keyId })
  expect(errors).toEqual([])
  expect(told).toMatchObject({ __typename: 'DryRun', plannedCount: 1, stopCount: 1 })
  expect(told.planned).toMatchObject([
    {
      type: 'key.rotated',
      schemaVersion: 1,
      subjectId: keyId,
      subject: { id: keyId },
      subjectVersion: 3,
      follows: false,
    },
  ])
  expect(told.planned[0]?.summary).toMatch(/^root rotated .*nightly export/)
  expect(told.stops).toEqual([
    {
      extent: 'ALL',
      stopsAt: app.clock.now(),
      accessCode: { id: codeId, key: { name: 'nightly export' } },
      link: null,
      lastUsedAt: app.clock.now(),
      usesLastWeek: 2,
      lastAccess: { clientIp: '192.0.2.7', userAgent: 'curl' },
    },
  ])
})

test('tells of ends that are yet to come when they are and who would be met by them', async () => {
  const { keyId, codeId, secret } = await app.createKey(keyspaceId)
  await verify(secret)
  await app.app.services.uses.flush()
  const soon = plusMs(app.clock.now(), 3_600_000)
  const used = { usesLastWeek: 1, lastUsedAt: app.clock.now() }
  const stop = { extent: 'ALL', stopsAt: soon, accessCode: { id: codeId }, ...used }
  const overlap = await trial('rotateKey', { keyId, overlapSeconds: 3_600 })
  expect(overlap.told).toMatchObject({ stops: [stop], stopCount: 1 })
  const expiry = await trial('updateKey', { keyId, expiresAt: soon })
  expect(expiry.told).toMatchObject({ stops: [stop], stopCount: 1 })
  await app.ask(`mutation ($input: UpdateKeyInput!) { updateKey(input: $input) { __typename } }`, {
    input: { keyId, expiresAt: soon },
  })
  const postponed = await trial('updateKey', { keyId, expiresAt: plusMs(soon, 1) })
  expect(postponed.told).toMatchObject({ stops: [], stopCount: 0, plannedCount: 1 })
})

test('tells nothing of what would only be made', async () => {
  const { keyId } = await app.createKey(keyspaceId)
  const { told } = await trial('rotateKey', { keyId, overlapSeconds: 60, description: 'next' })
  expect(told.planned[0]?.data).toEqual({
    retiredCodeId: expect.any(String),
    overlapEndsAt: expect.any(String),
    replacement: { slot: 'PRIMARY', description: 'next', expiresAt: null },
  })
  const defaults = await app.createKeyspace(accountId, { secretDisplay: 'REVEALABLE', defaultKeys: true })
  const userId = await app.addUser(accountId)
  const { user } = await app.ask<{ user: { defaultKey: { id: string } } }, object>(
    'query ($userId: ID!, $defaults: ID!) { user(id: $userId) { defaultKey(keyspaceId: $defaults) { id } } }',
    { userId, defaults },
  )
  const ended = await trial('revokeKey', { keyId: user.defaultKey.id })
  expect(ended.told.planned.map(({ type, subjectId }) => [type, subjectId])).toEqual([
    ['key.revoked', user.defaultKey.id],
    ['key.created', null],
    ['code.issued', null],
  ])
  // Hints and digests as little as secrets: what is made for a plan is thrown away with it.
  expect(JSON.stringify(ended.told.planned)).not.toMatch(/key_[A-Za-z0-9]{10}…|digest|hint|secretId|codeId/)
})

test('writes nothing, whoever asks, and an idempotency key is still good for the real one', async () => {
  const { keyId } = await app.createKey(keyspaceId)
  await app.app.services.uses.flush()
  const before = await checksums(app.database.owner)
  const input = { keyId, idempotencyKey: 'once' }
  expect((await trial('disableKey', input)).told.plannedCount).toBe(1)
  expect((await trial('disableKey', input)).told.plannedCount).toBe(1)
  expect(await checksums(app.database.owner)).toEqual(before)
  const { disableKey } = await app.ask<{ disableKey: { events: object[] } }, object>(
    'mutation ($input: DisableKeyInput!) { disableKey(input: $input) { ... on DisableKeySuccess { events { type } } } }',
    { input },
  )
  expect(disableKey.events).toEqual([{ type: 'key.disabled' }])
  expect((await trial('disableKey', input)).told.plannedCount).toBe(0)
})

describe('who may only', () => {
  const policy = async () => {
    const policyId = await app.createPolicy(accountId, { permissions: ['ads.read'] })
    const { codeId } = await app.createKey(keyspaceId, { policyIds: [policyId] })
    const linkId = await app.linkKey(accountId, (await app.createForeignKey()).keyId, { policyIds: [policyId] })
    return { policyId, codeId, linkId }
  }
  const withPermissions = (...permissions: string[]) => app.createCredential(accountId, permissions)
  const namesOf = ({ stops }: Tried) => stops.map(({ accessCode, link }) => accessCode?.id ?? link?.id)

  test('write policies is told how many codes and links would stop, and which with the right to read them', async () => {
    const { policyId, codeId, linkId } = await policy()
    const input = { policyId, permissions: [] }
    const told = async (...permissions: string[]) =>
      (await trial('updatePolicy', input, await withPermissions('policies.write', ...permissions))).told
    expect(await told()).toMatchObject({ stops: [], stopCount: 2, plannedCount: 1 })
    expect(namesOf(await told('keys.read'))).toEqual([codeId])
    expect(namesOf(await told('accounts.read'))).toEqual([linkId])
    expect(namesOf(await told('accounts.read', 'keys.read'))).toEqual([codeId, linkId])
  })

  test('write keys is told of the very key, and of the access log only with the right to it', async () => {
    const { keyId, codeId } = await app.createKey(keyspaceId)
    const credential = await withPermissions('keys.write')
    const { told, errors } = await trial('revokeKey', { keyId }, credential)
    expect(told.stops).toMatchObject([{ accessCode: { id: codeId }, lastAccess: null }])
    expect(errors.toSorted()).toEqual([
      ['lastAccess', 'FORBIDDEN'],
      ['subject', 'FORBIDDEN'],
    ])
  })

  test('write keyspaces is told how much would follow, and what with the right to read history', async () => {
    const other = await app.createAccount()
    await app.addUser(other.accountId)
    const plain = await app.createKeyspace(other.accountId, { secretDisplay: 'REVEALABLE' })
    const input = { keyspaceId: plain, rules: { defaultKeys: true } }
    const types = async (...permissions: string[]) => {
      const credential = await app.createCredential(other.accountId, ['keyspaces.write', ...permissions])
      const { told } = await trial('updateKeyspace', input, credential)
      expect(told.plannedCount).toBe(3)
      return told.planned.map(({ type }) => type)
    }
    expect(await types()).toEqual(['keyspace.updated'])
    expect(await types('events.read')).toEqual(['keyspace.updated', 'key.created', 'code.issued'])
  })

  test('manage their own keys is told of these alone', async () => {
    const externalId = 'max@example.org'
    const ownerId = await app.addUser(accountId, { externalId, role: 'MEMBER', permissions: ['*'] })
    const { secret } = await app.createKey(managementKeyspaceId, { permissions: ['*'], actsAs: externalId })
    const own = await app.createKey(keyspaceId, { ownerId })
    const { told } = await trial('deleteKey', { keyId: own.keyId }, secret)
    expect(namesOf(told)).toEqual([own.codeId])
    expect(told.planned.map(({ type }) => type)).toEqual(['key.revoked', 'key.deleted'])
    const others = await app.createKey(keyspaceId)
    expect((await trial('deleteKey', { keyId: others.keyId }, secret)).told.code).toBe('NOT_FOUND')
    expect((await trial('updatePolicy', { policyId: 'x' }, secret)).errors).toEqual([['updatePolicy', 'FORBIDDEN']])
  })

  test('read is told of rights beyond their own; who may do it is refused what they would be', async () => {
    const policyId = await app.createPolicy(accountId, { permissions: ['keys.*'] })
    const { codeId } = await app.createKey(managementKeyspaceId, { permissions: ['*'], policyIds: [policyId] })
    const userId = await app.addUser(accountId, { role: 'ADMINISTRATOR' })
    const reader = await withPermissions('accounts.read', 'keys.read', 'events.read')
    const less = { policyId, permissions: [] }
    const { told } = await trial('updatePolicy', less, reader)
    // All of it goes by the key's own permission, too.
    expect(told).toMatchObject({ __typename: 'DryRun', plannedCount: 1, stops: [] })
    const own = await app.createKey(managementKeyspaceId, { policyIds: [policyId] })
    expect(namesOf((await trial('updatePolicy', less, reader)).told)).toEqual([own.codeId])
    expect(namesOf((await trial('updatePolicy', less, reader)).told)).not.toContain(codeId)
    const demoted = await trial('updateUser', { userId, role: 'MEMBER' }, reader)
    expect(demoted.told).toMatchObject({ __typename: 'DryRun', planned: [{ type: 'user.updated' }] })

    const writer = await withPermissions('policies.write', 'accounts.read', 'keys.read', 'events.read')
    expect((await trial('updatePolicy', less, writer)).told.code).toBe('GRANT_EXCEEDS_CALLER')
    const { data } = await app.execute<{ updatePolicy: { code?: string } }, object>(
      'mutation ($input: UpdatePolicyInput!) { updatePolicy(input: $input) { ... on Error { code } } }',
      { input: less },
      { credential: writer },
    )
    expect(data?.updatePolicy.code).toBe('GRANT_EXCEEDS_CALLER')
  })

  test('read everything may ask for everything, and do none of it', async () => {
    const externalId = 'auditor@example.org'
    await app.addUser(accountId, { externalId, role: 'AUDITOR' })
    const { secret } = await app.createKey(managementKeyspaceId, { permissions: ['*'], actsAs: externalId })
    const { policyId, codeId, linkId } = await policy()
    const { told, errors } = await trial('updatePolicy', { policyId, permissions: [] }, secret)
    expect([namesOf(told), errors]).toEqual([[codeId, linkId], []])
    for (const extra of ['', ', dryRun: false']) {
      const { data, errors: refused } = await app.execute(
        `mutation { updatePolicy(input: { policyId: "${policyId}" }${extra}) { __typename } }`,
        {},
        { credential: secret },
      )
      expect([data, refused[0]?.extensions?.code]).toEqual([null, 'FORBIDDEN'])
    }
  })
})
