// What is told beside a verdict: the event that is to blame, the one behind each status, and what would really help.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ExplainVerificationDocument, type ExplainVerificationInput } from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'
import { explaining, inShort, plus } from '#test/support/explaining.ts'

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

describe('what took a right away', () => {
  /** The verdict and what decided it, by the instants that mutations answered. */
  async function blamed(input: ExplainVerificationInput) {
    const { code, decidedBy } = await explain(input)
    return [code, ...decidedBy.map(({ type, occurredAt }) => `${type} ${occurredAt.replace(/000Z$/, 'Z')}`)]
  }
  const INSUFFICIENT = 'INSUFFICIENT_PERMISSIONS'

  test('is told also where something harmless followed', async () => {
    const policyId = await app.createPolicy(accountId, { permissions: ['one.x', 'two.x'] })
    const { keyId, secret } = await app.createKey(keyspaceId, { policyIds: [policyId] })
    const asked = { key: secret, permission: 'one.x' }
    const narrowed = await later('updatePolicy', { policyId, permissions: ['two.x'] })
    await later('updatePolicy', { policyId, permissions: ['two.x', 'three.x'] })
    await later('updateKey', { keyId, permissions: ['four.x'] })
    await later('rotateKey', { keyId, overlapSeconds: 60 })
    expect(await blamed(asked)).toEqual([INSUFFICIENT, `policy.updated ${narrowed}`])
    const given = await later('updatePolicy', { policyId, permissions: ['one.x'] })
    const harmless = await later('updatePolicy', { policyId, permissions: ['one.x', 'two.x'] })
    const [code, ...events] = await blamed(asked)
    expect(code).toBe('VALID')
    expect(events).toContain(`policy.updated ${given}`)
    expect(events).not.toContain(`policy.updated ${harmless}`)
  })

  test('is the taking of a policy that the key holds no more, whatever becomes of that', async () => {
    const [held, other] = [
      await app.createPolicy(accountId, { permissions: ['one.x'] }),
      await app.createPolicy(accountId, { permissions: ['two.x'] }),
    ]
    const { keyId, secret } = await app.createKey(keyspaceId, { policyIds: [held, other] })
    const taken = await later('updateKey', { keyId, policyIds: [other] })
    await later('updatePolicy', { policyId: held, permissions: ['three.x'] })
    await later('updatePolicy', { policyId: other, permissions: ['two.x', 'four.x'] })
    expect(await blamed({ key: secret, permission: 'one.x' })).toEqual([INSUFFICIENT, `key.updated ${taken}`])
  })

  test('is the event that left too little of two grants that were enough together', async () => {
    const some = await app.createPolicy(accountId, { permissions: ['one.x'] })
    const others = await app.createPolicy(accountId, { permissions: ['two.x'] })
    const idle = await app.createPolicy(accountId, { permissions: ['three.x'] })
    const { secret } = await app.createKey(keyspaceId, { policyIds: [idle, some, others] })
    const asked = { key: secret, permission: 'one.x AND two.x' }
    const valid = await explain(asked)
    expect(valid.decidedBy.map(({ type, subjectId }) => [type, subjectId])).toEqual([
      ['policy.created', some],
      ['policy.created', others],
      ['key.created', expect.any(String)],
      ['code.issued', expect.any(String)],
    ])
    const deleted = await later('updatePolicy', { policyId: some, permissions: ['four.x'] })
    await later('updatePolicy', { policyId: others, permissions: ['five.x'] })
    expect(await blamed(asked)).toEqual([INSUFFICIENT, `policy.updated ${deleted}`])
  })

  test('is of the user the key acts as, or the key that took up another', async () => {
    const narrow = await app.addUser(accountId, { externalId: 'narrow@example.org', permissions: ['two.x'] })
    await app.addUser(accountId, { externalId: 'wide@example.org', permissions: ['one.x'] })
    const { keyId, secret } = await app.createKey(keyspaceId, { actsAs: 'wide@example.org', permissions: ['*'] })
    const asked = { key: secret, permission: 'one.x' }
    expect(await blamed(asked)).toMatchObject([
      'VALID',
      ...['user.added', 'key.created', 'code.issued'].map((type) => expect.stringContaining(type)),
    ])
    const changed = await later('updateKey', { keyId, actsAs: 'narrow@example.org' })
    await later('updateUser', { userId: narrow, permissions: ['two.x', 'three.x'] })
    expect(await blamed(asked)).toEqual([INSUFFICIENT, `key.updated ${changed}`])
  })

  test('of a link, is of its own account', async () => {
    const lent = await app.createForeignKey({ permissions: ['one.x'] })
    const policyId = await app.createPolicy(accountId, { permissions: ['one.x'] })
    const linkId = await app.linkKey(accountId, lent.keyId, { policyIds: [policyId], keyspaceId })
    const asked = { key: lent.secret, keyspaceId, permission: 'one.x' }
    const other = await app.createPolicy(accountId, { permissions: ['two.x'] })
    const taken = await later('updateLink', { linkId, policyIds: [other] })
    await later('updatePolicy', { policyId: other, permissions: ['two.x', 'three.x'] })
    await later('updateKey', { keyId: lent.keyId, permissions: [] })
    expect(await blamed(asked)).toEqual([INSUFFICIENT, `link.updated ${taken}`])
  })
})

