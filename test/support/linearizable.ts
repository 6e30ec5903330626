// What STRONG promises, asked of several processes on one database: no verification that began after the answer of what ended a key
// had arrived says VALID. Makes what is ended, and keeps the record of calls that is judged.
import { randomUUID } from 'node:crypto'
import { type Client, type ClientError, clientOf } from './app.ts'

export type Verified = { readonly beganAt: number; readonly valid: boolean; readonly by: string }

/** The calls that break the promise; none where it was kept. Instants are of one clock. */
export function violations(calls: readonly Verified[], acknowledgedAt: number): readonly Verified[] {
  return calls.filter(({ beganAt, valid }) => valid && beganAt > acknowledgedAt)
}

/** Whether what is about to end is good, as this process says; and the end of it. */
export type Subject = { isValid(client: Client): Promise<boolean>; end(): Promise<unknown> }

export type Kinds = Readonly<Record<(typeof KINDS)[number], () => Promise<Subject>>>

export type Trials = {
  /** By name, how each is made, not yet asked for by anybody. */
  readonly kinds: Kinds
  /** So many trials, some at the same time, and the calls in them that break the promise. */
  many(make: () => Promise<Subject>, count: number): Promise<readonly Verified[]>
}

/** Trials that go on at the same time. */
export const AT_ONCE = 8

export const KINDS = [
  'a key revoked',
  'a code replaced',
  'a key disabled',
  'a key unlinked',
  'a policy edited',
  'the permissions of the user it acts as',
  "the caller's own credential",
] as const

/** In a new account, on servers whose root key this is. */
export async function startTrials(origins: readonly string[], rootKey: string): Promise<Trials> {
  const clients = origins.map((origin) => clientOf(origin, rootKey))
  const kinds = await kindsOf(acting(clients))
  return {
    kinds,
    async many(make, count) {
      const found: Verified[] = []
      let left = count
      const one = async () => {
        while (left-- > 0) found.push(...(await trial(clients, make)))
      }
      await Promise.all(Array.from({ length: AT_ONCE }, one))
      return found
    },
  }
}

/** Every process verifies without a pause, before, while and after it ends. */
async function trial(clients: readonly Client[], make: () => Promise<Subject>): Promise<readonly Verified[]> {
  const subject = await make()
  const calls: Verified[] = []
  let acknowledgedAt = Number.POSITIVE_INFINITY
  const call = async (client: Client, index: number) => {
    const beganAt = performance.now()
    const valid = await subject.isValid(client)
    calls.push({ beganAt, valid, by: `process ${index}` })
    return { beganAt, valid }
  }
  await Promise.all(
    clients.map(async (client, index) => {
      while (!(await call(client, index)).valid);
    }),
  )
  const verifiers = clients.map(async (client, index) => {
    // One more, that began when the answer was there.
    while ((await call(client, index)).beganAt <= acknowledgedAt);
  })
  await subject.end()
  acknowledgedAt = performance.now()
  await Promise.all(verifiers)
  return violations(calls, acknowledgedAt)
}

/** What is asked of the mutations here. */
type Told = Readonly<Record<'account' | 'keyspace' | 'policy' | 'key' | 'link' | 'user', { readonly id: string }>> & {
  readonly account: { readonly managementKeyspace: { readonly id: string } }
  readonly issued: readonly { readonly secret: string | null }[]
}

/** One mutation, by the processes in turn, until it is done; its success, of which `fields` are asked. */
export type Act = (name: string, fields: string, input: object) => Promise<Told>

export function acting(clients: readonly Client[]): Act {
  let turn = 0
  return async (name, fields, input) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
    const document = `mutation ($input: ${type}Input!) { result: ${name}(input: $input) {
      ... on ${type}Success ${fields} ... on Error { code message } } }`
    const idempotencyKey = randomUUID()
    for (;;) {
      const client = clients[turn++ % clients.length] as Client
      const sent = client.execute<{ result: Told & { code?: string } }, object>(document, {
        input: { ...input, idempotencyKey },
      })
      const { data, errors } = await sent.catch(unanswered)
      const code = data?.result.code ?? errors[0]?.extensions?.code
      // A busy machine; what was done all the same is told when it is sent again.
      if (code === 'UNAVAILABLE' || code === 'CONFLICT') continue
      if (code !== undefined || data === null) throw new Error(`${name} was refused: ${JSON.stringify([data, errors])}`)
      return data.result
    }
  }
}

/** A server that gets no turn on its core for long breaks connections off, as it would those of slow clients. */
export function unanswered(): { data: null; errors: readonly ClientError[] } {
  return { data: null, errors: [{ message: 'no answer', extensions: { code: 'UNAVAILABLE' } }] }
}

