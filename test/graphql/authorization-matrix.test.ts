// Who may do what, as docs/authorization.md says: every query, mutation, subscription and route, asked for by every kind of caller, over HTTP.
// What is added to the schema and not to the table fails.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { getNamedType } from 'graphql'
import { afterAll, describe, expect, test } from 'vitest'
import type { IdKind } from '#domain/ids.ts'
import { MANAGEMENT_PERMISSIONS } from '#domain/permission.ts'
import { startTestApp } from '#test/support/app.ts'
import {
  idKindAt,
  isId,
  type RootField,
  requiredVariables,
  rootFieldsOf,
  type Slot,
  type Variables,
  withValue,
} from '#test/support/root-fields.ts'
import { testSealer } from '#test/support/sealing.ts'
import { executeRoot } from '#test/support/subscribe.ts'

const PROJECT = join(import.meta.dirname, '../..')
const ONE_PERMISSION = 'one permission'

const app = await startTestApp()
afterAll(() => app.close())
const fields = await rootFieldsOf(app)

const { accountId, managementKeyspaceId } = await app.createAccount('Ours')
const theirs = await app.createAccount('Theirs')
const keyspaceId = await app.createKeyspace(accountId, { secretDisplay: 'REVEALABLE', managedBy: 'OWNERS' })

/** Of a user with the role: a management key that acts as them, and grants no less than they may. */
async function credentialOf(role: string, of = { accountId, managementKeyspaceId }): Promise<string> {
  const externalId = `${role}@example.org`
  await app.addUser(of.accountId, { externalId, role })
  return credentialFor(externalId, of)
}

async function credentialFor(actsAs: string, of = { accountId, managementKeyspaceId }): Promise<string> {
  return (await app.createKey(of.managementKeyspaceId, { permissions: ['*'], actsAs })).secret
}

/** Owns the keys that are asked for. */
const ownerId = await app.addUser(accountId, { externalId: 'owner', role: 'MEMBER' })
const createKey = () => app.createKey(keyspaceId, { ownerId })

/** By the column of the table. */
const callers: Readonly<Record<string, string | null>> = {
  nobody: null,
  'application key': (await app.createKey(keyspaceId)).secret,
  'MEMBER who owns it': await credentialFor('owner'),
  'another MEMBER': await credentialOf('MEMBER'),
  VERIFIER: await credentialOf('VERIFIER'),
  AUDITOR: await credentialOf('AUDITOR'),
  ADMINISTRATOR: await credentialOf('ADMINISTRATOR'),
  "another account's ADMINISTRATOR": await credentialOf('ADMINISTRATOR', theirs),
  root: app.rootKey,
}
const withOne = await Promise.all(
  MANAGEMENT_PERMISSIONS.map(async (permission) => [permission, await app.createCredential(accountId, [permission])]),
)

/** Something of its own, so that it does not matter what becomes of it. */
const makers: Readonly<Record<IdKind, () => Promise<string>>> = {
  acct: async () => accountId,
  ks: () => app.createKeyspace(accountId, { managedBy: 'OWNERS' }),
  key: async () => (await createKey()).keyId,
  code: async () => (await createKey()).codeId,
  pol: () => app.createPolicy(accountId),
  lnk: async () => app.linkKey(accountId, (await app.createForeignKey()).keyId),
  usr: () => app.addUser(accountId),
  async rot() {
    const { keyId } = await createKey()
    const { rotateKey } = await app.ask<{ rotateKey: { rotation: { id: string } } }, object>(
      'mutation ($keyId: ID!) { rotateKey(input: { keyId: $keyId }) { ... on RotateKeySuccess { rotation { id } } } }',
      { keyId },
    )
    return rotateKey.rotation.id
  },
  async evt() {
    const { account } = await app.ask<{ account: { events: { nodes: { id: string }[] } } }, object>(
      'query ($accountId: ID!) { account(id: $accountId) { events(last: 1) { nodes { id } } } }',
      { accountId },
    )
    return account.events.nodes[0]?.id ?? ''
  },
}

/** The rows of `node`, which asks for another right by what it finds. */
const NODES: Readonly<Record<string, IdKind>> = {
  'an account': 'acct',
  'a keyspace': 'ks',
  'a key': 'key',
  'a code': 'code',
  'a rotation': 'rot',
  'a policy': 'pol',
  'a link': 'lnk',
  'a user': 'usr',
  'an event': 'evt',
}

