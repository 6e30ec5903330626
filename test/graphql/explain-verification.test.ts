// Why a key was let in, or was not, at any moment: the verdict of then, what it hung on, and what would change it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ExplainVerificationDocument, type ExplainVerificationInput } from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'
import { createTestClock } from '#test/support/clock.ts'
import { explaining, plus } from '#test/support/explaining.ts'
import { statementsOf } from '#test/support/statements.ts'

const app = await startTestApp()
afterAll(() => app.close())

let accountId: string
let keyspaceId: string
let reviewer: string
beforeAll(async () => {
  accountId = (await app.createAccount('Reviewed')).accountId
  keyspaceId = await app.createKeyspace(accountId)
  reviewer = await app.createCredential(accountId, ['events.read'])
})

const { later, explain, codeOf, why } = explaining(app, () => reviewer)

test('what can be no id of a code is answered like a code that is not there', async () => {
  for (const codeId of ['\0', '', 'nothing', keyspaceId]) expect(await codeOf({ codeId })).toBe('NOT_FOUND')
})

describe('at each moment of its life a key', () => {
  test('is explained by the verdict of then and the events that made it so', async () => {
    const { keyId, codeId, secret } = await app.createKey(keyspaceId, { permissions: ['ads.read'] })
    const created = app.clock.now()
    const disabled = await later('disableKey', { keyId })
    const enabled = await later('enableKey', { keyId })
    const rotated = await later('rotateKey', { keyId, overlapSeconds: 60 })
    const overlapEnd = plus(rotated, 60_000)
    app.clock.advance(120_000)
    const revoked = await later('revokeKey', { keyId })
    const deleted = await later('deleteKey', { keyId })
    const ask = (at: string) => why({ key: secret, keyspaceId, permission: 'ads.read', at })

    expect(await ask(plus(created, -1))).toEqual(['NOT_FOUND', [], [null]])
    expect(await ask(created)).toEqual(['VALID', ['key.created', 'code.issued'], []])
    expect(await ask(disabled)).toEqual(['DISABLED', ['key.disabled'], ['enableKey']])
    expect(await ask(enabled)).toEqual(['VALID', ['key.created', 'code.issued', 'key.enabled'], []])
    expect(await ask(rotated)).toEqual(['VALID', ['key.created', 'code.issued', 'key.enabled', 'key.rotated'], []])
    expect((await ask(plus(overlapEnd, -1)))[0]).toBe('VALID')
    expect(await ask(overlapEnd)).toEqual(['REPLACED', ['key.rotated'], [null, 'rotateKey']])
    expect(await ask(revoked)).toEqual(['REVOKED', ['key.revoked'], ['createKey']])
    expect(await ask(deleted)).toEqual(['REVOKED', ['key.revoked', 'key.deleted'], ['createKey']])

    const { verdict, facts } = await explain({ codeId, permission: 'ads.read', at: created })
    expect(verdict).toMatchObject({ code: 'VALID', keyId, codeId, keyspaceId, accountId, permissions: ['ads.read'] })
    expect(facts.map(({ name, value }) => [name, value])).toEqual([
      ['key', 'ACTIVE'],
      ['code', 'VALID'],
      ['keyExpiresAt', 'never'],
      ['codeExpiresAt', 'never'],
      ['upstreamUserRequired', 'false'],
      ['permissions', 'ads.read'],
      ['asked', 'a permission: granted'],
      ['upstreamUser', 'none'],
      ['judgedAt', created],
    ])
    expect(facts.find(({ name }) => name === 'permissions')).toMatchObject({
      subjectId: keyId,
      event: { id: expect.stringMatching(/^evt_/) },
    })
  })

  test('expires exactly at its expiry, and its code at its own', async () => {
    const [codeEnd, keyEnd] = [plus(app.clock.now(), 60_000), plus(app.clock.now(), 120_000)]
    const { keyId, codeId } = await app.createKey(keyspaceId, { codes: [{ expiresAt: codeEnd }], expiresAt: keyEnd })
    const { codeId: other } = await app.createKey(keyspaceId, { expiresAt: keyEnd })
    app.clock.advance(120_000)
    await later('updateKey', { keyId, expiresAt: plus(keyEnd, 60_000) })
    expect(await codeOf({ codeId, at: plus(codeEnd, -1) })).toBe('VALID')
    expect(await why({ codeId, at: codeEnd })).toEqual(['EXPIRED', ['code.issued'], ['rotateKey']])
    expect(await codeOf({ codeId: other, at: plus(keyEnd, -1) })).toBe('VALID')
    expect(await why({ codeId: other, at: keyEnd })).toEqual(['EXPIRED', ['key.created'], ['updateKey']])
  })
})

