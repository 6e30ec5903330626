// Three processes on one database, all of them verifying what one of them ends: revocation is immediate, everywhere. 200 trials of each
// kind, 10 000 with LINEARIZABLE=full (`npm run linearizable`).
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newRootKey } from '#secret/ids.ts'
import { newKeyringText } from '#secret/keyring.ts'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { type Client, clientOf } from '../support/app.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type Verified, violations } from '../support/linearizable.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'

const TRIALS = process.env.LINEARIZABLE === 'full' ? 10_000 : 200
const PROCESSES = 3
/** Trials that go on at the same time. */
const AT_ONCE = 8

let database: TestDatabase
let servers: readonly ServerProcess[]
let clients: readonly Client[]
let accountId: string
let managementKeyspaceId: string
let keyspaceId: string
const rootKey = newRootKey().reveal()

beforeAll(async () => {
  database = await createTestDatabase()
  const settings = {
    DATABASE_URL: database.servingConnection.connectionString,
    KEYLEDGER_SECRETS: newKeyringText(),
    KEYLEDGER_ROOT_KEY: rootKey,
  }
  servers = await Promise.all(Array.from({ length: PROCESSES }, () => startServerProcess(settings)))
  clients = servers.map(({ url }) => clientOf(url, rootKey))
  const made = await act('createAccount', 'CreateAccountInput!', '{ account { id managementKeyspace { id } } }', {
    name: 'Acme',
  })
  accountId = made.account.id
  managementKeyspaceId = made.account.managementKeyspace.id
  keyspaceId = await createKeyspace(accountId)
})
afterAll(async () => {
  await Promise.all(servers.map((server) => server.end('SIGTERM')))
  await database.drop()
})

const clientAt = (index: number): Client => clients[index % PROCESSES] as Client
let turn = 0

/** What is asked of the mutations here. */
type Told = Readonly<Record<'account' | 'keyspace' | 'policy' | 'key' | 'link' | 'user', { readonly id: string }>> & {
  readonly account: { readonly managementKeyspace: { readonly id: string } }
  readonly issued: readonly { readonly secret: string }[]
}

/** One mutation, by the processes in turn; its success, of which `fields` are asked. */
async function act(name: string, inputType: string, fields: string, input: object): Promise<Told> {
  const success = `${name.charAt(0).toUpperCase()}${name.slice(1)}Success`
  const document = `mutation ($input: ${inputType}) { result: ${name}(input: $input) {
    ... on ${success} ${fields} ... on Error { code message } } }`
  const { result } = await clientAt(turn++).ask<{ result: Told & { code?: string } }, object>(document, { input })
  if (result.code !== undefined) throw new Error(`${name} was refused: ${JSON.stringify(result)}`)
  return result
}

const DONE = '{ events { id } }'

async function createKeyspace(of: string): Promise<string> {
  const input = { accountId: of, name: `keyspace ${turn}` }
  return (await act('createKeyspace', 'CreateKeyspaceInput!', '{ keyspace { id } }', input)).keyspace.id
}

async function createKey(input: object): Promise<{ keyId: string; secret: string }> {
  const made = await act('createKey', 'CreateKeyInput!', '{ key { id } issued { secret } }', {
    keyspaceId,
    name: 'key',
    ...input,
  })
  return { keyId: made.key.id, secret: made.issued[0]?.secret ?? '' }
}

async function createPolicy(): Promise<string> {
  const input = { accountId, name: `policy ${turn}`, description: 'd', permissions: ['ads.read'] }
  return (await act('createPolicy', 'CreatePolicyInput!', '{ policy { id } }', input)).policy.id
}

/** Whether what is about to end is good, as this process says; and the end of it. */
type Subject = { isValid(client: Client): Promise<boolean>; end(): Promise<unknown> }

function verifying(question: object): Subject['isValid'] {
  return async (client) => {
    const document = 'query ($input: VerifyKeyInput!) { verifyKey(input: $input) { valid } }'
    const { verifyKey } = await client.ask<{ verifyKey: { valid: boolean } }, object>(document, {
      input: question,
    })
    return verifyKey.valid
  }
}

