import { expect, test, vi } from 'vitest'
import type { Anchor, AnchorRecord } from '#audit/anchor/anchor.ts'
import { startKeeper } from '#audit/anchor/keeper.ts'
import { recordingLogger } from '#test/support/log.ts'

function recordOf(size: number): AnchorRecord {
  return { origin: 'h/audit/1', size, root: 'r', note: 'n', heads: {} }
}

function recording(isUp = () => true): Anchor & { readonly sizes: number[]; attempts: number } {
  return {
    name: 'elsewhere',
    sizes: [],
    attempts: 0,
    records: async () => [],
    async keep({ size }) {
      this.attempts++
      if (!isUp()) throw new Error('out of reach')
      this.sizes.push(size)
    },
  }
}

test('the first checkpoint is kept at once, and of those that follow at once the newest when it stops', async () => {
  const anchor = recording()
  const keeper = startKeeper([anchor], recordingLogger().log)
  for (let size = 1; size <= 5; size++) keeper.keep(recordOf(size))
  await vi.waitFor(() => expect(anchor.sizes).toContain(1))
  await keeper.stop()
  expect(anchor.sizes).toEqual([1, 5])
})

test('one that is out of reach is tried again, and keeps the others from nothing', async () => {
  let isUp = false
  const [down, up] = [recording(() => isUp), recording()]
  const { log, logged } = recordingLogger()
  const keeper = startKeeper([down, up], log)
  keeper.keep(recordOf(1))
  await vi.waitFor(() => expect([down.attempts, up.sizes]).toEqual([1, [1]]))
  isUp = true
  await vi.waitFor(() => expect(down.sizes).toEqual([1]), { timeout: 20_000 })
  await keeper.stop()
  expect(logged.map(({ level, anchor }) => [level, anchor])).toEqual([
    ['error', 'elsewhere'],
    ['info', 'elsewhere'],
  ])
})

test('it stops though an anchor stays out of reach', async () => {
  const anchor = recording(() => false)
  const keeper = startKeeper([anchor], recordingLogger().log)
  keeper.keep(recordOf(1))
  await vi.waitFor(() => expect(anchor.attempts).toBeGreaterThan(0))
  await keeper.stop()
  expect(anchor.sizes).toEqual([])
})
