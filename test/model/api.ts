// The product as the model sees it: only through its GraphQL API.
import type { TestApp } from '#test/support/app.ts'
import type { Input, Mutation } from './decision.ts'
import type { Made } from './world.ts'

type Event = { readonly id: string; readonly type: string; readonly subjectId: string }
type Issued = { readonly secret: string | null; readonly accessCode: CodeSeen }
export type CodeSeen = {
  readonly id: string
  readonly slot: string
  readonly status: string
  readonly enabled: boolean
  readonly description: string | null
  readonly expiresAt: string | null
}

/** What became of a mutation. `outcome`: DONE, or the code of the error. */
export type Answer = {
  readonly outcome: string
  readonly made: Made
  readonly events: readonly Event[]
  readonly issued: readonly Issued[]
  readonly revealed: string | undefined
}

const CODE = 'id slot status enabled description expiresAt'
const KEY = `id name description tags metadata permissions enabled status expiresAt version keyspace { id } codes { ${CODE} }
  policies { id } owner { id } actsAs { id } authorizationsFrozen effectivePermissions`
const KEYSPACE = `id name version activeKeyCount rules { prefix activeKeysMax liveCodesMax codesAtCreation codeLifetimeDays
  codeLifetimeDaysMax expiryRequired customSecrets codeDeletion secretDisplay authorizations policyRequired managedBy defaultKeys }`
const EVENT = 'id type subjectId'
const ISSUED = `issued { secret accessCode { ${CODE} } }`

const SUCCESS: { readonly [Name in Mutation]: string } = {
  createAccount: 'account { id managementKeyspace { id } }',
  updateAccount: 'account { id }',
  createKeyspace: 'keyspace { id }',
  updateKeyspace: 'keyspace { id }',
  deleteKeyspace: 'keyspaceId',
  createPolicy: 'policy { id }',
  updatePolicy: 'policy { id }',
  deletePolicy: 'policyId',
  addUser: `user { id } ${ISSUED}`,
  updateUser: 'user { id }',
  removeUser: 'userId',
  eraseUser: 'userId',
  linkKey: 'link { id }',
  updateLink: 'link { id }',
  unlinkKey: 'linkId',
  createKey: `key { id } ${ISSUED}`,
  updateKey: 'key { id }',
  enableKey: 'key { id }',
  disableKey: 'key { id }',
  revokeKey: `key { id } ${ISSUED}`,
  deleteKey: `key { id } ${ISSUED}`,
  issueCode: `key { id } ${ISSUED}`,
  updateCode: 'accessCode { id key { id } }',
  enableCode: 'accessCode { id key { id } }',
  disableCode: 'accessCode { id key { id } }',
  deleteCode: 'accessCode { id key { id } }',
  rotateKey: `key { id } ${ISSUED} rotation { retired { id } replacement { id } }`,
  revealCode: 'accessCode { id } secret',
}

type One = { readonly id: string }
type Payload = {
  readonly code?: string
  readonly account?: One & { readonly managementKeyspace?: One }
  readonly keyspace?: One
  readonly policy?: One
  readonly user?: One
  readonly link?: One
  readonly key?: One
  readonly secret?: string
  readonly issued?: Issued | readonly Issued[]
  readonly events?: readonly Event[]
}