describe('what is gone today is told of the time before', () => {
  test('a code that was deleted', async () => {
    const { codeId } = await app.createKey(keyspaceId)
    const before = app.clock.now()
    const disabled = await later('disableCode', { codeId })
    const deleted = await later('deleteCode', { codeId })
    expect(await why({ codeId, at: before })).toEqual(['VALID', ['key.created', 'code.issued'], []])
    expect(await why({ codeId, at: disabled })).toEqual(['DISABLED', ['code.disabled'], ['enableCode']])
    expect(await why({ codeId, at: deleted })).toEqual(['REVOKED', ['code.deleted'], ['issueCode']])
  })

  test('a policy that was changed and deleted', async () => {
    const rule = { methods: ['GET'], path: '/ads/*' }
    const policyId = await app.createPolicy(accountId, { permissions: ['ads.read'], endpoints: [rule] })
    const { keyId, secret } = await app.createKey(keyspaceId, { policyIds: [policyId] })
    const before = app.clock.now()
    const narrowed = await later('updatePolicy', { policyId, permissions: ['ads.list'] })
    await later('revokeKey', { keyId })
    await later('deletePolicy', { policyId })
    const endpoint = { method: 'GET', path: '/ads/7' }
    const asked = { key: secret, permission: 'ads.read', endpoint }
    const granted = await explain({ ...asked, at: before })
    expect(granted.verdict.code).toBe('VALID')
    expect(granted.facts.find(({ name }) => name === 'policy')).toMatchObject({
      subjectId: policyId,
      value: expect.stringContaining('ads.read, at GET /ads/*'),
    })
    expect(await why({ ...asked, at: narrowed })).toEqual([
      'INSUFFICIENT_PERMISSIONS',
      ['policy.updated'],
      ['updateKey', 'updatePolicy'],
    ])
    const unsaid = await why({ key: secret, permission: 'ads.read', at: before })
    expect(unsaid).toMatchObject(['INSUFFICIENT_PERMISSIONS', expect.anything(), [null, 'updateKey', 'updatePolicy']])
  })

  test('a user who could do less, and was removed', async () => {
    const actsAs = 'gone@example.org'
    const userId = await app.addUser(accountId, { externalId: actsAs, permissions: ['ads.*'] })
    const { secret } = await app.createKey(keyspaceId, { actsAs, permissions: ['*'] })
    const before = app.clock.now()
    const limited = await later('updateUser', { userId, permissions: ['reports.read'] })
    const removed = await later('removeUser', { userId })
    const asked = { key: secret, permission: 'ads.read' }
    expect((await explain({ ...asked, at: before })).verdict).toMatchObject({ code: 'VALID', actsAs })
    expect(await why({ ...asked, at: limited })).toEqual(['INSUFFICIENT_PERMISSIONS', ['user.updated'], ['updateUser']])
    expect((await explain({ ...asked, at: removed })).decidedBy.at(-1)?.type).toMatch(/^(user.removed|key.revoked)$/)
    await later('eraseUser', { userId })
    // Nothing would mean that it acts as nobody.
    expect((await explain({ ...asked, at: before })).verdict).toMatchObject({ code: 'VALID', actsAs: '(erased)' })
  })

  test('a keyspace that wanted a user beside the key', async () => {
    const strict = await app.createKeyspace(accountId)
    const { secret } = await app.createKey(strict)
    const before = app.clock.now()
    const wanted = await later('updateKeyspace', { keyspaceId: strict, rules: { upstreamUserRequired: true } })
    await later('updateKeyspace', { keyspaceId: strict, rules: { upstreamUserRequired: false } })
    expect(await codeOf({ key: secret, at: before })).toBe('VALID')
    expect(await why({ key: secret, at: wanted })).toEqual([
      'UPSTREAM_USER_REQUIRED',
      ['keyspace.updated'],
      [null, 'updateKeyspace'],
    ])
    expect(await codeOf({ key: secret, at: wanted, upstreamUser: 'ann' })).toBe('VALID')
  })

  test('what was frozen with a key', async () => {
    const frozen = await app.createKeyspace(accountId, { authorizations: 'FROZEN' })
    const policyId = await app.createPolicy(accountId, { permissions: ['ads.read'] })
    const { secret } = await app.createKey(frozen, { policyIds: [policyId] })
    const changed = await later('updatePolicy', { policyId, permissions: ['other'] })
    expect(await codeOf({ key: secret, permission: 'ads.read', at: changed })).toBe('VALID')
    expect(await why({ key: secret, permission: 'other', at: changed })).toEqual([
      'INSUFFICIENT_PERMISSIONS',
      ['key.created'],
      ['createKey'],
    ])
  })
})

