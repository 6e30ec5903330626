// Proofs from tiles against the naive ones, and that nothing but a right proof is believed.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rootOf } from '#audit/tree/edge.ts'
import { consistencyProof, inclusionProof, isConsistent, isIncluded } from '#audit/tree/proofs.ts'
import { leavesUpTo, naiveConsistency, naivePath, naiveRoot } from '#test/audit/support/naive-tree.ts'
import { memoryTiles } from '#test/audit/support/tiles.ts'

const leaves = leavesUpTo(66_600)
const memory = new Map<string, Buffer>()
const tiles = memoryTiles()
tiles.append(leaves)

const rootAt = (size: number) => naiveRoot(leaves, memory, 0, size)
/** Ends of the tree where several subtrees of its right edge lie in one tile, and both sides of where tiles end. */
const SIZES = [255, 256, 257, 383, 511, 513, 1023, 65_535, 65_536, 65_537, 65_791, 65_792 + 257, 66_599]

describe('proofs of small trees', () => {
  test('are the naive ones, for every leaf of every tree of up to 70 leaves', async () => {
    for (let size = 1; size <= 70; size++)
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(tiles.read, index, size)
        expect(proof).toEqual(naivePath(leaves.slice(0, size), index, memory))
        expect(isIncluded({ leafHash: leaves[index]!, index, size, root: rootAt(size), proof })).toBe(true)
      }
  })

  test('are the naive ones, between every two trees of up to 70 leaves', async () => {
    for (let to = 0; to <= 70; to++)
      for (let from = 0; from <= to; from++) {
        const proof = await consistencyProof(tiles.read, from, to)
        expect(proof).toEqual(naiveConsistency(leaves.slice(0, to), from, memory))
        expect(isConsistent({ from, fromRoot: rootAt(from), to, toRoot: rootAt(to), proof })).toBe(true)
      }
  })
})

describe('proofs of larger trees', () => {
  test.each(SIZES)('of %i leaves are the naive ones', async (size) => {
    const some = [0, 1, 127, 128, 254, 255, 256, 257, 511, 65_535, 65_536, size - 2, size - 1].filter((at) => at < size)
    for (const index of some) {
      const proof = await inclusionProof(tiles.read, index, size)
      expect(proof).toEqual(naivePath(leaves.slice(0, size), index, memory))
      expect(isIncluded({ leafHash: leaves[index]!, index, size, root: rootAt(size), proof })).toBe(true)
      const consistent = await consistencyProof(tiles.read, index + 1, size)
      expect(consistent).toEqual(naiveConsistency(leaves.slice(0, size), index + 1, memory))
      const fromRoot = rootAt(index + 1)
      expect(isConsistent({ from: index + 1, fromRoot, to: size, toRoot: rootAt(size), proof: consistent })).toBe(true)
    }
  })

  test('are not made of tiles that are narrower than the tree says', async () => {
    const short = async () => [Buffer.alloc(32)]
    await expect(inclusionProof(short, 0, 600)).rejects.toThrow('as wide as')
    await expect(inclusionProof(tiles.read, 600, 600)).rejects.toThrow('a leaf of the tree')
    await expect(consistencyProof(tiles.read, 601, 600)).rejects.toThrow('not smaller')
  })
})

