// Policies as a client of the API meets them: lists, keys that hold them, verdicts, history.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateKeyDocument,
  CreateKeyspaceDocument,
  CreatePolicyDocument,
  DeletePolicyDocument,
  EventsDocument,
  KeyDocument,
  NodeDocument,
  PoliciesDocument,
  PolicyByNameDocument,
  PolicyDocument,
  UpdateKeyDocument,
  UpdatePolicyDocument,
  VerifyKeyDocument,
} from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'

const app = await startTestApp()
let accountId: string
let keyspaceId: string
beforeAll(async () => {
  accountId = (await app.createAccount()).accountId
  keyspaceId = await app.createKeyspace(accountId)
})
afterAll(() => app.close())

const DETAILS = {
  name: 'Advertising',
  description: 'What advertisers may do',
  permissions: ['ads.read', 'ads.write'],
  endpoints: [{ methods: ['GET', 'POST'], path: '/ads/*' }],
}

async function createPolicy(input: object = {}): Promise<string> {
  return app.createPolicy(accountId, input)
}

describe('a policy', () => {
  test('is created, read, found by its name and in the list, edited and deleted', async () => {
    const { createPolicy: made } = await app.ask(CreatePolicyDocument, { input: { accountId, ...DETAILS } })
    if (made.__typename !== 'CreatePolicySuccess') throw new Error(made.code)
    const policyId = made.policy.id
    expect(made).toMatchObject({
      policy: { ...DETAILS, version: 1 },
      events: [{ summary: expect.stringMatching(/^root created policy Advertising, which grants /) }],
    })

    const read = async () => (await app.ask(PolicyDocument, { policyId })).policy
    expect(await read()).toMatchObject({ id: policyId, account: { id: accountId }, ...DETAILS, deletedAt: null })
    expect((await app.ask(NodeDocument, { id: policyId })).node).toMatchObject({ __typename: 'Policy', id: policyId })
    const named = async (name: string) => (await app.ask(PolicyByNameDocument, { accountId, name })).account?.policy
    expect(await named('Advertising')).toMatchObject({ id: policyId })
    expect(await named('advertising')).toBeNull()
    const listed = async () => (await app.ask(PoliciesDocument, { accountId })).account?.policies
    expect(await listed()).toMatchObject({ nodes: [{ id: policyId }], totalCount: 1 })

    const changes = { name: 'Ads', permissions: ['ads.*'], endpoints: null }
    const { updatePolicy: edited } = await app.ask(UpdatePolicyDocument, { input: { policyId, ...changes } })
    expect(edited).toMatchObject({
      policy: { name: 'Ads', description: DETAILS.description, permissions: ['ads.*'], endpoints: [], version: 2 },
      events: [
        {
          summary: expect.stringMatching(
            /^root renamed policy Advertising to Ads, and changed it: permissions now .*; endpoints changed; keys and links /,
          ),
        },
      ],
    })
    const stale = await app.ask(UpdatePolicyDocument, { input: { policyId, name: 'x', expectedVersion: 1 } })
    expect(stale.updatePolicy).toMatchObject({ __typename: 'ConflictError', actualVersion: 2 })

    const { deletePolicy: gone } = await app.ask(DeletePolicyDocument, { input: { policyId } })
    expect(gone).toMatchObject({ policyId, events: [{ summary: 'root deleted policy Ads for good' }] })
    expect(await listed()).toMatchObject({ nodes: [], totalCount: 0 })
    expect(await named('Ads')).toBeNull()
    expect(await read()).toMatchObject({ name: 'Ads', deletedAt: expect.any(String) })

    const { account } = await app.ask(EventsDocument, { accountId, filter: { subjectId: policyId }, last: 10 })
    expect(account?.events?.nodes.map(({ type }) => type)).toEqual([
      'policy.deleted',
      'policy.updated',
      'policy.created',
    ])
  })

  test('tells where its rules are wrong', async () => {
    const endpoints = [
      { methods: ['GET'], path: '/a' },
      { methods: ['GET'], path: '/a(' },
    ]
    const { createPolicy: refused } = await app.ask(CreatePolicyDocument, {
      input: { accountId, ...DETAILS, endpoints },
    })
    expect(refused).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['endpoints', '1', 'path'] }] })
  })

  test('is listed to those who may read the account only, and written by those with policies.write', async () => {
    const policyId = await createPolicy()
    const weak = await app.createCredential(accountId, ['keys.read'])
    const { data, errors } = await app.execute(PolicyDocument, { policyId }, { credential: weak })
    expect([data?.policy ?? null, errors[0]?.extensions?.code]).toEqual([null, 'FORBIDDEN'])
    const refused = await app.execute(UpdatePolicyDocument, { input: { policyId, name: 'x' } }, { credential: weak })
    expect(refused.errors[0]?.extensions?.code).toBe('FORBIDDEN')
  })
})

