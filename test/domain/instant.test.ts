import { describe, expect, test } from 'vitest'
import { DAY_MS, earlier, epochMsOf, INSTANT_MAX, instantOf, later, plusMs, reached } from '#domain/instant.ts'

const NOW = '2026-03-02T09:00:00.000Z'

test('an instant and its milliseconds are the same moment', () => {
  expect(instantOf(epochMsOf(NOW))).toBe(NOW)
  expect(plusMs(NOW, 1)).toBe('2026-03-02T09:00:00.001Z')
  expect(plusMs(NOW, DAY_MS)).toBe('2026-03-03T09:00:00.000Z')
})

// A five-digit year is written with a sign and would compare as earlier than every other.
test('no sum leaves the range in which instants compare as strings', () => {
  expect(plusMs(INSTANT_MAX, 1)).toBe(INSTANT_MAX)
  expect(plusMs(NOW, 36_500 * DAY_MS * 100)).toBe(INSTANT_MAX)
})

test('an end is reached at its very instant, and no end never', () => {
  expect([reached(NOW, NOW), reached(NOW, plusMs(NOW, -1)), reached(null, INSTANT_MAX)]).toEqual([true, false, false])
})

describe('of two ends', () => {
  test('the earlier one, null being never', () => {
    expect(earlier(NOW, INSTANT_MAX)).toBe(NOW)
    expect(earlier(INSTANT_MAX, NOW)).toBe(NOW)
    expect(earlier(null, NOW)).toBe(NOW)
    expect(earlier(NOW, null)).toBe(NOW)
    expect(earlier(null, null)).toBeNull()
  })

  test('the later one', () => {
    expect([later(NOW, INSTANT_MAX), later(INSTANT_MAX, NOW), later(NOW, NOW)]).toEqual([INSTANT_MAX, INSTANT_MAX, NOW])
  })
})
