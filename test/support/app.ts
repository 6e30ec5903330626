// The whole application in the test's own process, over a real socket, with a database, secrets, a clock and a root key of
// its own.
//
//   const app = await startTestApp()
//   afterAll(() => app.close())
import { setTimeout as delay } from 'node:timers/promises'
import { type DocumentNode, print } from 'graphql'
import type pg from 'pg'
import { type App, type AppParts, buildApp } from '#app.ts'
import { replaceRootKey } from '#cli/stored-root-key.ts'
import { connect, SERVING_QUERY_TIMEOUT_MS } from '#database/connect.ts'
import { newRootKey } from '#secret/ids.ts'
import { type Keyring, newKeyringText, parseKeyring } from '#secret/keyring.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { type LogEntry, recordingLogger } from './log.ts'
import { testSigningKeys } from './sealing.ts'
import { PATIENTLY } from './wait.ts'

/** Generated documents of either mode, or any text. */
export type Document<Result, Variables> = { readonly __apiType?: (variables: Variables) => Result } & (
  | DocumentNode
  | { toString(): string }
)

export type ExecuteOptions = {
  /** Sent as a Bearer token: the root key unless given, nothing where null. */
  readonly credential?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

export type ClientError = {
  readonly message: string
  readonly path?: readonly (string | number)[]
  readonly extensions?: { readonly code?: string; readonly requestId?: string; readonly [name: string]: unknown }
}

export type Executed<Result> = {
  readonly status: number
  readonly requestId: string | null
  readonly data: Result | null
  readonly errors: readonly ClientError[]
}

export type IssuedKey = { readonly keyId: string; readonly codeId: string; readonly secret: string }

export type TestApp = {
  readonly app: App
  readonly origin: string
  readonly database: TestDatabase
  readonly keyring: Keyring
  readonly clock: TestClock
  readonly rootKey: string
  /** What the application has logged so far, of every level. */
  readonly logged: readonly LogEntry[]
  execute<Result, Variables>(
    document: Document<Result, Variables>,
    variables?: Variables,
    options?: ExecuteOptions,
  ): Promise<Executed<Result>>
  /** The data of an operation that must have no errors; asked again while the database can't be asked. */
  ask<Result, Variables>(
    document: Document<Result, Variables>,
    variables?: Variables,
    options?: ExecuteOptions,
  ): Promise<Result>
  createAccount(name?: string): Promise<{ readonly accountId: string; readonly managementKeyspaceId: string }>
  createKeyspace(accountId: string, rules?: object, name?: string): Promise<string>
  /** Grants nothing unless `input` says otherwise. */
  createPolicy(accountId: string, input?: object): Promise<string>
  /** A key with one code, the keyspace permitting. */
  createKey(keyspaceId: string, input?: object): Promise<IssuedKey>
  /** A user's id. A MEMBER of a name of their own, unless `input` says otherwise. */
  addUser(accountId: string, input?: object): Promise<string>
  /** A link's id. Into all of the account, under a policy that grants nothing, unless `input` says otherwise. */
  linkKey(accountId: string, keyId: string, input?: object): Promise<string>
  /** A key of a new account, to be linked into another. */
  createForeignKey(input?: object): Promise<IssuedKey>
  /** A credential of this API that belongs to the account. */
  createCredential(accountId: string, permissions: readonly string[]): Promise<string>
  close(): Promise<void>
}

export type TestAppOptions = Partial<
  Pick<
    AppParts,
    'graphiql' | 'introspection' | 'identityProvider' | 'eventStreamTimes' | 'patienceMs' | 'sealing' | 'signingKeys'
  >
> & {
  readonly clock?: TestClock
  readonly poolSize?: number
  /** Where the application reaches its database, instead of directly; it waits as in production then. */
  readonly through?: (direct: pg.ConnectionConfig) => Promise<pg.ConnectionConfig>
}

const POOL_SIZE = 20
const ACCESS_LOG_DAYS = 30

export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = await createTestDatabase()
  let closing = false
  const serving = connect({
    connection: (await options.through?.(database.servingConnection)) ?? database.servingConnection,
    prepared: true,
    poolSize: options.poolSize ?? POOL_SIZE,
    queryTimeoutMs: SERVING_QUERY_TIMEOUT_MS,
    applicationName: 'keyledger-test-app',
    // A pool that ends does not wait for its connections to be closed: dropping the database may cut some off.
    onIdleError: (error) => {
      if (!closing && options.through === undefined) console.error(error)
    },
  })
  serving.pool.on('connect', (connection) => connection.on('error', () => undefined))
  const keyring = newKeyring()
  const clock = options.clock ?? createTestClock()
  const { log, logged } = recordingLogger()
  const app = buildApp({
    services: { database: serving, keyring, clock },
    log,
    accessLogDays: ACCESS_LOG_DAYS,
    identityProvider: options.identityProvider ?? null,
    sealing: options.sealing ?? null,
    signingKeys: options.signingKeys === undefined ? testSigningKeys('first') : options.signingKeys,
    cacheCodes: 1_000,
    stalenessMs: 2_000,
    graphiql: options.graphiql ?? true,
    introspection: options.introspection ?? true,
    ...(options.eventStreamTimes && { eventStreamTimes: options.eventStreamTimes }),
    // A busy machine must not make a test fail that is not about time.
    idleGraceMs: 0,
    patienceMs: options.patienceMs ?? (options.through ? 0 : PATIENTLY.timeout),
  })
  const rootKey = newRootKey()
  await replaceRootKey({ database: serving, keyring }, rootKey)
  const port = await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = `http://127.0.0.1:${port}`
  const client = clientOf(origin, rootKey.reveal())
  return {
    app,
    origin,
    database,
    keyring,
    clock,
    rootKey: rootKey.reveal(),
    logged,
    ...client,
    ...helpersOf(client),
    async close() {
      closing = true
      await app.close()
      await serving.close()
      await database.drop()
    },
  }
}