describe('a key of another account', () => {
  test('is explained through the link that let it in, also when that has ended, and nothing is told of its own account', async () => {
    const lent = await app.createForeignKey({ name: 'lent', permissions: ['their.own'] })
    const before = app.clock.now()
    app.clock.advance(1_000)
    const policyId = await app.createPolicy(accountId, { permissions: ['ads.read'] })
    const linkId = await app.linkKey(accountId, lent.keyId, { policyIds: [policyId], keyspaceId })
    const linked = app.clock.now()
    const disabled = await later('disableKey', { keyId: lent.keyId })
    await later('enableKey', { keyId: lent.keyId })
    const unlinked = await later('unlinkKey', { linkId })
    const asked = { key: lent.secret, keyspaceId, permission: 'ads.read' }

    expect(await why({ ...asked, at: before })).toEqual(['NOT_FOUND', [], [null, 'linkKey']])
    const { verdict, facts, decidedBy } = await explain({ ...asked, at: linked })
    expect(verdict).toMatchObject({ code: 'VALID', linkId, accountId, keyId: lent.keyId, codeId: null, owner: null })
    expect(decidedBy.map(({ type }) => type)).toEqual(['policy.created', 'key.linked'])
    expect(facts.map(({ name }) => name)).toEqual([
      ...['key', 'link', 'upstreamUserRequired', 'policy', 'asked', 'upstreamUser', 'judgedAt'],
    ])
    expect(JSON.stringify(facts)).not.toContain('their.own')
    expect(await why({ ...asked, at: disabled })).toEqual(['DISABLED', [], ['enableKey']])
    expect(await why({ ...asked, at: unlinked })).toEqual(['NOT_FOUND', ['key.linked', 'key.unlinked'], ['linkKey']])
    const ended = await explain({ ...asked, at: unlinked })
    expect(ended.facts).toEqual([
      {
        name: 'link',
        value: `into ${keyspaceId}, ended`,
        subjectId: linkId,
        event: { id: ended.decidedBy.at(-1)?.id },
      },
    ])
    expect(ended.verdict).toMatchObject({ keyId: null, name: null, accountId: null, linkId: null })
    expect(JSON.stringify(ended)).not.toContain(lent.keyId)
    expect(await why({ ...asked, at: linked, permission: 'their.own' })).toMatchObject([
      'INSUFFICIENT_PERMISSIONS',
      ['policy.created', 'key.linked'],
      ['updateLink', 'updatePolicy'],
    ])
    // Codes are their own account's.
    expect(await why({ codeId: lent.codeId, keyspaceId, at: linked })).toEqual(['NOT_FOUND', [], [null]])
    expect(await why({ codeId: lent.codeId, accountId, at: linked, permission: 'ads.read' }, app.rootKey)).toEqual([
      'VALID',
      ['policy.created', 'key.linked'],
      [],
    ])
  })

  test('is not found where it is not linked, exactly like what does not exist', async () => {
    const foreign = await app.createForeignKey()
    const unknown = `${foreign.secret.slice(0, -10)}0000000000`
    const at = app.clock.now()
    const codeNone = `${foreign.codeId.slice(0, -5)}00000`
    const told = await explain({ key: foreign.secret, at })
    expect(told).toMatchObject({ verdict: { code: 'NOT_FOUND' }, facts: [], decidedBy: [] })
    expect(await explain({ codeId: foreign.codeId, at })).toEqual(await explain({ codeId: codeNone, at }))
    expect((await explain({ key: unknown, at })).verdict.code).toBe('MALFORMED')
    expect(await explain({ key: 'an-own-secret-of-nobody', at })).toEqual(told)
    const theirs = (await app.createAccount()).accountId
    expect((await explain({ key: foreign.secret, accountId: theirs, at })).verdict.code).toBe('NOT_FOUND')
  })

  test('costs what one costs that does not exist', async () => {
    const foreign = await app.createForeignKey()
    const at = app.clock.now()
    const asks = (input: ExplainVerificationInput) => statementsOf(() => explain(input))
    const texts = async (input: ExplainVerificationInput) => (await asks(input)).map(({ text }) => text)
    const none = { key: 'an-own-secret-of-nobody', at }
    await texts(none)
    expect(await texts({ key: foreign.secret, at })).toEqual(await texts(none))
    const codeNone = `${foreign.codeId.slice(0, -5)}00000`
    expect(await texts({ codeId: foreign.codeId, at })).toEqual(await texts({ codeId: codeNone, at }))
  })

  test('of the own account, asked about elsewhere, is said to be of its keyspace', async () => {
    const { secret } = await app.createKey(keyspaceId)
    const other = await app.createKeyspace(accountId)
    const { verdict, facts, remedies } = await explain({ key: secret, keyspaceId: other })
    expect(verdict).toMatchObject({ code: 'NOT_FOUND', keyId: null })
    expect(facts).toMatchObject([{ name: 'keyspace', value: `the key is one of ${keyspaceId}` }])
    expect(remedies).toEqual([{ steps: [{ operation: null, message: expect.stringContaining(keyspaceId) }] }])
  })
})

