// The cache by itself, under a feed that the tests drive: it may forget, but never give what an event has ended.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Follower } from '#log/feed.ts'
import type { Cursors, FeedEvent, Surroundings } from '#log/poll.ts'
import { UNIT_BYTES } from '#verify/scale.ts'
import { createSourcedCache, type Snapshot } from '#verify/sourced-cache.ts'
import type { Part } from '#verify/weight.ts'

const DIGEST = 'd1'

/** A log of one shard, of which the feed has handed on the first `read` events. */
function drivenFeed() {
  const log: FeedEvent[] = []
  let read = 0
  let generation = 1n
  let follower: Follower | undefined
  return {
    feed: {
      follow(given: Follower) {
        follower = given
        return { stop: () => undefined }
      },
      cursors: (): Cursors => new Map([[0, { position: BigInt(read), eventId: `evt_${read}` }]]),
      surroundings: (): Surroundings => ({
        generation,
        rootKeyDigests: [],
        databaseNow: '2026-03-01T09:30:00.000Z',
        isStandby: false,
      }),
    },
    append(streamId: string, type = 'key.updated', data: unknown = {}) {
      const position = BigInt(log.length + 1)
      log.push({
        shard: 0,
        shardPosition: position,
        accountId: 'acct_1',
        position,
        eventId: `evt_${position}`,
        streamId,
        streamKind: 'key',
        type,
        schemaVersion: 1,
        data,
      })
    },
    handOn(count = log.length - read) {
      follower?.onEvents(log.slice(read, read + count))
      read += count
    },
    reset() {
      generation += 1n
      follower?.onReset('rebuilt')
    },
    snapshot: (): Snapshot => ({ generation, heads: new Map([[0, BigInt(log.length)]]) }),
  }
}

function setUp(entriesMax = 3) {
  const driven = drivenFeed()
  const cache = createSourcedCache<string>({ feed: driven.feed, entriesMax })
  const put = (key: string, sources: readonly string[] = [key], snapshot = driven.snapshot(), epoch = cache.epoch()) =>
    cache.put(key, { found: `found ${key}`, sources }, snapshot, epoch)
  /** One that takes so many units, and what it shares with others. */
  const putHeavy = (key: string, units: number, parts: readonly Part[] = []) =>
    cache.put(
      key,
      { found: `found ${key}`, sources: [key], weight: { bytes: units * UNIT_BYTES, parts } },
      driven.snapshot(),
      cache.epoch(),
    )
  const kept = (keys: string) => [...keys].filter((key) => cache.get(key) !== undefined).join('')
  return { ...driven, cache, put, putHeavy, kept }
}

const partOf = (units: number): Part => ({ value: {}, bytes: Math.floor(units * UNIT_BYTES) })

test('a cache of no entries keeps none', () => {
  const { cache, put } = setUp(0)
  put('a')
  expect(cache.get('a')).toBeUndefined()
  expect(cache.size()).toBe(0)
})

describe('an entry', () => {
  test.each([
    ['its stream', 'key_1', 'key.revoked', {}],
    ['one of its other sources', 'pol_1', 'policy.updated', {}],
    ['a code issued with its digest', 'key_2', 'code.issued', { digest: DIGEST }],
    ['a rotation to its digest', 'key_2', 'key.rotated', { replacement: { digest: DIGEST } }],
    ['a link of its key', 'lnk_1', 'key.linked', { keyId: 'key_1' }],
  ])('ends with an event about %s', (_what, streamId, type, data) => {
    const { cache, put, append, handOn } = setUp()
    put('a', ['key_1', 'pol_1', DIGEST])
    expect(cache.get('a')).toBe('found a')
    append(streamId, type, data)
    handOn()
    expect(cache.get('a')).toBeUndefined()
  })

  test('stays when something else changes', () => {
    const { cache, put, append, handOn } = setUp()
    put('a', ['key_1', DIGEST])
    append('key_2', 'code.issued', { digest: 'd2' })
    handOn()
    expect(cache.get('a')).toBe('found a')
  })

  test('is not kept when the feed has already handed on what its snapshot had not seen', () => {
    const { cache, put, append, handOn, snapshot } = setUp()
    const before = snapshot()
    append('key_1', 'key.revoked')
    handOn()
    put('a', ['key_1'], before)
    expect(cache.get('a')).toBeUndefined()
  })

  test('read before a reset is not kept after it', () => {
    const { cache, put, reset, snapshot } = setUp()
    const [before, epoch] = [snapshot(), cache.epoch()]
    reset()
    put('a', ['key_1'], before)
    put('b', ['key_1'], snapshot(), epoch)
    expect([cache.get('a'), cache.get('b')]).toEqual([undefined, undefined])
  })

  test('is forgotten by a reset', () => {
    const { cache, put, reset } = setUp()
    put('a')
    reset()
    expect(cache.get('a')).toBeUndefined()
  })

  test('gives way, when there are too many, if it was used the longest time ago', () => {
    const { cache, put } = setUp(2)
    put('a')
    put('b')
    cache.get('a')
    put('c')
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual(['found a', undefined, 'found c'])
    expect(cache.size()).toBe(2)
  })
})

