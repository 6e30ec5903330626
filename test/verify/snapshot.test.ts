// What was read must be no older than what the feed has told: otherwise it is of another server, and what it says no longer holds.
import { expect, test } from 'vitest'
import { isUnavailable } from '#database/unavailable.ts'
import { snapshotOf } from '#verify/snapshot.ts'

const columns = (head: bigint) => [{ generation: 1n, shards: [0, 1], heads: [7n, head] }]
const since = new Map([[1, { position: 5n, eventId: 'evt' }]])

test.each([5n, 6n])('is as new as the feed, at %s', (head) => {
  expect(snapshotOf(columns(head), since).heads.get(1)).toBe(head)
})

test('is refused where it had seen less, as a standby that lags has', () => {
  expect.assertions(1)
  try {
    snapshotOf(columns(4n), since)
  } catch (error) {
    expect(isUnavailable(error)).toBe(true)
  }
})

test('is refused where it knows nothing of what the feed has told', () => {
  expect(() => snapshotOf([{ generation: 1n, shards: [0], heads: [7n] }], since)).toThrow('older')
})
