// What the answer of a poll means: where the reader then stands, and what tells that history is not what it was.
import { describe, expect, test } from 'vitest'
import { type Cursors, PAGE_SIZE, type PollRow, readPoll } from '#log/poll.ts'

const at = (position: bigint) => ({ position, eventId: `evt_${position}` })
const from = (position: bigint): Cursors => new Map([[3, at(position)]])

const SURROUNDINGS = {
  generation: 1n,
  root_key_digests: null,
  database_now: '2026-03-01T09:31:00.000Z',
  is_standby: false,
}
const NOTHING = {
  shard_position: null,
  account_id: null,
  position: null,
  event_id: null,
  stream_id: null,
  stream_kind: null,
  type: null,
  schema_version: null,
  data: null,
}
const quiet: PollRow = { ...SURROUNDINGS, ...NOTHING, shard: null, head: null, last_event_id: null }

/** The row of the event at this position, in a shard whose head is there. */
function row(position: bigint, head: bigint): PollRow {
  return {
    ...SURROUNDINGS,
    shard: 3,
    head,
    last_event_id: `evt_${head}`,
    shard_position: position,
    account_id: 'acct_1',
    position,
    event_id: `evt_${position}`,
    stream_id: 'key_1',
    stream_kind: 'key',
    type: 'key.updated',
    schema_version: 1,
    data: {},
  }
}
const rowsOf = (first: bigint, last: bigint, head: bigint) =>
  Array.from({ length: Number(last - first) + 1 }, (_, index) => row(first + BigInt(index), head))

describe('a poll', () => {
  test('that finds nothing new leaves the reader where it was', () => {
    expect(readPoll(from(5n), [quiet])).toMatchObject({
      kind: 'forward',
      events: [],
      cursors: from(5n),
      heads: from(5n),
    })
  })

  test('hands on what lies behind the anchor, in order', () => {
    const polled = readPoll(from(5n), rowsOf(5n, 8n, 8n))
    expect(polled).toMatchObject({ kind: 'forward', cursors: from(8n) })
    expect(polled.kind === 'forward' && polled.events.map((event) => event.shardPosition)).toEqual([6n, 7n, 8n])
  })

  test('of a shard that was empty hands on its first events', () => {
    const polled = readPoll(new Map([[3, { position: 0n, eventId: '' }]]), rowsOf(1n, 2n, 2n))
    expect(polled.kind === 'forward' && polled.events.length).toBe(2)
  })

  test('without a cursor begins at the head', () => {
    const first: PollRow = { ...SURROUNDINGS, ...NOTHING, shard: 3, head: 9n, last_event_id: 'evt_9' }
    expect(readPoll(new Map(), [first])).toMatchObject({ kind: 'forward', events: [], cursors: from(9n) })
  })

  test('whose page is full stands at its end, and still knows the head', () => {
    const head = BigInt(PAGE_SIZE) + 100n
    const polled = readPoll(from(1n), rowsOf(1n, BigInt(PAGE_SIZE) + 1n, head))
    expect(polled).toMatchObject({ kind: 'forward', cursors: from(BigInt(PAGE_SIZE) + 1n), heads: from(head) })
  })
})

describe('history that was rewound is noticed', () => {
  test.each<[string, readonly PollRow[]]>([
    [
      'when it ends before what was read',
      [{ ...SURROUNDINGS, ...NOTHING, shard: 3, head: 4n, last_event_id: 'evt_4' }],
    ],
    ['when it ends before it, at an event that was read', [row(4n, 4n)]],
    ['when another event stands at the cursor', [{ ...row(5n, 5n), event_id: 'evt_other' } as PollRow]],
    ['when no event stands at the cursor', [row(6n, 6n)]],
    ['when an event is missing', [row(5n, 7n), row(7n, 7n)]],
    ['when the last event is missing', [row(5n, 7n), row(6n, 7n)]],
    ['when all events are missing', [row(5n, 7n)]],
  ])('%s', (_what, rows) => {
    expect(readPoll(from(5n), rows)).toMatchObject({ kind: 'rewound', shard: 3 })
  })
})
