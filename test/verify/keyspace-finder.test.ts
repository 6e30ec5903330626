// What is known of keyspaces that a proxy asks about, under a feed that the test drives.
import { expect, test } from 'vitest'
import type { Follower } from '#log/feed.ts'
import type { Cursors } from '#log/poll.ts'
import { deadlineIn } from '#verify/deadline.ts'
import { createKeyspaceFinder } from '#verify/keyspace-finder.ts'

const KEYSPACE = 'ks_00BAeuIzIGLiPeMDJaDe1Q'
const OTHER = 'ks_00BAeuIzIGLiPeMDJaDe1R'
const PRESENTATIONS = [{ place: 'HEADER', name: 'X-Api-Key' }]

function setUp() {
  const stored = new Set([OTHER])
  const asked: unknown[] = []
  let read = 0n
  let follower: Follower | undefined
  const feed = {
    cursors: (): Cursors => new Map([[0, { position: read, eventId: 'evt' }]]),
    surroundings: () => ({ generation: 1n, rootKeyDigests: [], databaseNow: '', isStandby: false }),
    follow(given: Follower) {
      follower = given
      return { stop: () => undefined }
    },
    catchUp: async () => undefined,
    ageMs: () => 0,
    committed: () => undefined,
    stop: async () => undefined,
  }
  const loading = {
    async ask<Row>({ parameters }: { readonly parameters: readonly unknown[] }) {
      asked.push(parameters[1])
      const snapshot = { generation: 1n, shards: [0], heads: [BigInt(stored.size)] }
      const found = (parameters[1] as string[])
        .filter((id) => stored.has(id))
        .map((id) => ({ ...snapshot, keyspace_id: id, account_id: 'acct_1', presentations: PRESENTATIONS }))
      return (found.length > 0 ? found : [{ ...snapshot, keyspace_id: null }]) as unknown as readonly Row[]
    },
  }
  const finder = createKeyspaceFinder({ loading, feed })
  return {
    asked,
    find: (id = KEYSPACE) => finder.find(id, deadlineIn(1_000)),
    create() {
      stored.add(KEYSPACE)
    },
    handOn() {
      read += 1n
      const shard = { shard: 0, shardPosition: read, accountId: 'acct_1', position: read, eventId: 'evt' }
      const stream = { streamId: KEYSPACE, streamKind: 'keyspace' as const, type: 'keyspace.created', schemaVersion: 1 }
      follower?.onEvents([{ ...shard, ...stream, data: {} }])
    },
  }
}

test('many who ask at once are answered by one statement, each about theirs', async () => {
  const { asked, find } = setUp()
  const found = await Promise.all([find(), find(OTHER), find(), find(OTHER)])
  expect(found.map((one) => one?.accountId)).toEqual([undefined, 'acct_1', undefined, 'acct_1'])
  expect(asked).toEqual([[KEYSPACE, OTHER]])
})

test('one that is not there is asked for once, and found as soon as the feed has told that it is', async () => {
  const { asked, find, create, handOn } = setUp()
  for (let time = 0; time < 3; time++) expect(await find()).toBeUndefined()
  expect(asked).toHaveLength(1)
  create()
  handOn()
  expect(await find()).toEqual({ accountId: 'acct_1', presentations: PRESENTATIONS })
  expect(asked).toHaveLength(2)
})

test('one that came to be while it was asked for is found the next time', async () => {
  const { find, create, handOn } = setUp()
  const asked = find()
  handOn()
  create()
  await asked.catch(() => undefined)
  expect(await find()).toBeDefined()
})