const kinds: Readonly<Record<string, () => Promise<Subject>>> = {
  async 'a key revoked'() {
    const { keyId, secret } = await createKey({})
    return { isValid: verifying({ key: secret }), end: () => act('revokeKey', 'RevokeKeyInput!', DONE, { keyId }) }
  },
  async 'a code replaced'() {
    const { keyId, secret } = await createKey({})
    return { isValid: verifying({ key: secret }), end: () => act('rotateKey', 'RotateKeyInput!', DONE, { keyId }) }
  },
  async 'a key disabled'() {
    const { keyId, secret } = await createKey({})
    return { isValid: verifying({ key: secret }), end: () => act('disableKey', 'DisableKeyInput!', DONE, { keyId }) }
  },
  async 'a key unlinked'() {
    const lender = await act('createAccount', 'CreateAccountInput!', '{ account { id } }', { name: 'Lender' })
    const { keyId, secret } = await createKey({ keyspaceId: await createKeyspace(lender.account.id) })
    const input = { accountId, keyId, policyIds: [await createPolicy()] }
    const { link } = await act('linkKey', 'LinkKeyInput!', '{ link { id } }', input)
    const end = () => act('unlinkKey', 'UnlinkKeyInput!', DONE, { linkId: link.id })
    return { isValid: verifying({ key: secret, accountId, permission: 'ads.read' }), end }
  },
  async 'a policy edited'() {
    const policyId = await createPolicy()
    const { secret } = await createKey({ policyIds: [policyId] })
    const end = () => act('updatePolicy', 'UpdatePolicyInput!', DONE, { policyId, permissions: [] })
    return { isValid: verifying({ key: secret, permission: 'ads.read' }), end }
  },
  async 'the permissions of the user it acts as'() {
    const externalId = `user-${turn}@example.org`
    const added = { accountId, externalId, role: 'MEMBER', permissions: ['ads.read'] }
    const { user } = await act('addUser', 'AddUserInput!', '{ user { id } }', added)
    const { secret } = await createKey({ permissions: ['*'], actsAs: externalId })
    const end = () => act('updateUser', 'UpdateUserInput!', DONE, { userId: user.id, permissions: [] })
    return { isValid: verifying({ key: secret, permission: 'ads.read' }), end }
  },
  async "the caller's own credential"() {
    const { keyId, secret } = await createKey({ keyspaceId: managementKeyspaceId, permissions: ['keys.read'] })
    const isValid: Subject['isValid'] = async (client) => {
      const { errors } = await client.execute('{ viewer { kind } }', {}, { credential: secret })
      return errors.length === 0
    }
    return { isValid, end: () => act('revokeKey', 'RevokeKeyInput!', DONE, { keyId }) }
  },
}

/** Every process verifies without a pause, before, while and after it ends. */
async function trial(make: () => Promise<Subject>): Promise<readonly Verified[]> {
  const subject = await make()
  const calls: Verified[] = []
  let acknowledgedAt = Number.POSITIVE_INFINITY
  const call = async (index: number) => {
    const beganAt = performance.now()
    const valid = await subject.isValid(clientAt(index))
    calls.push({ beganAt, valid, by: `process ${index}` })
    return beganAt
  }
  await Promise.all(clients.map((_, index) => call(index)))
  if (!calls.every(({ valid }) => valid)) throw new Error('what is to be ended was not valid')
  const verifiers = clients.map(async (_, index) => {
    // One more, that began when the answer was there.
    while ((await call(index)) <= acknowledgedAt);
  })
  await subject.end()
  acknowledgedAt = performance.now()
  await Promise.all(verifiers)
  return violations(calls, acknowledgedAt)
}

async function manyTrials(make: () => Promise<Subject>, count: number) {
  const found: Verified[] = []
  let left = count
  const one = async () => {
    while (left-- > 0) found.push(...(await trial(make)))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  return found
}

describe(`no STRONG verification of any process that began after it was acknowledged says VALID, ${TRIALS} times`, () => {
  test.each(Object.keys(kinds))('%s', { timeout: TRIALS * 1_000 }, async (kind) => {
    expect(await manyTrials(kinds[kind] as () => Promise<Subject>, TRIALS)).toEqual([])
  })

  test('a key revoked while state is rebuilt', { timeout: TRIALS * 1_000 }, async () => {
    let done = false
    const rebuilding = (async () => {
      while (!done) await rebuildState(database.owner)
    })()
    const found = await manyTrials(kinds['a key revoked'] as () => Promise<Subject>, TRIALS / 4)
    done = true
    await rebuilding
    expect(found).toEqual([])
    expect((await checkState(database.owner)).difference).toBeNull()
  })
})

test('the same record catches who does not keep the promise: a service that remembers its verdicts', async () => {
  const remembering = async (): Promise<Subject> => {
    const subject = await (kinds['a key revoked'] as () => Promise<Subject>)()
    const verdicts = new Map<Client, Promise<boolean>>()
    const isValid = async (client: Client) => {
      await setImmediate()
      const verdict = verdicts.get(client) ?? subject.isValid(client)
      verdicts.set(client, verdict)
      return verdict
    }
    return { isValid, end: subject.end }
  }
  expect((await manyTrials(remembering, AT_ONCE)).length).toBeGreaterThanOrEqual(AT_ONCE)
})