describe('what is no proof', () => {
  const index = fc.integer({ min: 0, max: 699 })

  test('a proof of inclusion with any bit flipped is refused', async () => {
    await fc.assert(
      fc.asyncProperty(index, index, fc.nat(), async (a, b, at) => {
        const [leaf, size] = [Math.min(a, b), Math.max(a, b) + 1]
        const proof = await inclusionProof(tiles.read, leaf, size)
        const parts = [leaves[leaf]!, rootAt(size), ...proof]
        const [leafHash, root, ...flipped] = flip(parts, at)
        expect(isIncluded({ leafHash: leafHash!, index: leaf, size, root: root!, proof: flipped })).toBe(false)
      }),
    )
  })

  test('a proof of consistency with any bit flipped is refused', async () => {
    await fc.assert(
      fc.asyncProperty(index, index, fc.nat(), async (a, b, at) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const proof = await consistencyProof(tiles.read, from, to)
        const [fromRoot, toRoot, ...flipped] = flip([rootAt(from), rootAt(to), ...proof], at)
        // Nothing is said of the tree that follows the empty one: any root will do there.
        const isAnyRoot = from === 0 && to > 0 && !toRoot!.equals(rootAt(to))
        expect(isConsistent({ from, fromRoot: fromRoot!, to, toRoot: toRoot!, proof: flipped })).toBe(isAnyRoot)
      }),
    )
  })

  test('a proof is refused for another leaf or size, cut, or longer', async () => {
    await fc.assert(
      fc.asyncProperty(index, index, index, async (a, b, other) => {
        const [leaf, size] = [Math.min(a, b), Math.max(a, b) + 1]
        const proof = await inclusionProof(tiles.read, leaf, size)
        const right = { leafHash: leaves[leaf]!, index: leaf, size, root: rootAt(size), proof }
        if (other !== leaf) expect(isIncluded({ ...right, index: other })).toBe(false)
        if (proof.length > 0) expect(isIncluded({ ...right, proof: proof.slice(0, -1) })).toBe(false)
        if (proof.length > 0) expect(isIncluded({ ...right, proof: proof.slice(1) })).toBe(false)
        expect(isIncluded({ ...right, proof: [...proof, rootAt(3)] })).toBe(false)
        expect(isIncluded({ ...right, proof: [...proof, Buffer.alloc(0)] })).toBe(false)
        expect(isIncluded({ ...right, index: size })).toBe(false)
        expect(isIncluded({ ...right, index: -1 })).toBe(false)
      }),
    )
  })

  test('a proof that ends below the root is refused, though what it comes to is the root of a smaller tree', async () => {
    for (const size of [1, 2, 4, 64, 256]) {
      const proof = await inclusionProof(tiles.read, 0, size)
      const small = { leafHash: leaves[0]!, index: 0, size, root: rootAt(size), proof }
      expect(isIncluded(small)).toBe(true)
      expect(isIncluded({ ...small, size: size * 2 })).toBe(false)
    }
  })

  test('a proof between other trees, cut, or longer is refused', async () => {
    await fc.assert(
      fc.asyncProperty(index, index, async (a, b) => {
        fc.pre(a !== b && Math.min(a, b) > 0)
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const proof = await consistencyProof(tiles.read, from, to)
        const right = { from, fromRoot: rootAt(from), to, toRoot: rootAt(to), proof }
        expect(isConsistent({ ...right, fromRoot: rootAt(from - 1) })).toBe(false)
        expect(isConsistent({ ...right, toRoot: rootAt(to + 1) })).toBe(false)
        expect(isConsistent({ ...right, proof: proof.slice(0, -1) })).toBe(false)
        expect(isConsistent({ ...right, proof: proof.slice(1) })).toBe(false)
        expect(isConsistent({ ...right, proof: [...proof, rootAt(3)] })).toBe(false)
        expect(isConsistent({ from: to, fromRoot: rootAt(to), to: from, toRoot: rootAt(from), proof })).toBe(false)
      }),
    )
  })

  test('two trees of one size with other roots are never consistent', () => {
    expect(isConsistent({ from: 5, fromRoot: rootAt(5), to: 5, toRoot: rootAt(6), proof: [] })).toBe(false)
    expect(isConsistent({ from: 0, fromRoot: rootAt(1), to: 5, toRoot: rootAt(5), proof: [] })).toBe(false)
    expect(rootOf(tiles.edge()).equals(rootAt(leaves.length))).toBe(true)
  })
})

/** One bit of one of the hashes flipped, chosen by `at`. */
function flip(hashes: readonly Buffer[], at: number): readonly Buffer[] {
  const bit = at % (hashes.length * 256)
  return hashes.map((hash, number) => {
    const copy = Buffer.from(hash)
    if (number === Math.floor(bit / 256)) copy[(bit % 256) >> 3]! ^= 1 << (bit % 8)
    return copy
  })
}
