// A linked key in front of the linking account's services: what a proxy is told of it, and whose access log its uses are in.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  AccessLogDocument,
  LinkKeyDocument,
  RecordAccessDocument,
  UnlinkKeyDocument,
} from '#test/generated/operations.ts'
import { type IssuedKey, startTestApp, type TestApp } from '#test/support/app.ts'
import { isSuccess } from '../races/arena.ts'

const LOGGED = { logging: { request: true, response: true } }

let app: TestApp
let lender: string
let key: IssuedKey
let lendersCredential: string
beforeAll(async () => {
  app = await startTestApp()
  lender = (await app.createAccount('Lender')).accountId
  const lent = await app.createKeyspace(lender)
  key = await app.createKey(lent, { name: 'Partner', permissions: ['own'], metadata: { private: 1 }, ...LOGGED })
  lendersCredential = await app.createCredential(lender, ['*'])
}, 60_000)
afterAll(() => app.close())

/** An account that has linked the key into all of it, and a keyspace of it. */
async function linking() {
  const { accountId } = await app.createAccount()
  const presentations = [{ place: 'HEADER', name: 'X-Partner' }]
  const keyspaceId = await app.createKeyspace(accountId, { presentations })
  const policyIds = [await app.createPolicy(accountId, { permissions: ['ads.read'] })]
  const credential = await app.createCredential(accountId, ['*'])
  const { linkKey } = await app.ask(
    LinkKeyDocument,
    { input: { accountId, keyId: key.keyId, policyIds } },
    { credential },
  )
  if (!isSuccess(linkKey)) throw new Error(linkKey.code)
  return { accountId, keyspaceId, credential, linkId: linkKey.link.id }
}
type Linking = Awaited<ReturnType<typeof linking>>

async function pass({ keyspaceId, credential }: Pick<Linking, 'keyspaceId' | 'credential'>, permission: string) {
  const url = `${app.origin}/forward-auth?keyspace=${keyspaceId}&permission=${permission}&endpoints=ignore`
  const headers = {
    'x-keyledger-authorization': `Bearer ${credential}`,
    'x-partner': key.secret,
    'x-forwarded-uri': '/ads',
  }
  const response = await fetch(url, { headers: { ...headers, 'x-forwarded-method': 'GET' } })
  await response.text()
  return response
}

async function accessLogOf(accountId: string, credential: string) {
  await app.app.services.accesses.flush()
  const { account } = await app.ask(AccessLogDocument, { accountId }, { credential })
  return account?.accessLog?.nodes
}

describe('forward-auth', () => {
  test('lets a linked key through with what the link grants, and tells its id and name', async () => {
    const account = await linking()
    const { status, headers } = await pass(account, 'ads.read')
    expect(status).toBe(200)
    const told = [...headers].filter(([name]) => name.startsWith('x-key-'))
    expect(Object.fromEntries(told.filter(([, value]) => value !== ''))).toEqual({
      'x-key-id': key.keyId,
      'x-key-name': 'Partner',
      'x-key-permissions': 'ads.read',
    })
    expect((await pass(account, 'own')).status).toBe(403)
    const input = { linkId: account.linkId }
    await app.ask(UnlinkKeyDocument, { input }, { credential: account.credential })
    expect((await pass(account, 'ads.read')).status).toBe(401)
  })
})

describe('the access log of the linking account', () => {
  // In as many shards as chance will have it.
  const accounts: Linking[] = []
  beforeAll(async () => {
    for (let n = 0; n < 4; n++) accounts.push(await linking())
  })

  test('has what forward-auth saw of the key there, and no other account’s has', async () => {
    for (const account of accounts) {
      await pass(account, 'ads.read')
      expect(await accessLogOf(account.accountId, account.credential)).toMatchObject([
        { keyId: key.keyId, codeId: null, keyName: 'Partner', verdict: 'VALID', path: '/ads' },
      ])
    }
    expect(await accessLogOf(lender, lendersCredential)).toEqual([])
  })

  test('has what its services record of the key, redacted by where the linking side looks for keys', async () => {
    for (const { accountId, credential } of accounts) {
      const entry = {
        keyId: key.keyId,
        at: app.clock.now(),
        verdict: 'VALID',
        requestBody: 'x-partner: s3cret',
      } as const
      const { recordAccess } = await app.ask(RecordAccessDocument, { input: { entries: [entry] } }, { credential })
      expect(recordAccess).toMatchObject({ recorded: 1 })
      const entries = await accessLogOf(accountId, credential)
      expect(entries?.map(({ requestBody }) => requestBody)).toContain('x-partner: [redacted]')
    }
    expect(await accessLogOf(lender, lendersCredential)).toEqual([])
  })

  test('takes no code of the key, and nothing of a key that is not linked any more', async () => {
    const { credential, linkId } = await linking()
    const record = async (entry: object) => {
      const entries = [{ keyId: key.keyId, at: app.clock.now(), verdict: 'VALID' as const, ...entry }]
      return (await app.ask(RecordAccessDocument, { input: { entries } }, { credential })).recordAccess
    }
    const notFound = { __typename: 'NotFoundError', code: 'NOT_FOUND' }
    expect(await record({ codeId: key.codeId })).toMatchObject(notFound)
    expect(await record({})).toMatchObject({ recorded: 1 })
    await app.ask(UnlinkKeyDocument, { input: { linkId } }, { credential })
    expect(await record({})).toMatchObject(notFound)
  })
})