/** What the caller must be let through with: everything that is required, and new things to name. */
async function variablesFor(field: RootField, node: string | undefined): Promise<Variables> {
  const slots: Slot[] = []
  const shape = requiredVariables(field, {
    // It takes either a key or a code, and so requires neither.
    isWanted: (path) => field.name === 'explainVerification' && path.at(-1) === 'codeId',
    valueFor(slot) {
      slots.push(slot)
      return ''
    },
  })
  let variables: Variables = shape
  for (const slot of slots) variables = withValue(variables, slot.path, await valueFor(field, slot, node))
  return variables
}

async function valueFor(field: RootField, slot: Slot, node: string | undefined): Promise<unknown> {
  if (field.name === 'linkKey' && slot.path.at(-1) === 'keyId') return (await app.createForeignKey()).keyId
  if (isId(slot)) return makers[node === undefined ? idKindAt(field, slot) : (NODES[node] ?? 'evt')]()
  if (getNamedType(slot.type).name === 'DateTime') return app.clock.now()
  if (getNamedType(slot.type).name === 'Position') return '1'
  if (slot.path.at(-1) === 'key') return (await app.createKey(keyspaceId)).secret
  return `text-${crypto.randomUUID()}`
}

const STATUS_OF: Readonly<Record<string, string>> = { UNAUTHENTICATED: '401', FORBIDDEN: '403', NOT_FOUND: '404' }

async function outcomeOf(field: RootField, variables: Variables, credential: string | null): Promise<string> {
  const document = field.name === 'accounts' ? '{ accounts { nodes { id } } }' : field.document
  const { data, errors } = await executeRoot<Answer>(app, { ...field, document }, variables, { credential })
  const answer = data?.[field.name] ?? null
  // What stands further in may need another right than the thing itself.
  const error = errors.find(({ path }) => path?.length === 1)
  if (error !== undefined) {
    expect(answer).toBeNull()
    return STATUS_OF[error.extensions?.code ?? ''] ?? `${error.extensions?.code}`
  }
  if (field.name === 'accounts') return JSON.stringify(answer).includes(accountId) ? 'yes' : '404'
  const [told] = Array.isArray(answer) ? answer : [answer]
  if (told === null) return '404'
  // A refusal or a verdict says why; what has no code is a success.
  const { code = 'VALID' } = told as { code?: string }
  return code === 'VALID' ? 'yes' : (STATUS_OF[code] ?? code)
}

type Answer = Readonly<Record<string, unknown>>

type Row = { readonly what: string; readonly cells: Readonly<Record<string, string>> }

