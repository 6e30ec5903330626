// What a leaked code could reach: what it carried and when, where it was let in, how it was used, and what was done by it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CodeExposureDocument, type CodeExposureQueryVariables, EventDocument } from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'

const app = await startTestApp()
afterAll(() => app.close())

let accountId: string
let managementKeyspaceId: string
let keyspaceId: string
let reviewer: string
beforeAll(async () => {
  const account = await app.createAccount('Leaking')
  accountId = account.accountId
  managementKeyspaceId = account.managementKeyspaceId
  keyspaceId = await app.createKeyspace(accountId)
  reviewer = await app.createCredential(accountId, ['events.read', 'keys.read'])
})

/** Done a second after what was done before, and answers the instant at which. */
async function later(mutation: string, input: object, credential = app.rootKey): Promise<string> {
  app.clock.advance(1_000)
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`
  const document = `mutation ($input: ${type}Input!) { ${mutation}(input: $input) { __typename ... on Error { code message } } }`
  const answer = await app.ask<Record<string, object>, object>(document, { input }, { credential })
  expect(answer).toEqual({ [mutation]: { __typename: `${type}Success` } })
  return app.clock.now()
}

const plus = (instant: string, ms: number) => new Date(Date.parse(instant) + ms).toISOString()

async function exposure(variables: CodeExposureQueryVariables, credential = reviewer) {
  return (await app.ask(CodeExposureDocument, variables, { credential })).codeExposure
}

async function grantsOf(variables: CodeExposureQueryVariables) {
  const { grants = [] } = (await exposure(variables)) ?? {}
  return grants.map(({ permissions, from, until }) => [permissions.join(' '), from, until])
}

describe('what a code carried', () => {
  test('is told with its intervals: of the key, of each policy as it was, and only while the code was good', async () => {
    const rule = { methods: ['GET'], path: '/ads/*' }
    const policyId = await app.createPolicy(accountId, { permissions: ['ads.read'], endpoints: [rule] })
    const { keyId, codeId } = await app.createKey(keyspaceId, { permissions: ['direct'], policyIds: [policyId] })
    const issued = app.clock.now()
    const widened = await later('updatePolicy', { policyId, permissions: ['ads.*'] })
    const disabled = await later('disableCode', { codeId })
    const enabled = await later('enableCode', { codeId })
    const stripped = await later('updateKey', { keyId, permissions: [], policyIds: [policyId] })
    const rotated = await later('rotateKey', { keyId, overlapSeconds: 60 })
    const overlapEnd = plus(rotated, 60_000)
    app.clock.advance(300_000)
    await later('updateKey', { keyId, permissions: ['never.carried'] })

    const told = await exposure({ codeId })
    expect(told?.grants).toEqual([
      { permissions: ['direct'], endpoints: [], policyId: null, from: issued, until: disabled },
      { permissions: ['ads.read'], endpoints: [rule], policyId, from: issued, until: widened },
      { permissions: ['ads.*'], endpoints: [rule], policyId, from: widened, until: disabled },
      { permissions: ['direct'], endpoints: [], policyId: null, from: enabled, until: stripped },
      { permissions: ['ads.*'], endpoints: [rule], policyId, from: enabled, until: overlapEnd },
    ])
    expect(told).toMatchObject({ since: issued, until: app.clock.now(), code: { id: codeId, status: 'REPLACED' } })

    // Of a part of the time only what was carried in it, cut to it.
    const [since, until] = [plus(widened, 200), plus(widened, 700)]
    expect(await grantsOf({ codeId, since, until })).toEqual([
      ['direct', since, until],
      ['ads.*', since, until],
    ])
    expect(await grantsOf({ codeId, since: disabled, until: enabled })).toEqual([])
    expect(await grantsOf({ codeId, since: overlapEnd })).toEqual([])
    expect(await grantsOf({ codeId, since: plus(overlapEnd, -1) })).toEqual([
      ['ads.*', plus(overlapEnd, -1), overlapEnd],
    ])
  })

  test('ends with its expiry, its revocation and the removal of whom it acts as, and is bounded by what they may', async () => {
    const expiresAt = plus(app.clock.now(), 60_000)
    const ending = await app.createKey(keyspaceId, { permissions: ['a'], codes: [{ expiresAt }] })
    const [userId, externalId] = [await app.addUser(accountId, { externalId: 'eve', permissions: ['a', 'b'] }), 'eve']
    const acting = await app.createKey(keyspaceId, { permissions: ['*'], actsAs: externalId })
    const revoked = await app.createKey(keyspaceId, { permissions: ['a'] })
    const from = app.clock.now()
    const limited = await later('updateUser', { userId, permissions: ['a'] })
    const gone = await later('removeUser', { userId })
    const ended = await later('revokeKey', { keyId: revoked.keyId })
    app.clock.advance(120_000)
    expect(await grantsOf({ codeId: ending.codeId })).toEqual([['a', from, expiresAt]])
    expect(await grantsOf({ codeId: revoked.codeId })).toEqual([['a', from, ended]])
    expect(await grantsOf({ codeId: acting.codeId })).toEqual([
      ['a b', from, limited],
      ['a', limited, gone],
    ])
  })

  test('is what policies that its key was given later granted, and rules that open by themselves', async () => {
    const { keyId, codeId } = await app.createKey(keyspaceId)
    const rule = { methods: ['GET'], path: '/open/*' }
    const policyIds = [
      await app.createPolicy(accountId, { permissions: ['late'] }),
      await app.createPolicy(accountId, { permissions: [], endpoints: [rule] }),
    ]
    const given = await later('updateKey', { keyId, policyIds })
    const taken = await later('updateKey', { keyId, policyIds: [] })
    expect((await exposure({ codeId }))?.grants).toEqual([
      { permissions: ['late'], endpoints: [], policyId: policyIds[0], from: given, until: taken },
      { permissions: [], endpoints: [rule], policyId: policyIds[1], from: given, until: taken },
    ])
  })

  test('is what was frozen with its key, whatever became of the policy', async () => {
    const frozen = await app.createKeyspace(accountId, { authorizations: 'FROZEN' })
    const policyId = await app.createPolicy(accountId, { permissions: ['kept'] })
    const { codeId } = await app.createKey(frozen, { policyIds: [policyId] })
    const from = app.clock.now()
    await later('updatePolicy', { policyId, permissions: ['other'] })
    app.clock.advance(1_000)
    expect(await grantsOf({ codeId })).toEqual([['kept', from, app.clock.now()]])
  })
})

describe('what was done with a code', () => {
  test('is how often it was used each day, when last, and the events whose actor it was', async () => {
    const { keyId, codeId, secret } = await app.createKey(managementKeyspaceId, { permissions: ['*'] })
    const since = app.clock.now()
    const policyId = await app.createPolicy(accountId)
    await later('updatePolicy', { policyId, description: 'by the leaked one' }, secret)
    const until = plus(await later('updatePolicy', { policyId, description: 'again' }, secret), 1)
    await later('updatePolicy', { policyId, description: 'by root' })
    await later('updatePolicy', { policyId, description: 'too late' }, secret)
    await app.app.services.uses.flush()
    const told = await exposure({ codeId, since, until, first: 1 })
    expect(told?.actions).toMatchObject({ totalCount: 2, nodes: [{}], pageInfo: { hasNextPage: true } })
    const after = told?.actions.pageInfo.endCursor ?? null
    const next = await exposure({ codeId, since, until, after })
    expect(next?.actions.nodes).toHaveLength(1)
    const day = since.slice(0, 10)
    expect(told?.uses.map((one) => one.day)).toContain(day)
    expect(told?.uses.reduce((sum, { uses }) => sum + uses, 0)).toBeGreaterThanOrEqual(3)
    expect(told?.lastUsedAt).not.toBeNull()
    const long = '2020-01-01T00:00:00.000Z'
    const before = await exposure({ codeId, since: long, until: plus(since, -2 * 86_400_000) })
    expect(before).toMatchObject({ uses: [], grants: [], actions: { totalCount: 0 } })
    expect(keyId).not.toBe('')
  })

  test('and what was done by it in the name of whom its key acts as, and not by another code', async () => {
    const userId = await app.addUser(accountId, { externalId: 'gwen', role: 'ADMINISTRATOR' })
    const key = { permissions: ['*'], actsAs: 'gwen' }
    const { keyId, codeId, secret } = await app.createKey(managementKeyspaceId, key)
    const other = await app.createKey(managementKeyspaceId, key)
    const policyId = await app.createPolicy(accountId)
    await later('updatePolicy', { policyId, description: 'by the leaked one' }, secret)
    await later('updatePolicy', { policyId, description: 'by another key' }, other.secret)
    const issue = `mutation ($input: IssueCodeInput!) { issueCode(input: $input) {
      ... on IssueCodeSuccess { issued { secret accessCode { id } } } } }`
    type Issued = { issueCode: { issued: { secret: string; accessCode: { id: string } } } }
    const second = (await app.ask<Issued, object>(issue, { input: { keyId } })).issueCode.issued
    await later('updatePolicy', { policyId, description: 'by its other code' }, second.secret)
    app.clock.advance(1_000)

    const done = async (of: string) => (await exposure({ codeId: of, first: 10 }))?.actions.nodes ?? []
    const [one, ...others] = await done(codeId)
    expect(one).toMatchObject({ actor: { kind: 'USER', actorId: userId }, summary: expect.stringContaining('policy') })
    expect(others).toEqual([])
    const { event } = await app.ask(EventDocument, { eventId: one?.id ?? '' }, { credential: reviewer })
    expect(event?.data).toEqual({ description: 'by the leaked one' })
    expect(event?.credential).toEqual({ keyId, codeId })
    expect(await done(second.accessCode.id)).toHaveLength(1)
    expect(await done(other.codeId)).toHaveLength(1)
  })

  test('and where its key was linked, which is told to root alone', async () => {
    const { keyId, codeId } = await app.createKey(keyspaceId)
    const since = app.clock.now()
    const other = await app.createAccount('Linking')
    const linkId = await app.linkKey(other.accountId, keyId)
    const unlinkedAt = await later('unlinkKey', { linkId })
    const again = await app.linkKey(other.accountId, keyId)
    app.clock.advance(1_000)
    const links = [
      { linkId, accountId: other.accountId, keyspaceId: null, linkedAt: since, unlinkedAt },
      { linkId: again, accountId: other.accountId, keyspaceId: null, linkedAt: unlinkedAt, unlinkedAt: null },
    ]
    expect((await exposure({ codeId }, app.rootKey))?.links).toEqual(links)
    expect((await exposure({ codeId, until: unlinkedAt }, app.rootKey))?.links).toEqual(links.slice(0, 1))
    expect((await exposure({ codeId }))?.links).toEqual([])
  })
})

describe('who asks', () => {
  test('in the name of another account is told nothing', async () => {
    const { codeId } = await app.createKey(keyspaceId)
    const other = await app.createAccount('Other')
    const stranger = await app.createCredential(other.accountId, ['*'])
    expect(await exposure({ codeId }, stranger)).toBeNull()
    expect(await exposure({ codeId: 'nothing' }, stranger)).toBeNull()
  })

  test('takes both rights', async () => {
    const { codeId } = await app.createKey(keyspaceId)
    for (const permission of ['events.read', 'keys.read']) {
      const credential = await app.createCredential(accountId, [permission])
      const { errors } = await app.execute(CodeExposureDocument, { codeId }, { credential })
      expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    }
  })

  test('about the future, or a time that ends before it begins, is told which argument is wrong', async () => {
    const { codeId } = await app.createKey(keyspaceId)
    const now = app.clock.now()
    for (const [variables, path] of [
      [{ until: plus(now, 1) }, ['until']],
      [{ since: now, until: plus(now, -1) }, ['since']],
    ] as const) {
      const { errors } = await app.execute(CodeExposureDocument, { codeId, ...variables }, { credential: reviewer })
      expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', issues: [{ path }] } }])
    }
  })
})