const DONE = '{ events { id } }'

/** UNAVAILABLE is no: whoever is busy may say so at any time. */
async function isValid(client: Client, document: string, variables: object, credential?: string): Promise<boolean> {
  const options = credential === undefined ? {} : { credential }
  const sent = client.execute<{ result: { valid?: boolean } }, object>(document, variables, options)
  const { data, errors } = await sent.catch(unanswered)
  const code = errors[0]?.extensions?.code
  if (code !== undefined && code !== 'UNAVAILABLE' && code !== 'UNAUTHENTICATED')
    throw new Error(`Not answered: ${JSON.stringify(errors)}`)
  return errors.length === 0 && data?.result.valid !== false
}

function verifying(question: object): Subject['isValid'] {
  const document = 'query ($input: VerifyKeyInput!) { result: verifyKey(input: $input) { valid } }'
  return (client) => isValid(client, document, { input: question })
}

type Account = { readonly accountId: string; readonly managementKeyspaceId: string; readonly keyspaceId: string }

async function kindsOf(act: Act): Promise<Kinds> {
  const { accountId, managementKeyspaceId, keyspaceId } = await createAccount(act)
  const createKey = (input: object) => createKeyWith(act, { keyspaceId, ...input })
  const createPolicy = async () => {
    const input = { accountId, name: randomUUID(), description: 'd', permissions: ['ads.read'] }
    return (await act('createPolicy', '{ policy { id } }', input)).policy.id
  }
  return {
    async 'a key revoked'() {
      const { keyId, secret } = await createKey({})
      return { isValid: verifying({ key: secret }), end: () => act('revokeKey', DONE, { keyId }) }
    },
    async 'a code replaced'() {
      const { keyId, secret } = await createKey({})
      return { isValid: verifying({ key: secret }), end: () => act('rotateKey', DONE, { keyId }) }
    },
    async 'a key disabled'() {
      const { keyId, secret } = await createKey({})
      return { isValid: verifying({ key: secret }), end: () => act('disableKey', DONE, { keyId }) }
    },
    async 'a key unlinked'() {
      const lender = await createAccount(act)
      const { keyId, secret } = await createKey({ keyspaceId: lender.keyspaceId })
      const input = { accountId, keyId, policyIds: [await createPolicy()] }
      const { link } = await act('linkKey', '{ link { id } }', input)
      const end = () => act('unlinkKey', DONE, { linkId: link.id })
      return { isValid: verifying({ key: secret, accountId, permission: 'ads.read' }), end }
    },
    async 'a policy edited'() {
      const policyId = await createPolicy()
      const { secret } = await createKey({ policyIds: [policyId] })
      const end = () => act('updatePolicy', DONE, { policyId, permissions: [] })
      return { isValid: verifying({ key: secret, permission: 'ads.read' }), end }
    },
    async 'the permissions of the user it acts as'() {
      const externalId = `${randomUUID()}@example.org`
      const added = { accountId, externalId, role: 'MEMBER', permissions: ['ads.read'] }
      const { user } = await act('addUser', '{ user { id } }', added)
      const { secret } = await createKey({ permissions: ['*'], actsAs: externalId })
      const end = () => act('updateUser', DONE, { userId: user.id, permissions: [] })
      return { isValid: verifying({ key: secret, permission: 'ads.read' }), end }
    },
    async "the caller's own credential"() {
      const { keyId, secret } = await createKey({ keyspaceId: managementKeyspaceId, permissions: ['keys.read'] })
      return {
        isValid: (client) => isValid(client, '{ result: viewer { kind } }', {}, secret),
        end: () => act('revokeKey', DONE, { keyId }),
      }
    },
  }
}

async function createAccount(act: Act): Promise<Account> {
  const { account } = await act('createAccount', '{ account { id managementKeyspace { id } } }', { name: 'Acme' })
  const { keyspace } = await act('createKeyspace', '{ keyspace { id } }', { accountId: account.id, name: 'apps' })
  return { accountId: account.id, managementKeyspaceId: account.managementKeyspace.id, keyspaceId: keyspace.id }
}

export async function createKeyWith(act: Act, input: object): Promise<{ keyId: string; secret: string }> {
  for (;;) {
    const { key, issued } = await act('createKey', '{ key { id } issued { secret } }', { name: 'key', ...input })
    const secret = issued[0]?.secret ?? null
    // Told only once: where that answer was lost, another is made.
    if (secret !== null) return { keyId: key.id, secret }
  }
}