export async function send(app: TestApp, mutation: Mutation, input: Input, credential: string | null): Promise<Answer> {
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`
  const document = `mutation ($input: ${type}Input!) { ${mutation}(input: $input) { __typename
    ... on ${type}Success { ${SUCCESS[mutation]} events { ${EVENT} } } ... on Error { code } } }`
  const { data, errors } = await app.execute<Record<string, Payload>, object>(document, { input }, { credential })
  const { code, account, keyspace, policy, user, link, key, secret, issued = [], events = [] } = data?.[mutation] ?? {}
  const codes = [issued].flat()
  return {
    outcome: errors[0] === undefined ? (code ?? 'DONE') : (errors[0].extensions?.code ?? errors[0].message),
    made: {
      id: (account ?? keyspace ?? policy ?? user ?? link ?? key)?.id ?? '',
      managementKeyspaceId: account?.managementKeyspace?.id ?? '',
      codes:
        secret === undefined
          ? codes.map(({ accessCode, ...one }) => ({ id: accessCode.id, secret: one.secret }))
          : [{ id: input.codeId ?? '', secret }],
      eventIds: events.map(({ id }) => id),
    },
    events,
    issued: codes,
    revealed: secret,
  }
}

export type KeySeen = {
  readonly id: string
  readonly owner: One | null
  readonly status: string
  readonly version: number
  readonly codes: readonly CodeSeen[]
  /** Those that have been replaced, deleted, or followed by another, too. */
  readonly allCodes?: readonly CodeSeen[]
}

export async function readKey(app: TestApp, id: string): Promise<KeySeen | null> {
  const document = `query ($id: ID!) { key(id: $id) { ${KEY} allCodes: codes(retired: true) { ${CODE} } } }`
  return (await app.ask<{ key: KeySeen | null }, object>(document, { id })).key
}

/** The key's id, null, or the code of the error, for any caller. */
export async function glimpseKey(app: TestApp, id: string, credential: string | null): Promise<string | null> {
  const document = 'query ($id: ID!) { key(id: $id) { id } }'
  const { data, errors } = await app.execute<{ key: KeySeen | null }, object>(document, { id }, { credential })
  return errors[0]?.extensions?.code ?? data?.key?.id ?? null
}

export type KeyspaceSeen = {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly activeKeyCount: number
}
export type AccountSeen = {
  readonly name: string
  readonly position: string
  readonly keyspaces: readonly KeyspaceSeen[]
  readonly keys: readonly KeySeen[]
}

const STATUSES = ['ACTIVE', 'DISABLED', 'EXPIRED', 'REVOKED', 'DELETED']

/** All that lists tell of an account, its management keyspace's keys included. */
export async function readAccount(app: TestApp, id: string): Promise<AccountSeen> {
  const keys = `keys(first: 100, filter: { statuses: $statuses }) { nodes { ${KEY} } pageInfo { hasNextPage } }`
  type Keys = { readonly nodes: readonly KeySeen[]; readonly pageInfo: { readonly hasNextPage: boolean } }
  type Found = Omit<AccountSeen, 'keyspaces' | 'keys'> & {
    readonly keyspaces: { readonly nodes: readonly KeyspaceSeen[] }
    readonly keys: Keys
    readonly managementKeyspace: { readonly keys: Keys }
  }
  const document = `query ($id: ID!, $statuses: [KeyStatus!]!) { account(id: $id) {
    name position keyspaces(first: 100) { nodes { ${KEYSPACE} } } ${keys} managementKeyspace { ${keys} } } }`
  const { account } = await app.ask<{ account: Found }, object>(document, { id, statuses: STATUSES })
  if (account.keys.pageInfo.hasNextPage) throw new Error('There are more keys than one page holds')
  return {
    ...account,
    keyspaces: account.keyspaces.nodes,
    keys: [...account.keys.nodes, ...account.managementKeyspace.keys.nodes],
  }
}

/** The account's policies, users and links. */
export async function readDirectory(app: TestApp, id: string): Promise<Readonly<Record<string, readonly One[]>>> {
  type Found = Record<string, { readonly nodes: readonly One[] }>
  const document = `query ($id: ID!) { account(id: $id) {
    policies(first: 100) { nodes { id name description permissions endpoints { methods path } version } }
    users(first: 100) { nodes { id externalId displayName role permissions version } }
    links(first: 100) { nodes { id keyId keyName active version keyspace { id } policies { id } } } } }`
  const { account } = await app.ask<{ account: Found }, object>(document, { id })
  return Object.fromEntries(Object.entries(account).map(([name, { nodes }]) => [name, nodes]))
}

/** Everything that happened in an account, as `<type> <id of what it happened to>`. */
export async function readHistory(app: TestApp, id: string): Promise<readonly string[]> {
  type Page = {
    readonly nodes: readonly Event[]
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string }
  }
  const document = `query ($id: ID!, $after: String) { account(id: $id) {
    events(first: 100, after: $after) { nodes { ${EVENT} } pageInfo { hasNextPage endCursor } } } }`
  const history: string[] = []
  for (let after: string | null = null; ; ) {
    const answer: { account: { events: Page } } = await app.ask(document, { id, after })
    const { nodes, pageInfo } = answer.account.events
    history.push(...nodes.map(({ type, subjectId }) => `${type} ${subjectId}`))
    if (!pageInfo.hasNextPage) return history
    after = pageInfo.endCursor
  }
}

export type Question = {
  readonly key: string
  readonly keyspaceId?: string
  readonly accountId?: string
  readonly permission?: string
  readonly endpoint?: { readonly method: string; readonly path: string }
}
export type Verdict = {
  readonly code: string
  readonly keyId: string | null
  readonly codeId: string | null
  readonly linkId: string | null
  readonly accountId: string | null
  readonly owner: string | null
  readonly actsAs: string | null
  readonly permissions: readonly string[]
  readonly expiresAt: string | null
}
/** Where in time and in history it was given. */
export type Given = Verdict & { readonly checkedAt: string; readonly position: string | null }

/** Verdicts in the order of the questions, or the code of the error. */
export async function verify(
  app: TestApp,
  inputs: readonly Question[],
  credential: string | null,
): Promise<readonly Given[] | string> {
  const document = `query ($inputs: [VerifyKeyInput!]!) { verifyKeys(inputs: $inputs) {
    code keyId codeId linkId accountId owner actsAs permissions expiresAt checkedAt position } }`
  const { data, errors } = await app.execute<{ verifyKeys: Given[] }, object>(document, { inputs }, { credential })
  return errors[0] === undefined ? (data?.verifyKeys ?? []) : (errors[0].extensions?.code ?? errors[0].message)
}
