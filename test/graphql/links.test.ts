// Links as a client of the API meets them: what is told of another account's key, and what is not; lists, verdicts, history.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  DisableKeyDocument,
  EventsDocument,
  IssueCodeDocument,
  KeyDocument,
  LinkDocument,
  LinkKeyDocument,
  LinksDocument,
  NodeDocument,
  RotateKeyDocument,
  UnlinkKeyDocument,
  UpdateKeyDocument,
  UpdateLinkDocument,
  VerifyKeyDocument,
} from '#test/generated/operations.ts'
import { startTestApp } from '#test/support/app.ts'
import { isSuccess, mutate } from '../races/arena.ts'

const app = await startTestApp()
let accountId: string
let keyspaceId: string
let policyId: string
let credential: string
let lent: string
let lendersCredential: string
beforeAll(async () => {
  accountId = (await app.createAccount('Linking')).accountId
  keyspaceId = await app.createKeyspace(accountId)
  policyId = await app.createPolicy(accountId, { permissions: ['ads.read'] })
  credential = await app.createCredential(accountId, ['*'])
  const lender = (await app.createAccount('Lender')).accountId
  lent = await app.createKeyspace(lender)
  lendersCredential = await app.createCredential(lender, ['*'])
})
afterAll(() => app.close())

const PRIVATE = {
  description: 'private words',
  tags: ['private-tag'],
  metadata: { private: 'datum' },
  permissions: ['private.right'],
}

async function link(keyId: string, input: object = {}) {
  const asked = { input: { accountId, keyId, policyIds: [policyId], ...input } }
  const { linkKey } = await app.ask(LinkKeyDocument, asked, { credential })
  if (!isSuccess(linkKey)) throw new Error(linkKey.code)
  return linkKey
}
const read = async (linkId: string) => (await app.ask(LinkDocument, { linkId }, { credential })).link