describe('the fact of a status names the event that led to it:', () => {
  async function factOf(input: ExplainVerificationInput, name: string) {
    const { facts, decidedBy } = await explain(input)
    const fact = facts.find((one) => one.name === name)
    const type = fact?.event?.id === undefined ? null : await typeOf(fact.event.id)
    return [fact?.value, type, decidedBy.some(({ id }) => id === fact?.event?.id)]
  }

  async function typeOf(id: string): Promise<string> {
    const document = 'query ($id: ID!) { node(id: $id) { ... on Event { type } } }'
    const { node } = await app.ask<{ node: { type: string } }, object>(document, { id })
    return node.type
  }

  test('each of a code', async () => {
    const strict = await app.createKeyspace(accountId)
    const [made, expiring] = [await app.createKey(strict), plus(app.clock.now(), 60_000)]
    const short = await app.createKey(strict, { codes: [{ expiresAt: expiring }] })
    const { keyId, codeId } = made
    const ofCode = (id = codeId) => factOf({ codeId: id }, 'code')
    expect(await ofCode()).toEqual(['VALID', 'code.issued', true])
    await later('disableCode', { codeId })
    expect(await ofCode()).toEqual(['DISABLED', 'code.disabled', true])
    await later('enableCode', { codeId })
    expect(await ofCode()).toEqual(['VALID', 'code.enabled', true])
    await later('rotateKey', { keyId })
    expect(await ofCode()).toEqual(['REPLACED', 'key.rotated', true])
    expect(await factOf({ codeId }, 'overlapEndsAt')).toEqual(['none', 'key.rotated', true])
    expect((await why({ codeId }))[1]).toEqual(['key.rotated'])
    const replacement = await liveCodeOf(keyId)
    expect(await ofCode(replacement)).toEqual(['VALID', 'key.rotated', true])
    await later('disableCode', { codeId: replacement })
    expect(await ofCode(replacement)).toEqual(['DISABLED', 'code.disabled', true])
    await later('revokeKey', { keyId })
    expect(await ofCode(replacement)).toEqual(['REVOKED', 'key.revoked', true])
    app.clock.advance(120_000)
    expect(await ofCode(short.codeId)).toEqual(['EXPIRED', 'code.issued', true])
    const gone = await app.createKey(strict)
    await later('deleteCode', { codeId: gone.codeId })
    expect(await ofCode(gone.codeId)).toEqual(['DELETED', 'code.deleted', true])
  })

  test('each of a key', async () => {
    const { keyId, codeId } = await app.createKey(keyspaceId)
    const ofKey = () => factOf({ codeId }, 'key')
    expect(await ofKey()).toEqual(['ACTIVE', 'key.created', true])
    await later('disableKey', { keyId })
    expect(await ofKey()).toEqual(['DISABLED', 'key.disabled', true])
    await later('enableKey', { keyId })
    expect(await ofKey()).toEqual(['ACTIVE', 'key.enabled', true])
    await later('updateKey', { keyId, expiresAt: plus(app.clock.now(), 60_000) })
    app.clock.advance(120_000)
    expect(await ofKey()).toEqual(['EXPIRED', 'key.updated', true])
    await later('revokeKey', { keyId })
    expect(await ofKey()).toEqual(['REVOKED', 'key.revoked', true])
    await later('deleteKey', { keyId })
    expect(await ofKey()).toEqual(['DELETED', 'key.deleted', true])
  })
})

