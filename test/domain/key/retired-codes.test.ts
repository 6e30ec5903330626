import { describe, expect, test } from 'vitest'
import type { KeyFact } from '#domain/key/events.ts'
import { newlyRetired } from '#domain/key/retired-codes.ts'
import { evolveKey, initialKey, type KeyState } from '#domain/key/state.ts'
import { at } from '#test/support/given.ts'
import {
  BORN,
  codeDeleted,
  codeDisabled,
  codeEnabled,
  codeRevealed,
  created,
  days,
  deleted,
  issued,
  keyDisabled,
  NOW,
  revoked,
  rotated,
} from './fixtures.ts'

const SECOND = issued('b', { slot: 'SECONDARY' })

function retiredBy(history: readonly KeyFact[], ...facts: readonly KeyFact[]): readonly string[] {
  const before = at(BORN, ...history).reduce<KeyState>(evolveKey, initialKey)
  return newlyRetired(before, at(NOW, ...facts).reduce<KeyState>(evolveKey, before))
}

const two = [created(), issued('a'), SECOND]

describe('a code is retired', () => {
  test.each<[string, readonly KeyFact[], readonly KeyFact[], readonly string[]]>([
    ['by what takes its place', two, [rotated('a', 'c')], ['a']],
    ['by what takes its place, even while an overlap runs', two, [rotated('a', 'c', days(1))], ['a']],
    ['by its deletion', two, [codeDeleted('b')], ['b']],
    ['with all the others by the revocation of the key', two, [revoked], ['a', 'b']],
    ['with all the others by the deletion of the key', two, [revoked, deleted], ['a', 'b']],
    [
      'by what is issued into its slot after it has expired',
      [created(), issued('a', { expiresAt: BORN })],
      [issued('c')],
      ['a'],
    ],
    ['once: a replaced one not again by its deletion', [...two, rotated('a', 'c', days(9))], [codeDeleted('a')], []],
    ['once: not again by the deletion of a revoked key', [...two, revoked], [deleted], []],
  ])('%s', (_how, history, facts, codeIds) => expect(retiredBy(history, ...facts)).toEqual(codeIds))

  test('by nothing else', () => {
    const harmless: readonly KeyFact[] = [
      codeDisabled('a'),
      codeEnabled('a'),
      codeRevealed('a'),
      keyDisabled,
      { type: 'key.updated', data: { name: 'x', expiresAt: NOW } },
      { type: 'code.updated', data: { codeId: 'a', description: 'x' } },
    ]
    expect(retiredBy(two, ...harmless)).toEqual([])
    expect(retiredBy([created(), issued('a')], SECOND)).toEqual([])
    expect(retiredBy([], ...two)).toEqual([])
  })
})
