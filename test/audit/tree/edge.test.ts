// Appending against the naive tree: the same root at every size, in however many steps it was reached.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appendLeaves, type Edge, EMPTY_EDGE, edgeOf, edgeTileIds, rootOf } from '#audit/tree/edge.ts'
import { HASH_BYTES } from '#audit/tree/hash.ts'
import { tilesOf } from '#audit/tree/tiles.ts'
import { leafOf, leavesUpTo, naiveRoot } from '#test/audit/support/naive-tree.ts'
import { memoryTiles } from '#test/audit/support/tiles.ts'

const EDGES = [255, 256, 257, 65_535, 65_536, 65_537]
const leaves = leavesUpTo(65_537 + 300)
const memory = new Map<string, Buffer>()

describe('a tree that is appended to', () => {
  test('has the root of the naive tree at every size from 0 to 600', () => {
    let edge: Edge = EMPTY_EDGE
    for (let size = 0; size <= 600; size++) {
      expect(rootOf(edge).equals(naiveRoot(leaves, memory, 0, size))).toBe(true)
      edge = appendLeaves(edge, [leafOf(size)]).edge
    }
  })

  test.each(EDGES)('has the root of the naive tree at %i, where tiles end', (size) => {
    expect(
      rootOf(appendLeaves(EMPTY_EDGE, leaves.slice(0, size)).edge).equals(naiveRoot(leaves, memory, 0, size)),
    ).toBe(true)
  })

  test('is the same however many are appended at once', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 6 }), (steps) => {
        const grown = memoryTiles()
        let size = 0
        for (const step of steps) {
          grown.append(leaves.slice(size, size + step))
          size += step
        }
        const atOnce = memoryTiles()
        atOnce.append(leaves.slice(0, size))
        expect(grown.edge()).toEqual(atOnce.edge())
        for (const tile of tilesOf(size)) {
          expect(grown.tile(tile)).toEqual(atOnce.tile(tile))
          expect(grown.tile(tile)?.length).toBe(tile.width * HASH_BYTES)
        }
        expect(grown.count()).toBe([...tilesOf(size)].length)
      }),
      { numRuns: 50 },
    )
  })

  test('hands on each tile that grew, and no other', () => {
    const { edge } = appendLeaves(EMPTY_EDGE, leaves.slice(0, 255))
    expect(appendLeaves(edge, []).tiles).toEqual([])
    expect(appendLeaves(edge, leaves.slice(255, 256)).tiles.map(({ level, index }) => [level, index])).toEqual([
      [0, 0],
      [1, 0],
    ])
    expect(appendLeaves(edge, leaves.slice(255, 258)).tiles.map(({ level, index }) => [level, index])).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
    ])
  })
})

describe('an edge that is loaded', () => {
  const grown = memoryTiles()
  grown.append(leaves)

  test.each([0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537])(
    'is that of %i, though its tiles have grown since',
    (size) => {
      const edge = edgeOf(size, grown.tile)
      expect(edge).toEqual(appendLeaves(EMPTY_EDGE, leaves.slice(0, size)).edge)
      const asked: string[] = []
      edgeOf(size, (id) => {
        asked.push(`${id.level}/${id.index}`)
        return grown.tile(id)
      })
      expect(asked).toEqual(edgeTileIds(size).map(({ level, index }) => `${level}/${index}`))
    },
  )

  test('is none where a tile is missing or too short', () => {
    for (const size of [1, 257, 65_537])
      for (const wrong of edgeTileIds(size)) {
        const tile = grown.tile(wrong)!
        const without = (hashes: Buffer | undefined) =>
          edgeOf(size, (id) => (id.level === wrong.level ? hashes : grown.tile(id)))
        expect(without(undefined)).toBeUndefined()
        expect(without(tile.subarray(0, wrong.width * HASH_BYTES - 1))).toBeUndefined()
        expect(without(tile.subarray(0, wrong.width * HASH_BYTES))).toBeDefined()
      }
  })
})