describe('what would have helped', () => {
  const remediesOf = async (input: ExplainVerificationInput) => inShort((await explain(input)).remedies)

  test('is all of what it takes where more than one thing is in the way', async () => {
    const { keyId, codeId } = await app.createKey(keyspaceId)
    await later('disableCode', { codeId })
    await later('disableKey', { keyId })
    expect(await why({ codeId })).toEqual([
      'DISABLED',
      ['code.disabled', 'key.disabled'],
      [['enableKey', 'enableCode']],
    ])
    await later('enableKey', { keyId })
    expect(await remediesOf({ codeId })).toEqual(['enableCode'])
    await later('enableCode', { codeId })
    expect(await codeOf({ codeId })).toBe('VALID')
  })

  test('is nothing that the rules refuse: a code is not switched on that has expired', async () => {
    const expiresAt = plus(app.clock.now(), 60_000)
    const { keyId, codeId } = await app.createKey(keyspaceId, { codes: [{ expiresAt }] })
    await later('disableCode', { codeId })
    expect(await remediesOf({ codeId })).toEqual(['enableCode'])
    app.clock.advance(120_000)
    expect(await remediesOf({ codeId })).toEqual(['rotateKey'])
    await later('rotateKey', { keyId })
    expect(await remediesOf({ codeId })).toEqual([null, 'rotateKey'])
  })

  test('of a code that was replaced is the one that replaced it, as that is, and no overlap that is over', async () => {
    const { keyId, codeId } = await app.createKey(keyspaceId)
    await later('rotateKey', { keyId })
    const { remedies } = await explain({ codeId })
    expect(inShort(remedies)).toEqual([null, 'rotateKey'])
    expect(JSON.stringify(remedies)).not.toContain('overlap')
    const replacement = await liveCodeOf(keyId)
    expect(await codeOf({ codeId: replacement })).toBe('VALID')
    await later('disableCode', { codeId: replacement })
    expect(await remediesOf({ codeId })).toEqual([[null, 'enableCode'], 'rotateKey'])
    await later('deleteCode', { codeId: replacement })
    expect(await remediesOf({ codeId })).toEqual(['issueCode'])
  })

  test('is naming an endpoint only where one is known at which it is granted', async () => {
    const endpoints = [{ methods: ['GET'], path: '/ads/*' }]
    const policyId = await app.createPolicy(accountId, { permissions: ['ads.read'], endpoints })
    const { secret: key } = await app.createKey(keyspaceId, { policyIds: [policyId] })
    expect(await remediesOf({ key, permission: 'ads.read' })).toEqual([null, 'updateKey', 'updatePolicy'])
    expect(await remediesOf({ key, permission: 'nobody.grants' })).toEqual(['updateKey', 'updatePolicy'])
    // Nothing that is given helps a question that asks for nothing: rules of endpoints are in its way.
    const { remedies } = await explain({ key })
    expect(inShort(remedies)).toEqual([null, 'updateKey', 'updatePolicy'])
    expect(remedies[1]?.steps[0]?.message).toContain('Take from the key')
    expect(await codeOf({ key, permission: 'ads.read', endpoint: { method: 'GET', path: '/ads/7' } })).toBe('VALID')
  })

  test('is no policy to change for a key that holds none', async () => {
    const { secret: key } = await app.createKey(keyspaceId)
    expect(await remediesOf({ key, permission: 'ads.read' })).toEqual(['updateKey'])
  })

  test('is both the key and the user it acts as, where both lack it', async () => {
    const actsAs = 'lacking@example.org'
    const userId = await app.addUser(accountId, { externalId: actsAs, permissions: ['two.x'] })
    const { keyId, secret: key } = await app.createKey(keyspaceId, { actsAs, permissions: ['three.x'] })
    const asked = { key, permission: 'one.x' }
    expect(await remediesOf(asked)).toEqual([['updateKey', 'updateUser']])
    await later('updateKey', { keyId, permissions: ['one.x'] })
    expect(await remediesOf(asked)).toEqual(['updateUser'])
    await later('updateUser', { userId, permissions: ['one.x'] })
    expect(await codeOf(asked)).toBe('VALID')
  })

  test('goes on to what stands behind the first obstacle', async () => {
    const strict = await app.createKeyspace(accountId, { upstreamUserRequired: true })
    const { keyId, secret: key } = await app.createKey(strict)
    await later('disableKey', { keyId })
    expect(await remediesOf({ key, permission: 'one.x' })).toEqual([
      ['enableKey', null, 'updateKey'],
      ['enableKey', 'updateKeyspace', 'updateKey'],
    ])
    await later('revokeKey', { keyId })
    const { remedies } = await explain({ key, permission: 'one.x' })
    expect(inShort(remedies)).toEqual([
      ['createKey', null],
      ['createKey', 'updateKeyspace'],
    ])
    expect(remedies[0]?.steps[0]?.message).toContain('which may do what is asked for')
  })

  test('asked about in the wrong place is the right one, the account too, and what is in the way there', async () => {
    const theirs = (await app.createAccount()).accountId
    const { keyId, secret: key } = await app.createKey(keyspaceId)
    const { verdict, remedies } = await explain({ key, accountId: theirs, keyspaceId })
    expect(verdict.code).toBe('NOT_FOUND')
    expect(inShort(remedies)).toEqual([null])
    for (const id of [accountId, keyspaceId]) expect(remedies[0]?.steps[0]?.message).toContain(id)
    expect(await codeOf({ key, accountId, keyspaceId })).toBe('VALID')
    await later('disableKey', { keyId })
    expect(await remediesOf({ key, accountId: theirs })).toEqual([[null, 'enableKey']])
    // Of what is not the caller's own nothing follows from the key.
    const foreign = await app.createForeignKey()
    const unknown = { key: 'an-own-secret-of-nobody', accountId: theirs }
    expect(await explain({ key: foreign.secret, accountId: theirs })).toEqual(await explain(unknown))
  })

  test('of a key of another account tells no more of it than the verdict does', async () => {
    const lent = await app.createForeignKey()
    await app.linkKey(accountId, lent.keyId)
    const asked = { key: lent.secret, accountId }
    await later('disableKey', { keyId: lent.keyId })
    const before = (await explain(asked)).remedies
    expect(inShort(before)).toEqual(['enableKey'])
    await later('disableCode', { codeId: lent.codeId })
    expect((await explain(asked)).remedies).toEqual(before)
    await later('rotateKey', { keyId: lent.keyId })
    const replaced = (await explain(asked)).remedies
    expect(inShort(replaced)).toEqual([null, 'rotateKey'])
    await later('disableCode', { codeId: await liveCodeOf(lent.keyId) })
    expect((await explain(asked)).remedies).toEqual(replaced)
  })
})