describe('what is asked', () => {
  test('is a key or a code, a moment that has been, and a position that there is', async () => {
    const { codeId } = await app.createKey(keyspaceId)
    const issues = async (input: ExplainVerificationInput) => {
      const { errors } = await app.execute(ExplainVerificationDocument, { input }, { credential: reviewer })
      return errors.map(({ extensions }) => [
        extensions?.code,
        (extensions?.issues as { path: string[] }[] | undefined)?.[0]?.path.join('.'),
      ])
    }
    const at = app.clock.now()
    expect(await issues({})).toEqual([['INVALID_INPUT', 'input']])
    expect(await issues({ codeId, key: 'x' })).toEqual([['INVALID_INPUT', 'input']])
    expect(await issues({ codeId, at: plus(at, 1) })).toEqual([['INVALID_INPUT', 'input.at']])
    expect(await issues({ codeId, position: '1' })).toEqual([['INVALID_INPUT', 'input.position']])
    expect(await issues({ codeId, at, position: '99999' })).toEqual([['INVALID_INPUT', 'input.position']])
    expect(await issues({ codeId, permission: 'a AND' })).toEqual([['INVALID_INPUT', 'input.permission']])
  })

  test('events of one millisecond are told apart by position', async () => {
    const { keyId, codeId, secret } = await app.createKey(keyspaceId)
    const verify = 'query ($key: String!) { verifyKey(input: { key: $key }) { code checkedAt position } }'
    type Answer = { verifyKey: { code: string; checkedAt: string; position: string } }
    const [valid, revoked] = [
      (await app.ask<Answer, object>(verify, { key: secret })).verifyKey,
      await app
        .ask('mutation ($keyId: ID!) { revokeKey(input: { keyId: $keyId }) { __typename } }', { keyId })
        .then(() => app.ask<Answer, object>(verify, { key: secret })),
    ]
    expect(valid.checkedAt).toBe(revoked.verifyKey.checkedAt)
    expect(await codeOf({ codeId, at: valid.checkedAt, position: valid.position })).toBe('VALID')
    expect(await codeOf({ codeId, at: valid.checkedAt, position: revoked.verifyKey.position })).toBe('REVOKED')
    expect(await codeOf({ codeId, at: valid.checkedAt })).toBe('REVOKED')
  })

  test('of now by all that has happened, also where the clock of the instance lags behind', async () => {
    const clock = createTestClock()
    const lagging = await startTestApp({ clock: { ...clock, now: () => plus(clock.now(), -500) } })
    const account = await lagging.createAccount()
    const { keyId, codeId } = await lagging.createKey(await lagging.createKeyspace(account.accountId))
    await lagging.ask('mutation ($keyId: ID!) { revokeKey(input: { keyId: $keyId }) { __typename } }', { keyId })
    const { explainVerification } = await lagging.ask(ExplainVerificationDocument, { input: { codeId } })
    expect(explainVerification).toMatchObject({ code: 'REVOKED', decidedBy: [{ type: 'key.revoked' }] })
    expect(explainVerification.verdict.position).toBe(explainVerification.decidedBy?.[0]?.position)
    await lagging.close()
  })

  test('is never told again, nor counted as a use', async () => {
    const { codeId, secret } = await app.createKey(keyspaceId)
    const endpoint = { method: 'GET', path: `/x?key=${secret}` }
    const told = await explain({ key: secret, endpoint, upstreamUser: secret, permission: 'ads.read' })
    expect(JSON.stringify(told)).not.toContain(secret)
    await app.app.services.uses.flush()
    const { rows } = await app.database.owner.pool.query('SELECT 1 FROM usage.code_use WHERE code_id = $1', [codeId])
    expect(rows).toEqual([])
  })

  test('of a management key, only where its keyspace is named', async () => {
    const { managementKeyspaceId, ...other } = await app.createAccount()
    const credential = await app.createCredential(other.accountId, ['*'])
    expect(await codeOf({ key: credential }, credential)).toBe('NOT_FOUND')
    expect(await codeOf({ key: credential, keyspaceId: managementKeyspaceId }, credential)).toBe('VALID')
  })
})