describe('a key', () => {
  test('shows its policies and all that it grants, and is found by one', async () => {
    const policyIds = [await createPolicy({ permissions: ['b', 'a'] }), await createPolicy({ permissions: ['c', 'a'] })]
    const { keyId } = await app.createKey(keyspaceId, { policyIds, permissions: ['own'] })
    const read = async () => (await app.ask(KeyDocument, { keyId })).key
    expect(await read()).toMatchObject({
      policies: policyIds.map((id) => ({ id })),
      permissions: ['own'],
      effectivePermissions: ['a', 'b', 'c', 'own'],
      authorizationsFrozen: false,
    })
    const held = 'query ($id: ID!, $filter: KeyFilter) { account(id: $id) { keys(filter: $filter) { nodes { id } } } }'
    expect(await app.ask(held, { id: accountId, filter: { policyId: policyIds[1] } })).toEqual({
      account: { keys: { nodes: [{ id: keyId }] } },
    })
    const { updateKey } = await app.ask(UpdateKeyDocument, { input: { keyId, policyIds: [policyIds[1]!] } })
    expect(updateKey).toMatchObject({
      key: { policies: [{ id: policyIds[1] }], effectivePermissions: ['a', 'c', 'own'] },
      events: [{ summary: expect.stringMatching(/^root changed key .*: policies now /) }],
    })
  })

  test('that is frozen shows what it grants for good, and of its policies what is left', async () => {
    const rules = { authorizations: 'FROZEN', policyRequired: true } as const
    const made = await app.ask(CreateKeyspaceDocument, { input: { accountId, name: 'frozen', rules } })
    if (made.createKeyspace.__typename !== 'CreateKeyspaceSuccess') throw new Error(made.createKeyspace.code)
    expect(made.createKeyspace.keyspace.rules).toMatchObject(rules)
    const frozen = made.createKeyspace.keyspace.id
    const policyIds = [await createPolicy({ permissions: ['a'] }), await createPolicy({ permissions: ['b'] })]
    const without = await app.ask(CreateKeyDocument, { input: { keyspaceId: frozen, name: 'k' } })
    expect(without.createKey).toMatchObject({ code: 'POLICY_REQUIRED' })
    const { keyId } = await app.createKey(frozen, { policyIds })
    await app.ask(UpdatePolicyDocument, { input: { policyId: policyIds[0]!, permissions: ['x'] } })
    await app.ask(DeletePolicyDocument, { input: { policyId: policyIds[1]! } })
    expect((await app.ask(KeyDocument, { keyId })).key).toMatchObject({
      policies: [{ id: policyIds[0] }],
      effectivePermissions: ['a', 'b'],
      authorizationsFrozen: true,
    })
    const edited = await app.ask(UpdateKeyDocument, { input: { keyId, permissions: ['x'] } })
    expect(edited.updateKey).toMatchObject({ code: 'AUTHORIZATIONS_FROZEN' })
  })

  test('is judged where it is used', async () => {
    const policyId = await createPolicy({ permissions: ['ads.read'], endpoints: DETAILS.endpoints })
    const { secret } = await app.createKey(keyspaceId, { policyIds: [policyId] })
    const verdict = async (endpoint: { method: string; path: string } | null, permission: string | null = null) =>
      (await app.ask(VerifyKeyDocument, { input: { key: secret, permission, endpoint } })).verifyKey
    expect(await verdict({ method: 'GET', path: '/ads/7?a=b' })).toMatchObject({
      code: 'VALID',
      permissions: ['ads.read'],
    })
    expect(await verdict({ method: 'GET', path: '/ads/7' }, 'ads.read')).toMatchObject({ code: 'VALID' })
    for (const path of ['/reports', '/ads/../reports', '/ads%2f7', '//ads/7', 'ads/7', `/ads/${'a'.repeat(5_000)}`])
      expect((await verdict({ method: 'GET', path })).code).toBe('INSUFFICIENT_PERMISSIONS')
    expect((await verdict(null, 'ads.read')).code).toBe('INSUFFICIENT_PERMISSIONS')
    expect((await verdict(null)).code).toBe('INSUFFICIENT_PERMISSIONS')
  })
})