describe('a link', () => {
  test('is made, read, found as a node and in the list, changed and ended, by the linking account', async () => {
    const { keyId } = await app.createKey(lent, { name: 'partner' })
    const made = await link(keyId, { keyspaceId })
    const linkId = made.link.id
    expect(made).toMatchObject({
      link: { keyId, keyName: 'partner', active: true, keyspace: { id: keyspaceId }, policies: [{ id: policyId }] },
      events: [{ summary: expect.stringMatching(/ linked key partner, which is another account's, into /) }],
    })
    expect(await read(linkId)).toMatchObject({
      account: { id: accountId },
      linkedBy: { kind: 'KEY' },
      unlinkedAt: null,
      version: 1,
    })
    const node = await app.ask(NodeDocument, { id: linkId }, { credential })
    expect(node).toEqual({ node: { __typename: 'KeyLink', id: linkId, keyId, keyName: 'partner' } })
    const listed = async () => (await app.ask(LinksDocument, { accountId }, { credential })).account?.links
    expect(await listed()).toMatchObject({ nodes: [{ id: linkId }], totalCount: 1 })

    const other = await app.createPolicy(accountId)
    const input = { linkId, policyIds: [other, policyId] }
    const changed = await app.ask(UpdateLinkDocument, { input }, { credential })
    expect(changed.updateLink).toMatchObject({ link: { policies: [{ id: other }, { id: policyId }], version: 2 } })
    const ended = await app.ask(UnlinkKeyDocument, { input: { linkId } }, { credential })
    expect(ended.unlinkKey).toMatchObject({ linkId, events: [{}] })
    expect(await listed()).toMatchObject({ nodes: [], totalCount: 0 })
    expect(await read(linkId)).toMatchObject({ active: false, keyName: 'partner', unlinkedAt: expect.any(String) })

    const filter = { subjectId: linkId }
    const { account } = await app.ask(EventsDocument, { accountId, filter }, { credential })
    expect(account?.events?.nodes.map(({ summary }) => summary.replace(/^key \d+ /, ''))).toEqual([
      expect.stringMatching(/^linked key partner, which is another account's, into .* with policies /),
      expect.stringMatching(/^changed linked key partner: policies now /),
      'unlinked key partner, which opens nothing here any more',
    ])
  })

  test('tells what its key is called now and whether it is good, and nothing else of it', async () => {
    const { keyId, secret, codeId } = await app.createKey(lent, { name: 'before', ...PRIVATE })
    const linkId = (await link(keyId)).link.id
    await mutate(app, UpdateKeyDocument, { keyId, name: 'after' })
    expect(await read(linkId)).toMatchObject({ keyName: 'after', active: true })
    await mutate(app, DisableKeyDocument, { keyId })
    expect(await read(linkId)).toMatchObject({ keyName: 'after', active: false })

    const verdict = await app.ask(VerifyKeyDocument, { input: { key: secret } }, { credential })
    expect(verdict.verifyKey).toMatchObject({ code: 'DISABLED', keyId, linkId, name: 'after' })
    const everything = JSON.stringify([
      verdict,
      await app.ask(LinkDocument, { linkId }, { credential }),
      await app.ask(LinksDocument, { accountId, first: 100 }, { credential }),
      await app.ask(EventsDocument, { accountId, filter: {} }, { credential }),
    ])
    for (const hidden of ['private', codeId, lent, 'Lender']) expect(everything).not.toContain(hidden)
    expect(await app.ask(KeyDocument, { keyId }, { credential })).toEqual({ key: null })
    for (const id of [keyId, codeId])
      expect(await app.ask(NodeDocument, { id }, { credential })).toEqual({ node: null })
  })

  test('that has ended tells no name that its key was given since, in whatever way it is asked', async () => {
    const { keyId, codeId } = await app.createKey(lent, { name: 'first-name' })
    const linkId = (await link(keyId)).link.id
    const runs = app.clock.now()
    app.clock.advance(1_000)
    await mutate(app, UpdateKeyDocument, { keyId, name: 'last-name-told' })
    app.clock.advance(1_000)
    expect((await app.ask(UnlinkKeyDocument, { input: { linkId } }, { credential })).unlinkKey).toMatchObject({
      linkId,
    })
    const ended = app.clock.now()
    app.clock.advance(1_000)
    await mutate(app, UpdateKeyDocument, { keyId, name: 'renamed-since' })
    app.clock.advance(1_000)

    expect(await read(linkId)).toMatchObject({ keyName: 'last-name-told' })
    const at = 'query ($linkId: ID!, $at: DateTime!) { link(id: $linkId, at: $at) { keyName } }'
    for (const [moment, keyName] of [
      [runs, 'first-name'],
      [ended, 'last-name-told'],
      [app.clock.now(), 'last-name-told'],
    ])
      expect(await app.ask(at as never, { linkId, at: moment }, { credential })).toEqual({ link: { keyName } })
    const explained = `query ($input: ExplainVerificationInput!) {
      explainVerification(input: $input) { verdict { code name } decidedBy { summary } } }`
    const exported = await fetch(`${app.origin}/accounts/${accountId}/events.ndjson`, {
      headers: { authorization: `Bearer ${credential}` },
    })
    const everything = [
      await app.ask(NodeDocument, { id: linkId }, { credential }),
      (await app.ask(EventsDocument, { accountId, filter: { subjectId: linkId } }, { credential })).account?.events
        ?.nodes,
      await app.ask(explained as never, { input: { codeId, accountId, at: ended } }),
      await exported.text(),
    ].map((told) => JSON.stringify(told))
    for (const told of everything) expect(told).not.toContain('renamed-since')
    for (const told of everything) expect(told).toContain('last-name-told')
  })

  test('is nothing to the account of its key', async () => {
    const { keyId } = await app.createKey(lent)
    const linkId = (await link(keyId)).link.id
    const asOwner = { credential: lendersCredential }
    expect(await app.ask(LinkDocument, { linkId }, asOwner)).toEqual({ link: null })
    expect(await app.ask(NodeDocument, { id: linkId }, asOwner)).toEqual({ node: null })
    const ended = await app.ask(UnlinkKeyDocument, { input: { linkId } }, asOwner)
    expect(ended.unlinkKey).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' })
    const { key } = await app.ask(KeyDocument, { keyId }, asOwner)
    expect(JSON.stringify(key)).not.toContain(linkId)
  })

  test('gives the linking account no codes', async () => {
    const { keyId } = await app.createKey(lent)
    await link(keyId)
    const refused = { __typename: 'RuleViolationError', code: 'LINKED_KEY_HAS_NO_CODES' }
    expect((await app.ask(IssueCodeDocument, { input: { keyId } }, { credential })).issueCode).toMatchObject(refused)
    const rotated = await app.ask(RotateKeyDocument, { input: { keyId, overlapSeconds: 0 } }, { credential })
    expect(rotated.rotateKey).toMatchObject(refused)
  })
})

describe('the list of links', () => {
  test('is paged through, newest first', async () => {
    const other = (await app.createAccount('Paged')).accountId
    const made: string[] = []
    for (let n = 0; n < 3; n++) {
      made.unshift(await app.linkKey(other, (await app.createKey(lent)).keyId))
      app.clock.advance(1_000)
    }
    const seen: string[] = []
    for (let after: string | null | undefined; ; ) {
      const { account } = await app.ask(LinksDocument, { accountId: other, first: 2, after })
      seen.push(...(account?.links?.nodes ?? []).map(({ id }) => id))
      expect(account?.links?.totalCount).toBe(3)
      if (!account?.links?.pageInfo.hasNextPage) break
      after = account.links.pageInfo.endCursor
    }
    expect(seen).toEqual(made)
  })

  test('is read with accounts.read, and changed with links.write alone', async () => {
    const linkId = (await link((await app.createKey(lent)).keyId)).link.id
    const reader = await app.createCredential(accountId, ['accounts.read'])
    const writer = await app.createCredential(accountId, ['links.write', 'keys.read', 'keys.write'])
    expect((await app.ask(LinkDocument, { linkId }, { credential: reader })).link?.id).toBe(linkId)
    for (const { errors } of [
      await app.execute(LinkDocument, { linkId }, { credential: writer }),
      await app.execute(NodeDocument, { id: linkId }, { credential: writer }),
    ])
      expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    // Reached by somebody who may see the account, but not with the right that the list takes.
    const viewer = await app.execute<{ viewer: unknown }, object>(
      '{ viewer { account { links { totalCount } } } }',
      {},
      { credential: writer },
    )
    expect(viewer).toMatchObject({
      data: { viewer: { account: { links: null } } },
      errors: [{ path: ['viewer', 'account', 'links'], extensions: { code: 'FORBIDDEN' } }],
    })
    const input = { linkId, policyIds: [policyId] }
    const denied = await app.execute(UpdateLinkDocument, { input }, { credential: reader })
    expect(denied.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    const done = await app.ask(UpdateLinkDocument, { input }, { credential: writer })
    expect(done.updateLink).toMatchObject({ link: { id: linkId, keyName: expect.any(String) } })
  })
})