describe('an ended link', () => {
  test('is told of the last one, and nothing of what became of the key since', async () => {
    const lent = await app.createForeignKey({ name: 'their name' })
    const asked = { key: lent.secret, accountId }
    await later('unlinkKey', { linkId: await app.linkKey(accountId, lent.keyId) })
    app.clock.advance(1_000)
    const again = await app.linkKey(accountId, lent.keyId)
    expect(await codeOf(asked)).toBe('VALID')
    await later('unlinkKey', { linkId: again })
    const { facts, decidedBy } = await explain(asked)
    expect(facts).toMatchObject([{ name: 'link', value: 'into all of the account, ended', subjectId: again }])
    expect(decidedBy.map(({ type, subjectId }) => [type, subjectId])).toEqual([
      ['key.linked', again],
      ['key.unlinked', again],
    ])
    await later('revokeKey', { keyId: lent.keyId })
    const after = await explain(asked)
    expect(after.facts).toEqual(facts)
    expect(inShort(after.remedies)).toEqual(['linkKey'])
    // Others than the account that had linked it learn nothing.
    const other = (await app.createAccount()).accountId
    const credential = await app.createCredential(other, ['events.read'])
    expect(await explain({ key: lent.secret }, credential)).toMatchObject({ facts: [], decidedBy: [] })
  })

  test('that leads into another keyspace is told with that', async () => {
    const lent = await app.createForeignKey()
    const other = await app.createKeyspace(accountId)
    const linkId = await app.linkKey(accountId, lent.keyId, { keyspaceId })
    const { verdict, facts, decidedBy, remedies } = await explain({ key: lent.secret, keyspaceId: other })
    expect(verdict.code).toBe('NOT_FOUND')
    expect(facts).toMatchObject([{ name: 'link', value: `into ${keyspaceId}`, subjectId: linkId }])
    expect(decidedBy.map(({ type }) => type)).toEqual(['key.linked'])
    expect(remedies[0]?.steps[0]?.message).toContain(keyspaceId)
  })
})

