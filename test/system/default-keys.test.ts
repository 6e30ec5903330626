// The rule switched on for an account with a thousand users, and the server killed in the middle of it: the next one finishes.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test, vi } from 'vitest'
import { rootKeyIn, startServerProcess } from '../support/server-process.ts'

const USERS = 1_000
const AT_ONCE = 20

const dataFolder = await mkdtemp(join(tmpdir(), 'keyledger-default-keys-'))
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

test('a thousand users have one default key each, though the server was killed while it made them', {
  timeout: 180_000,
}, async () => {
  const { accounts } = await ask('{ accounts { nodes { id } } }')
  const accountId: string = accounts.nodes[0].id
  const { createKeyspace } = await ask(
    `mutation ($accountId: ID!) { createKeyspace(input: { accountId: $accountId, name: "personal", rules: { secretDisplay: REVEALABLE } }) {
      ... on CreateKeyspaceSuccess { keyspace { id } } } }`,
    { accountId },
  )
  const keyspaceId: string = createKeyspace.keyspace.id
  for (let made = 0; made < USERS; made += AT_ONCE)
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, n) =>
        ask(
          `mutation ($accountId: ID!, $externalId: String!) { addUser(input: { accountId: $accountId, externalId: $externalId, role: MEMBER }) {
            ... on AddUserSuccess { user { id } } } }`,
          { accountId, externalId: `user-${made + n}` },
        ),
      ),
    )

  const switching = ask(
    `mutation ($keyspaceId: ID!) { updateKeyspace(input: { keyspaceId: $keyspaceId, rules: { defaultKeys: true } }) {
      ... on UpdateKeyspaceSuccess { events { type } } } }`,
    { keyspaceId },
  ).then(
    () => 'answered',
    () => 'cut off',
  )
  const count = async (): Promise<number> =>
    (await ask('query ($id: ID!) { keyspace(id: $id) { keys { totalCount } } }', { id: keyspaceId })).keyspace.keys
      .totalCount
  await vi.waitFor(async () => expect(await count()).toBeGreaterThan(USERS / 10), { timeout: 30_000, interval: 20 })
  await server.end('SIGKILL')
  expect(await switching).toBe('cut off')

  server = await startServerProcess(settings)
  await vi.waitFor(async () => expect(await count()).toBe(USERS), { timeout: 60_000, interval: 200 })
  const owners = new Set<string>()
  for (let after: string | null = null, more = true; more; ) {
    const { keyspace } = await ask(
      `query ($id: ID!, $after: String) { keyspace(id: $id) { keys(first: 100, after: $after) {
        nodes { isDefault owner { id } } pageInfo { endCursor hasNextPage } } } }`,
      { id: keyspaceId, after },
    )
    for (const { isDefault, owner } of keyspace.keys.nodes) if (isDefault) owners.add(owner.id)
    after = keyspace.keys.pageInfo.endCursor
    more = keyspace.keys.pageInfo.hasNextPage
  }
  expect(owners.size).toBe(USERS)
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...settings, LOG_LEVEL: 'silent' }
  await promisify(execFile)('node', ['src/cli/keyledger.ts', 'rebuild', '--check'], { env })
})
