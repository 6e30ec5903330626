// A keyspace of some thousand keys frozen, and the server killed in the middle of it: the next one finishes.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test, vi } from 'vitest'
import { rootKeyIn, startServerProcess } from '../support/server-process.ts'

const KEYS = 3_000
const AT_ONCE = 20
/** Aliases of one request. */
const TOGETHER = 5

const dataFolder = await mkdtemp(join(tmpdir(), 'keyledger-freeze-'))
const settings = { KEYLEDGER_DATA_DIR: dataFolder }
let server = await startServerProcess(settings, /^ {2}curl /)
const rootKey = rootKeyIn(server.printed)
afterAll(async () => {
  await server.end('SIGTERM')
  await rm(dataFolder, { recursive: true, force: true })
})

// biome-ignore lint/suspicious/noExplicitAny: answers of several shapes.
async function ask(query: string, variables: object = {}): Promise<any> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${rootKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await response.json()) as { data: unknown; errors?: unknown }
  if (errors !== undefined) throw new Error(JSON.stringify(errors))
  return data
}

test('thousands of keys are frozen, each once, though the server was killed while it froze them', {
  timeout: 240_000,
}, async () => {
  const { accounts } = await ask('{ accounts { nodes { id } } }')
  const accountId: string = accounts.nodes[0].id
  const made = await ask(
    `mutation ($accountId: ID!) {
      createKeyspace(input: { accountId: $accountId, name: "sets" }) { ... on CreateKeyspaceSuccess { keyspace { id } } }
      createPolicy(input: { accountId: $accountId, name: "p", description: "d", permissions: ["first"] }) {
        ... on CreatePolicySuccess { policy { id } } } }`,
    { accountId },
  )
  const keyspaceId: string = made.createKeyspace.keyspace.id
  const policyId: string = made.createPolicy.policy.id
  const fields = Array.from(
    { length: TOGETHER },
    (_, n) => `k${n}: createKey(input: { keyspaceId: $keyspaceId, name: "k", policyIds: [$policyId], codes: [] }) {
      ... on CreateKeySuccess { key { id } } }`,
  )
  const createSome = `mutation ($keyspaceId: ID!, $policyId: ID!) { ${fields.join(' ')} }`
  type Created = { readonly key: { readonly id: string } }
  const keyIds: string[] = []
  while (keyIds.length < KEYS) {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => ask(createSome, { keyspaceId, policyId })))
    keyIds.push(...answers.flatMap((answer) => Object.values<Created>(answer).map(({ key }) => key.id)))
  }

  const position = async (): Promise<number> =>
    Number(
      (await ask('query ($accountId: ID!) { account(id: $accountId) { position } }', { accountId })).account.position,
    )
  const before = await position()
  const freeze = `mutation ($keyspaceId: ID!) {
    updateKeyspace(input: { keyspaceId: $keyspaceId, rules: { authorizations: FROZEN } }) {
      ... on UpdateKeyspaceSuccess { events { type } } } }`
  const switching = ask(freeze, { keyspaceId }).then(
    () => 'answered',
    () => 'cut off',
  )
  await vi.waitFor(async () => expect(await position()).toBeGreaterThan(before + 1), { timeout: 30_000, interval: 5 })
  await server.end('SIGKILL')
  expect(await switching).toBe('cut off')

  server = await startServerProcess(settings)
  // The change itself, and one event for each key.
  await vi.waitFor(async () => expect(await position()).toBe(before + 1 + KEYS), { timeout: 60_000, interval: 200 })
  await ask(
    `mutation ($policyId: ID!) { updatePolicy(input: { policyId: $policyId, permissions: ["other"] }) {
      ... on UpdatePolicySuccess { policy { id } } } }`,
    { policyId },
  )
  const granted = new Set<string>()
  for (let after: string | null = null, more = true; more; ) {
    const { keyspace } = await ask(
      `query ($id: ID!, $after: String) { keyspace(id: $id) { keys(first: 100, after: $after) {
        nodes { authorizationsFrozen effectivePermissions } pageInfo { endCursor hasNextPage } } } }`,
      { id: keyspaceId, after },
    )
    for (const node of keyspace.keys.nodes) granted.add(JSON.stringify(node))
    after = keyspace.keys.pageInfo.endCursor
    more = keyspace.keys.pageInfo.hasNextPage
  }
  expect([...granted]).toEqual(['{"authorizationsFrozen":true,"effectivePermissions":["first"]}'])
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...settings, LOG_LEVEL: 'silent' }
  await promisify(execFile)('node', ['src/cli/keyledger.ts', 'rebuild', '--check'], { env })
})