describe('whoever may verify keys and not read events', () => {
  const BARE = `query ($input: ExplainVerificationInput!) { explainVerification(input: $input) {
    code verdict { code } facts { name value } remedies { steps { operation message } } } }`
  type Bare = { explainVerification: { code: string; facts: { name: string }[]; remedies: object[] } }

  test('is told why a whole key is let in now or is not, without the events', async () => {
    const credential = await app.createCredential(accountId, ['keys.verify'])
    const { keyId, secret: key } = await app.createKey(keyspaceId)
    await later('disableKey', { keyId })
    const { explainVerification: told } = await app.ask<Bare, object>(BARE, { input: { key } }, { credential })
    const { code, facts, remedies } = await explain({ key })
    expect(told).toMatchObject({ code, remedies, facts: facts.map(({ name, value }) => ({ name, value })) })
    const { data, errors } = await app.execute(ExplainVerificationDocument, { input: { key } }, { credential })
    expect(data?.explainVerification).toMatchObject({ code: 'DISABLED', decidedBy: null })
    expect(data?.explainVerification.facts.every(({ event }) => event === null)).toBe(true)
    expect(errors.map(({ extensions }) => extensions?.code)).toEqual(Array.from(errors, () => 'FORBIDDEN'))
    expect(errors.map(({ path }) => path?.join('.'))).toContain('explainVerification.decidedBy')
    const foreign = await app.createForeignKey()
    const input = { key: foreign.secret }
    const { explainVerification: none } = await app.ask<Bare, object>(BARE, { input }, { credential })
    expect(none).toMatchObject({ code: 'NOT_FOUND', facts: [] })
  })

  test('is told nothing of the past, nor of a code by its id; and others nothing at all', async () => {
    const verifier = await app.createCredential(accountId, ['keys.verify'])
    const reader = await app.createCredential(accountId, ['keys.read', 'accounts.read'])
    const { secret: key, codeId } = await app.createKey(keyspaceId)
    const at = app.clock.now()
    const refused = async (input: ExplainVerificationInput, credential: string) => {
      const { data, errors } = await app.execute<Bare, object>(BARE, { input }, { credential })
      return [data, errors.map(({ extensions }) => extensions?.code)]
    }
    const others: readonly ExplainVerificationInput[] = [
      ...[{ codeId }, { key, codeId }, {}],
      ...[
        { key, at },
        { key, at, position: '1' },
      ],
    ]
    for (const input of others) expect(await refused(input, verifier)).toEqual([null, ['FORBIDDEN']])
    expect(await refused({ key }, reader)).toEqual([null, ['FORBIDDEN']])
  })
})

async function liveCodeOf(keyId: string): Promise<string> {
  const { key } = await app.ask<{ key: { codes: { id: string; status: string }[] } }, object>(
    'query ($id: ID!) { key(id: $id) { codes { id status } } }',
    { id: keyId },
  )
  return key.codes.find(({ status }) => status === 'VALID')?.id ?? ''
}