test('gives way in turn for as long as it lasts, also after all was forgotten', () => {
  const { cache, put, reset } = setUp(100)
  for (const from of [0, 1_000]) {
    for (let at = from; at < from + 500; at++) {
      put(`${at}`)
      expect(cache.size()).toBe(Math.min(at - from + 1, 100))
      expect(cache.get(`${at - 100}`)).toBeUndefined()
    }
    for (let at = from + 400; at < from + 500; at++) expect(cache.get(`${at}`)).toBe(`found ${at}`)
    reset()
    expect(cache.size()).toBe(0)
  }
})

describe('an entry that takes much', () => {
  test('makes as many give way as would have had its room', () => {
    const { putHeavy, kept, cache } = setUp(6)
    for (const key of 'abcdef') putHeavy(key, 1)
    putHeavy('g', 3.5)
    expect(kept('abcdefg')).toBe('efg')
    expect(cache.bytes()).toBe(5.5 * UNIT_BYTES)
  })

  test('is not kept where it alone is more than there is room for, and pushes nothing out', () => {
    const { putHeavy, kept } = setUp(3)
    putHeavy('a', 1)
    putHeavy('b', 3.1)
    putHeavy('c', 1, [partOf(2.1)])
    expect(kept('abc')).toBe('a')
    putHeavy('d', 3)
    expect(kept('abcd')).toBe('d')
  })

  test('in the place of a smaller one of the same key leaves nothing of that behind, kept or not', () => {
    const { putHeavy, kept, cache } = setUp(3)
    putHeavy('a', 1)
    putHeavy('a', 2)
    expect([kept('a'), cache.bytes()]).toEqual(['a', 2 * UNIT_BYTES])
    putHeavy('a', 4)
    expect([kept('a'), cache.bytes()]).toEqual(['', 0])
  })

  test('counts what it shares once, for as long as anybody has it', () => {
    const { putHeavy, kept, cache, append, handOn } = setUp(6)
    const part = partOf(3)
    for (const key of 'abc') putHeavy(key, 1, [part])
    expect([kept('abc'), cache.bytes()]).toEqual(['abc', 6 * UNIT_BYTES])
    for (const [key, units] of [
      ['a', 5],
      ['b', 4],
      ['c', 0],
    ] as const) {
      append(key)
      handOn()
      expect([kept(key), cache.bytes()]).toEqual(['', units * UNIT_BYTES])
    }
  })
})

test('whatever is kept and ended, in whatever order: no more than there is room for, and as much as those that are kept take', () => {
  const parts = [partOf(0.3), partOf(1), partOf(4), partOf(9)]
  const keys = 'abcdefghijkl'
  const step = fc.oneof(
    fc.record({
      do: fc.constant('put' as const),
      key: fc.constantFrom(...keys),
      bytes: fc.integer({ min: 0, max: 12 * UNIT_BYTES }),
      parts: fc.subarray(parts),
    }),
    fc.record({ do: fc.constant('use' as const), key: fc.constantFrom(...keys) }),
    fc.record({ do: fc.constant('end' as const), key: fc.constantFrom(...keys) }),
    fc.record({ do: fc.constant('reset' as const) }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 }), fc.array(step, { maxLength: 60 }), (unitsMax, steps) => {
      const { cache, snapshot, append, handOn, reset } = setUp(unitsMax)
      const last = new Map<string, { readonly bytes: number; readonly parts: readonly Part[] }>()
      for (const next of steps) {
        if (next.do === 'put') {
          last.set(next.key, next)
          cache.put(next.key, { found: '', sources: [next.key], weight: next }, snapshot(), cache.epoch())
        } else if (next.do === 'use') cache.get(next.key)
        else if (next.do === 'end') {
          append(next.key)
          handOn()
        } else reset()
        expect(cache.bytes()).toBeLessThanOrEqual(unitsMax * UNIT_BYTES)
      }
      // Whoever asks for what has ended takes it out.
      const kept = [...last].filter(([key]) => cache.get(key) !== undefined).map(([, weight]) => weight)
      const own = kept.map(({ bytes }) => Math.max(bytes, UNIT_BYTES))
      const common = [...new Set(kept.flatMap((weight) => weight.parts))].map(({ bytes }) => bytes)
      expect(cache.bytes()).toBe([...own, ...common].reduce((sum, bytes) => sum + bytes, 0))
      expect(cache.size()).toBe(kept.length)
    }),
    { numRuns: 500 },
  )
})

