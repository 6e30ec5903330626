// What events changed, read for a page of them: few statements, whatever they are of, and the same as each by itself.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { disableKey } from '#commands/disable-key.ts'
import { enableKey } from '#commands/enable-key.ts'
import { updateKey } from '#commands/update-key.ts'
import { send } from '#database/connect.ts'
import { type FoldedStreams, readChanges } from '#queries/changes.ts'
import { listEvents } from '#queries/event-search.ts'
import type { EventRow } from '#queries/events.ts'
import { createLoaders } from '#queries/loaders.ts'
import type { Reader } from '#queries/reader.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { indexesOf, planFor, seqScansOf } from '#test/support/explain.ts'
import { testKeyring, testServices } from '#test/support/services.ts'
import { statementsOf } from '#test/support/statements.ts'

const KEYS = 3
const CHANGES = 40

let database: TestDatabase
let reader: Reader
let accountId: string
let keyId: string
let events: readonly EventRow[]
beforeAll(async () => {
  database = await createTestDatabase()
  reader = { database: database.serving, keyring: testKeyring('k1'), now: '2026-06-01T00:00:00.000Z', memberId: null }
  const at = testServices(database.serving)
  ;({ accountId } = await at.createAccount())
  const keyspaceId = await at.createKeyspace(accountId)
  for (let n = 0; n < KEYS; n++) {
    ;({ keyId } = await at.createKey(keyspaceId, { name: 'key 0' }))
    for (let i = 1; i <= CHANGES; i++) {
      if (i % 4 === 0) await at.done(i % 8 === 0 ? enableKey : disableKey, { keyId })
      else await at.done(updateKey, { keyId, name: `key ${i}` })
    }
  }
  events = await all()
})
afterAll(() => database.drop())

async function all(): Promise<readonly EventRow[]> {
  const first = await listEvents(reader, { accountId }, {}, { first: 100 })
  const next = await listEvents(reader, { accountId }, {}, { first: 100, after: first.pageInfo.endCursor })
  return [...first.edges, ...next.edges].map(({ node }) => node)
}

const loaded = (some: readonly EventRow[]) => {
  const { changes } = createLoaders(reader, { kind: 'ROOT' })
  return Promise.all(some.map((event) => changes.load(event)))
}

test('each event is told by itself as it is among others, in whatever order they are asked about', async () => {
  const together = await loaded(events)
  for (const index of [0, 1, 5, 30, 60, events.length - 1]) {
    const [alone] = await loaded(events.slice(index, index + 1))
    expect(alone).toEqual(together[index])
  }
  expect(await loaded(events.toReversed())).toEqual(together.toReversed())
  expect(await loaded(events.filter((_, index) => index % 7 === 3))).toEqual(together.filter((_, i) => i % 7 === 3))
  expect(together.flat()).toContainEqual({ field: 'name', before: 'key 2', after: 'key 3' })
  expect(together.flat()).toContainEqual({ field: 'enabled', before: true, after: false })
})

test('a page is read by one statement, in the index of streams', async () => {
  const last = events.filter((event) => event.stream_id === keyId).slice(-20)
  const sent = await statementsOf(() => loaded(last))
  expect(sent).toHaveLength(1)
  for (const statement of sent) {
    const plan = await planFor(database.owner, statement)
    expect(indexesOf(plan)).toEqual(['event_stream_version_key'])
    expect(seqScansOf(plan)).toEqual([])
  }
})

test('what a thing was called when something happened to it is found by the index of names', async () => {
  const { namesThen } = createLoaders(reader, { kind: 'ROOT' })
  const ofKey = events.filter((event) => event.stream_id === keyId)
  const sent = await statementsOf(async () => {
    const names = await Promise.all(ofKey.map((event) => namesThen.load(event)))
    // Version 1 made it, 2 its code; from then on it was renamed but for every fourth time.
    expect(names.slice(0, 7)).toEqual([
      { before: null, after: 'key 0' },
      { before: 'key 0', after: 'key 0' },
      { before: 'key 0', after: 'key 1' },
      { before: 'key 1', after: 'key 2' },
      { before: 'key 2', after: 'key 3' },
      { before: 'key 3', after: 'key 3' },
      { before: 'key 3', after: 'key 5' },
    ])
  })
  expect(sent).toHaveLength(1)
  for (const statement of sent) {
    const plan = await planFor(database.owner, statement)
    expect(indexesOf(plan)).toEqual(['event_of_name'])
    expect(seqScansOf(plan)).toEqual([])
  }
})

test('what is at hand from its beginning is not read again', async () => {
  expect(await statementsOf(() => loaded(events))).toEqual([])
})

test('streams that were folded go on from there, be there gaps or not', async () => {
  const together = await loaded(events)
  const folded: FoldedStreams = new Map()
  let read = 0
  const told: unknown[] = []
  for (let from = 0; from < events.length; from += 10) {
    const page = events.slice(from, from + 10).filter((_, index) => index % 5 !== 2)
    const changes = await readChanges(
      async (query) => {
        const rows = await send(database.serving.pool, query)
        read += rows.length
        return rows
      },
      page,
      folded,
    )
    told.push(...page.map((event) => changes.get(event.event_id)))
  }
  expect(told).toEqual(together.filter((_, index) => index % 5 !== 2))
  // Of pages that follow each other nothing is folded twice.
  expect(read).toBeLessThan(events.length)
})

test('a stream that lacks an event is a fault, not a wrong answer', async () => {
  const [event] = events.filter((one) => one.stream_id === keyId).slice(-1)
  if (event === undefined) throw new Error('There are events')
  const without = async (query: Parameters<typeof send>[1]) =>
    (await send(database.serving.pool, query)).filter((row) => (row as EventRow).version !== 5) as never
  await expect(readChanges(without, [event])).rejects.toThrow('dense')
  await expect(readChanges(async () => [], [event])).rejects.toThrow('dense')
})
