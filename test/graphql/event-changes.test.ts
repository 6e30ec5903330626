// What events changed, as the API tells it, and to whom.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '#test/support/app.ts'

let app: TestApp
let accountId: string
let keyId: string
beforeAll(async () => {
  app = await startTestApp()
  ;({ accountId } = await app.createAccount())
  const keyspaceId = await app.createKeyspace(accountId)
  ;({ keyId } = await app.createKey(keyspaceId, { name: 'before' }))
})
afterAll(() => app.close())

const CHANGES = 'events { changes { field before after } }'
const UPDATE = `mutation ($input: UpdateKeyInput!) {
  updateKey(input: $input) { ... on UpdateKeySuccess { ${CHANGES} } ... on Error { message } }
}`
type Change = { field: string; before: unknown; after: unknown }
type Updated = { updateKey: { events: { changes: Change[] | null }[] } }

test('they are told in the answer of the mutation', async () => {
  const { updateKey } = await app.ask<Updated, object>(UPDATE, { input: { keyId, name: 'after', tags: ['a'] } })
  expect(updateKey.events).toEqual([
    {
      changes: [
        { field: 'name', before: 'before', after: 'after' },
        { field: 'tags', before: [], after: ['a'] },
      ],
    },
  ])
})

test('and to an auditor, of all that happened', async () => {
  const credential = await app.createCredential(accountId, ['accounts.read', 'events.read'])
  const query = `query ($accountId: ID!) { account(id: $accountId) { events(first: 100) { nodes { type changes { field } } } } }`
  type Events = { account: { events: { nodes: { type: string; changes: Change[] }[] } } }
  const { account } = await app.ask<Events, object>(query, { accountId }, { credential })
  expect(account.events.nodes.length).toBeGreaterThan(5)
  for (const { type, changes } of account.events.nodes) expect(changes, type).not.toEqual([])
})

test('what was before is not told to who may change a key and not read its history', async () => {
  const credential = await app.createCredential(accountId, ['keys.write'])
  const { data, errors } = await app.execute<Updated, object>(UPDATE, { input: { keyId, name: 'x' } }, { credential })
  expect(data?.updateKey.events).toEqual([{ changes: null }])
  expect(errors.map(({ extensions }) => extensions?.code)).toEqual(['FORBIDDEN'])
  expect(JSON.stringify({ data, errors })).not.toContain('after')
})

test('of who a user is they tell that it was given or changed, and not what it is', async () => {
  const { userId } = await done('addUser', { accountId, externalId: 'ann@example.org', role: 'MEMBER' }, 'user { id }')
  await done('updateUser', { userId, displayName: 'Ann Lee', role: 'AUDITOR' })
  await done('updateUser', { userId, displayName: 'Ann' })
  const told = await eventsOf(userId)
  const nothing = { before: null, after: null }
  expect(told.map(({ changes }) => changes)).toEqual([
    [
      { field: 'externalId', ...nothing },
      { field: 'displayName', ...nothing },
      { field: 'role', before: null, after: 'MEMBER' },
      expect.objectContaining({ field: 'permissions' }),
    ],
    [
      { field: 'displayName', ...nothing },
      { field: 'role', before: 'MEMBER', after: 'AUDITOR' },
    ],
    [{ field: 'displayName', ...nothing }],
  ])
  expect(told.map(({ summary }) => summary).slice(1)).toEqual([
    'root changed user Ann: role now AUDITOR; and the display name',
    'root changed the display name of user Ann',
  ])
  await done('eraseUser', { userId })
  const erased = await eventsOf(userId)
  expect(erased.slice(0, 3).map(({ changes }) => changes)).toEqual(told.map(({ changes }) => changes))
  expect(erased.map(({ summary }) => summary)).toEqual([
    expect.stringMatching(/^root added an erased user as MEMBER, /),
    'root changed an erased user: role now AUDITOR; and the display name',
    'root changed the display name of an erased user',
    'root removed an erased user for good',
    'root erased a user for good: who they were is kept no more',
  ])
})

describe('a thing is called what it was called then', () => {
  const things: readonly (readonly [string, () => Promise<string>, string])[] = [
    ['key', async () => (await app.createKey(await app.createKeyspace(accountId), { name: 'first' })).keyId, 'keyId'],
    ['keyspace', () => app.createKeyspace(accountId, {}, 'first'), 'keyspaceId'],
    ['policy', () => app.createPolicy(accountId, { name: 'first' }), 'policyId'],
  ]
  test.each(things)('%s', async (kind, create, id) => {
    const thingId = await create()
    const update = `update${kind.charAt(0).toUpperCase()}${kind.slice(1)}`
    const between = kind === 'keyspace' ? { rules: { activeKeysMax: 7 } } : { description: 'between' }
    await done(update, { [id]: thingId, name: 'second' })
    await done(update, { [id]: thingId, ...between })
    await done(update, { [id]: thingId, name: 'third' })
    const summaries = (await eventsOf(thingId)).map(({ summary }) => summary)
    expect(summaries[0]).toMatch(new RegExp(`^root created ${kind} first\\b`))
    expect(summaries.slice(-3)).toEqual([
      `root renamed ${kind} first to second`,
      expect.stringMatching(new RegExp(`^root changed ${kind} second: `)),
      `root renamed ${kind} second to third`,
    ])
    const trial = `mutation ($input: ${update.charAt(0).toUpperCase()}${update.slice(1)}Input!) {
      ${update}(input: $input, dryRun: true) { ... on DryRun { planned { summary } } } }`
    const planned = await app.ask<Record<string, { planned: object[] }>, object>(trial, {
      input: { [id]: thingId, name: 'fourth' },
    })
    expect(planned[update]?.planned).toEqual([{ summary: `root renamed ${kind} third to fourth` }])
  })
})

type Event = { readonly summary: string; readonly changes: readonly Change[] }

async function eventsOf(subjectId: string): Promise<readonly Event[]> {
  const query = `query ($accountId: ID!, $filter: EventFilter) {
    account(id: $accountId) { events(filter: $filter) { nodes { summary changes { field before after } } } } }`
  type Answer = { account: { events: { nodes: Event[] } } }
  return (await app.ask<Answer, object>(query, { accountId, filter: { subjectId } })).account.events.nodes
}

/** Does it as root. */
async function done(mutation: string, input: object, made = '__typename'): Promise<{ readonly userId: string }> {
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`
  const document = `mutation ($input: ${type}Input!) {
    ${mutation}(input: $input) { ... on ${type}Success { ${made} } ... on Error { code } } }`
  const answer = await app.ask<Record<string, { code?: string; user?: { id: string } }>, object>(document, { input })
  expect(answer[mutation]?.code, mutation).toBeUndefined()
  return { userId: answer[mutation]?.user?.id ?? '' }
}
