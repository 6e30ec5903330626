import { expect, test } from 'vitest'
import { replacementDelayMs } from '#cli/workers.ts'

/** What is waited each time where one after the other lives for so long. */
function delays(livesMs: readonly number[]): readonly number[] {
  let delayMs = 0
  return livesMs.map((livedMs) => {
    delayMs = replacementDelayMs(delayMs, livedMs)
    return delayMs
  })
}

test('workers that end as soon as they start are replaced less and less often, at most every 30 s', () => {
  expect(delays(Array(12).fill(500))).toEqual([
    100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000,
  ])
})

test('one that has lived for a while is replaced at once', () => {
  expect(delays([500, 500, 500, 60_000, 500])).toEqual([100, 200, 400, 100, 200])
})