async function rowsOf(heading: string): Promise<readonly Row[]> {
  const page = await readFile(join(PROJECT, 'docs/authorization.md'), 'utf8')
  const [, section = ''] = page.split(`## ${heading}\n`)
  const [head = [], , ...rows] = (section.split('\n## ')[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  return rows.map(([what = '', ...cells]) => ({
    what,
    cells: Object.fromEntries(cells.map((cell, index) => [head[index + 1] ?? '', cell])),
  }))
}

const shown = await createKey()

const sealer = testSealer({ database: app.database.serving, keyring: app.keyring })
await sealer.sealNow()
await sealer.stop()

type Ask = (credential: string | null) => Promise<Response>

const bearer = (credential: string | null, name = 'authorization'): Record<string, string> =>
  credential === null ? {} : { [name]: `Bearer ${credential}` }
const get = (path: string, headers: Record<string, string>) => fetch(`${app.origin}${path}`, { headers })

/** By the row of the table. */
const routes: Readonly<Record<string, Ask>> = {
  '`POST /graphql`': (credential) =>
    fetch(`${app.origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(credential) },
      body: JSON.stringify({ query: '{ __typename }' }),
    }),
  '`GET /codes/<id>/secret.txt`': (credential) => get(`/codes/${shown.codeId}/secret.txt`, bearer(credential)),
  '`GET /accounts/<id>/events.ndjson`': (credential) => get(`/accounts/${accountId}/events.ndjson`, bearer(credential)),
  '`GET /accounts/<id>/events.csv`': (credential) => get(`/accounts/${accountId}/events.csv`, bearer(credential)),
  '`ANY /forward-auth`': (credential) =>
    get(`/forward-auth?keyspace=${keyspaceId}&endpoints=ignore`, {
      ...bearer(credential, 'x-keyledger-authorization'),
      'x-api-key': shown.secret,
    }),
  '`GET /audit/<n>/checkpoint`': (credential) => get('/audit/1/checkpoint', bearer(credential)),
  '`GET /audit/<n>/tile/<L>/<N>`': (credential) => get('/audit/1/tile/0/000.p/1', bearer(credential)),
  '`GET /audit/<n>/tile/entries/<N>`': (credential) => get('/audit/1/tile/entries/000.p/1', bearer(credential)),
  '`GET /health/live`': (credential) => get('/health/live', bearer(credential)),
  '`GET /health/ready`': (credential) => get('/health/ready', bearer(credential)),
  'anything else': (credential) => get('/keys', bearer(credential)),
}

async function eventCount(): Promise<unknown> {
  return (await app.database.owner.pool.query('SELECT sum(head) FROM log.feed_shard')).rows[0]
}

/** What each caller is answered. Whoever is not let through has changed nothing. */
async function answersTo(ask: (credential: string | null) => Promise<string>): Promise<Row['cells']> {
  const attempt = async (credential: string | null) => {
    const before = await eventCount()
    const outcome = await ask(credential)
    if (outcome !== 'yes') expect(await eventCount()).toEqual(before)
    return outcome
  }
  const sufficient: string[] = []
  for (const [permission = '', credential = ''] of withOne)
    if ((await attempt(credential)) === 'yes') sufficient.push(`\`${permission}\``)
  const cells: Record<string, string> = {
    [ONE_PERMISSION]: sufficient.length === withOne.length ? 'any' : sufficient.join(', ') || 'none',
  }
  for (const [name, credential] of Object.entries(callers)) cells[name] = await attempt(credential)
  return cells
}

const routeRows = await rowsOf('Routes')

describe('the table of routes', () => {
  test('has each that the server knows', async () => {
    const server = await readFile(join(PROJECT, 'src/http/server.ts'), 'utf8')
    const paths = [...server.matchAll(/'(\/[^']*)'/g)].map((match) => match[1] ?? '')
    expect(paths.length).toBeGreaterThan(4)
    const known = Object.keys(routes).join()
    expect(paths.filter((path) => !known.includes(` ${path}`))).toEqual([])
    expect(routeRows.map(({ what }) => what)).toEqual(Object.keys(routes))
  })

  test.each(routeRows)('says who may: $what', async ({ what, cells }) => {
    const answers = await answersTo(async (credential) => {
      const response = await routes[what]?.(credential)
      // Read to its end: an account has only so many exports at a time.
      await response?.arrayBuffer()
      return response?.ok ? 'yes' : String(response?.status)
    })
    expect(answers).toEqual(cells)
  })
})

const rows = [...(await rowsOf('Queries')), ...(await rowsOf('Mutations')), ...(await rowsOf('Subscriptions'))]
const fieldOf = (what: string) => fields.find(({ name }) => what.split('`')[1] === name)

describe('the table of queries, mutations and subscriptions', () => {
  test('has a row for each, and no other', () => {
    const named = new Set(rows.map(({ what }) => what.split('`')[1]))
    expect([...named].sort()).toEqual(fields.map(({ name }) => name).sort())
    expect(rows.filter(({ what }) => what.includes('`node`')).map(({ what }) => what.split(', ')[1])).toEqual(
      Object.keys(NODES),
    )
  })

  test.each(rows)('says who may: $what', async ({ what, cells }) => {
    const field = fieldOf(what)
    if (field === undefined) throw new Error('There is no such field')
    const node = what.split(', ')[1]
    let variables = await variablesFor(field, node)
    const answers = await answersTo(async (credential) => {
      const outcome = await outcomeOf(field, variables, credential)
      if (outcome === 'yes') variables = await variablesFor(field, node)
      return outcome
    })
    expect(answers).toEqual(cells)
  })
})

const tries = await rowsOf('Dry runs')
const triable = fields.filter(({ args }) => args.some(({ path }) => path[0] === 'dryRun'))

describe('the table of dry runs', () => {
  test('has a row for each mutation that can be tried, and no other', () => {
    expect(tries.map(({ what }) => what.split('`')[1]).sort()).toEqual(triable.map(({ name }) => name).sort())
  })

  test.each(tries)('says who may ask what would become of $what, and nobody changes anything by it', async (row) => {
    const field = triable.find(({ name }) => row.what.split('`')[1] === name)
    if (field === undefined) throw new Error('There is no such field')
    const variables = { ...(await variablesFor(field, undefined)), dryRun: true }
    const before = await eventCount()
    expect(await answersTo((credential) => outcomeOf(field, variables, credential))).toEqual(row.cells)
    expect(await eventCount()).toEqual(before)
  })
})