export function newKeyring(text: string = newKeyringText()): Keyring {
  const read = parseKeyring(text)
  if (!read.ok) throw new Error(read.problems.join('; '))
  return read.keyring
}

export type Client = Pick<TestApp, 'execute' | 'ask'>

export function clientOf(origin: string, rootKey: string): Client {
  const execute: Client['execute'] = async (document, variables, { credential = rootKey, headers } = {}) => {
    const response = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
        ...headers,
      },
      body: JSON.stringify({ query: textOf(document), variables }),
    })
    const { data = null, errors = [] } = (await response.json()) as { data?: never; errors?: ClientError[] }
    return { status: response.status, requestId: response.headers.get('x-request-id'), data, errors }
  }
  return {
    execute,
    async ask(document, variables, options) {
      let answer = await execute(document, variables, options)
      // As clients do: whoever is busy may say so at any time.
      for (let again = 0; again < AGAIN_MAX && isUnavailable(answer); again++) {
        await delay(AGAIN_AFTER_MS)
        answer = await execute(document, variables, options)
      }
      const { data, errors } = answer
      if (data === null || errors.length > 0) throw new Error(`Not answered: ${JSON.stringify(errors)}`)
      return data
    },
  }
}

const AGAIN_MAX = 60
const AGAIN_AFTER_MS = 500

function isUnavailable({ errors }: Pick<Executed<unknown>, 'errors'>): boolean {
  return errors[0]?.extensions?.code === 'UNAVAILABLE'
}

function textOf(document: Document<unknown, never>): string {
  return typeof document === 'object' && 'kind' in document ? print(document) : document.toString()
}

type Mutated = Readonly<Record<string, never>>

type Helpers = Pick<
  TestApp,
  | 'createKey'
  | 'createAccount'
  | 'createKeyspace'
  | 'createPolicy'
  | 'addUser'
  | 'createCredential'
  | 'linkKey'
  | 'createForeignKey'
>

function helpersOf({ ask }: Client): Helpers {
  /** The payload of a mutation that must succeed. */
  async function mutate(name: string, input: object, selection: string): Promise<Mutated> {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
    const document = `mutation ($input: ${type}Input!) { ${name}(input: $input) {
      ... on ${type}Success { ${selection} } ... on Error { code message } ... on InvalidInputError { issues { path message } } } }`
    const { [name]: result } = await ask<Record<string, Mutated>, object>(document, { input })
    if (result === undefined || 'code' in result) throw new Error(`${name} was refused: ${JSON.stringify(result)}`)
    return result
  }

  let count = 0
  const createKey = async (keyspaceId: string, input: object = {}): Promise<IssuedKey> => {
    count += 1
    const made = await mutate(
      'createKey',
      { keyspaceId, name: `key ${count}`, ...input },
      'key { id } issued { secret accessCode { id } }',
    )
    const { key, issued } = made as unknown as {
      key: { id: string }
      issued: { secret: string; accessCode: { id: string } }[]
    }
    return { keyId: key.id, codeId: issued[0]?.accessCode.id ?? '', secret: issued[0]?.secret ?? '' }
  }
  const helpers: Helpers = {
    createKey,
    async createAccount(name = 'Acme') {
      const { account } = await mutate('createAccount', { name }, 'account { id managementKeyspace { id } }')
      const { id, managementKeyspace } = account as unknown as { id: string; managementKeyspace: { id: string } }
      return { accountId: id, managementKeyspaceId: managementKeyspace.id }
    },
    async createKeyspace(accountId: string, rules: object = {}, name?: string) {
      count += 1
      const input = { accountId, name: name ?? `keyspace ${count}`, rules }
      const { keyspace } = await mutate('createKeyspace', input, 'keyspace { id }')
      return (keyspace as unknown as { id: string }).id
    },
    async createPolicy(accountId: string, input: object = {}) {
      count += 1
      const made = { accountId, name: `policy ${count}`, description: 'what it is for', permissions: [], ...input }
      const { policy } = await mutate('createPolicy', made, 'policy { id }')
      return (policy as unknown as { id: string }).id
    },
    async addUser(accountId: string, input: object = {}) {
      count += 1
      const given = { accountId, externalId: `user-${count}@example.org`, role: 'MEMBER', ...input }
      const { user } = await mutate('addUser', given, 'user { id }')
      return (user as unknown as { id: string }).id
    },
    async createCredential(accountId: string, permissions: readonly string[]) {
      const { account } = await ask<{ account: { managementKeyspace: { id: string } } }, object>(
        'query ($id: ID!) { account(id: $id) { managementKeyspace { id } } }',
        { id: accountId },
      )
      return (await createKey(account.managementKeyspace.id, { permissions })).secret
    },
    async linkKey(accountId: string, keyId: string, input: object = {}) {
      const policyIds = 'policyIds' in input ? input.policyIds : [await helpers.createPolicy(accountId)]
      const { link } = await mutate('linkKey', { accountId, keyId, ...input, policyIds }, 'link { id }')
      return (link as unknown as { id: string }).id
    },
    async createForeignKey(input: object = {}) {
      const { accountId } = await helpers.createAccount('Lender')
      return createKey(await helpers.createKeyspace(accountId), input)
    },
  }
  return helpers
}
