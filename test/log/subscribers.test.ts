// Who waits for an account's events: woken by what concerns them and nothing else, and never more of them than an instance holds.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Follower } from '#log/feed.ts'
import { createSubscribers, SUBSCRIBERS_MAX, SUBSCRIBERS_OF_ACCOUNT_MAX, type Subscribers } from '#log/subscribers.ts'
import { createTestClock } from '#test/support/clock.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'

let database: TestDatabase
let subscribers: Subscribers
let follower: Follower | undefined
beforeAll(async () => {
  database = await createTestDatabase()
  const feed = {
    follow(one: Follower) {
      follower = one
      return { stop: () => undefined }
    },
    surroundings: () => undefined,
  }
  subscribers = createSubscribers({ database: database.serving, feed, clock: createTestClock() })
})
afterAll(async () => {
  subscribers.stop()
  await database.drop()
})

function join(accountId: string) {
  const joined = subscribers.join(accountId)
  if (typeof joined === 'string') throw new Error(joined)
  return joined
}

test('what came between two waits is not lost, and wakes once', async () => {
  const one = join('a')
  await one.news(null)
  follower?.onEvents([{ accountId: 'b' }, { accountId: 'a' }] as never)
  await one.news(null)
  let woken = false
  const waiting = one.news(null).then(() => {
    woken = true
  })
  follower?.onEvents([{ accountId: 'b' }] as never)
  await new Promise((resolve) => setImmediate(resolve))
  expect(woken).toBe(false)
  one.leave()
  await waiting
})

test('a rebuild ends nobody, and rewound history everybody', async () => {
  const some = [join('a'), join('b')]
  follower?.onReset('rebuilt')
  expect(some.map((one) => one.ended())).toEqual([undefined, undefined])
  follower?.onReset('rewound')
  expect(some.map((one) => one.ended())).toEqual(['rewound', 'rewound'])
  for (const one of some) one.leave()
})

test('there are never more than an instance holds, and no account takes them all', () => {
  const joined = Array.from({ length: SUBSCRIBERS_MAX }, (_, index) =>
    join(`account ${Math.floor(index / SUBSCRIBERS_OF_ACCOUNT_MAX)}`),
  )
  expect(subscribers.join('another')).toBe('too-many')
  joined[0]?.leave()
  // Twice is once.
  joined[0]?.leave()
  expect(subscribers.join('account 1')).toBe('too-many')
  join('account 0')
  expect(subscribers.join('another')).toBe('too-many')
})