describe('a digest that is nobody’s', () => {
  test('is known to be so until a code is issued with it', () => {
    const { cache, append, handOn, snapshot } = setUp()
    cache.putUnknown(DIGEST, snapshot(), cache.epoch())
    expect(cache.isUnknown(DIGEST)).toBe(true)
    append('key_1', 'code.issued', { digest: DIGEST })
    handOn()
    expect(cache.isUnknown(DIGEST)).toBe(false)
  })

  test('does not push out what is used', () => {
    const { cache, put, snapshot } = setUp(1)
    put('a')
    for (let i = 0; i < 20_000; i++) cache.putUnknown(`d${i}`, snapshot(), cache.epoch())
    expect(cache.get('a')).toBe('found a')
  })
})

test('an account’s position is how far its events were handed on', () => {
  const { cache, put, append, handOn } = setUp()
  put('a', ['key_1', 'acct_1'])
  expect(cache.positionOf('acct_1')).toBe(0n)
  for (let i = 0; i < 7; i++) append('key_9')
  handOn(5)
  expect(cache.positionOf('acct_1')).toBe(5n)
  expect(cache.positionOf('acct_2')).toBe(0n)
})

test('whatever happens in whatever order, what is given is as current as what was handed on', () => {
  const streams = fc.constantFrom('key_1', 'key_2', 'pol_1')
  const step = fc.oneof(
    fc.record({ do: fc.constant('append' as const), id: streams }),
    fc.record({ do: fc.constant('hand on' as const), count: fc.nat({ max: 3 }) }),
    fc.record({
      do: fc.constant('load' as const),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      of: fc.uniqueArray(streams),
    }),
    fc.record({ do: fc.constant('keep' as const), load: fc.nat() }),
    fc.record({ do: fc.constant('reset' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const driven = drivenFeed()
      const cache = createSourcedCache<Record<string, number>>({ feed: driven.feed, entriesMax: 3 })
      // The truth: how often each stream has changed, and how often as far as was handed on.
      const versions: Record<string, number> = { key_1: 0, key_2: 0, pol_1: 0 }
      const handedOn: Record<string, number> = { ...versions }
      const pending: string[] = []
      const loads: { key: string; found: Record<string, number>; snapshot: Snapshot; epoch: number }[] = []
      for (const next of steps) {
        if (next.do === 'append') {
          versions[next.id] = (versions[next.id] ?? 0) + 1
          pending.push(next.id)
          driven.append(next.id)
        } else if (next.do === 'hand on') {
          const taken = pending.splice(0, next.count)
          driven.handOn(taken.length)
          for (const id of taken) handedOn[id] = (handedOn[id] ?? 0) + 1
        } else if (next.do === 'load') {
          const found = Object.fromEntries(next.of.map((id) => [id, versions[id] ?? 0]))
          loads.push({ key: next.key, found, snapshot: driven.snapshot(), epoch: cache.epoch() })
        } else if (next.do === 'keep') {
          const load = loads[next.load % Math.max(1, loads.length)]
          if (load !== undefined)
            cache.put(load.key, { found: load.found, sources: Object.keys(load.found) }, load.snapshot, load.epoch)
        } else driven.reset()
        for (const key of ['a', 'b', 'c', 'd'])
          for (const [id, version] of Object.entries(cache.get(key) ?? {}))
            expect(version).toBeGreaterThanOrEqual(handedOn[id] ?? 0)
      }
    }),
    { numRuns: 500 },
  )
})
