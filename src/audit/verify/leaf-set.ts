// The hashes of all leaves, and where each stands: 40 bytes a leaf, however many there are.
import { randomInt } from 'node:crypto'
import { HASH_BYTES } from '../tree/hash.ts'

export type LeafSet = {
  readonly size: number
  at(index: number): Buffer
  /** Before the first `indexOf`. */
  replace(index: number, hash: Buffer): void
  /** The leaf with this hash; the first of several. Undefined where there is none. */
  indexOf(hash: Buffer): number | undefined
  /** Notes that the leaf was met; false if it had been before. */
  take(index: number): boolean
  isTaken(index: number): boolean
}

/** `hashes`: one behind the other. */
export function newLeafSet(hashes: Buffer): LeafSet {
  const size = hashes.length / HASH_BYTES
  const taken = new Uint8Array(size)
  let slots: Uint32Array | undefined
  const spread = newSpread()
  const at = (index: number) => hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)
  return {
    size,
    at,
    replace: (index, hash) => void hash.copy(hashes, index * HASH_BYTES),
    indexOf(hash) {
      slots ??= slotsOf(hashes, size, spread)
      for (let slot = spread(hash, 0) % slots.length; ; slot = (slot + 1) % slots.length) {
        const number = slots[slot] ?? 0
        if (number === 0) return undefined
        if (at(number - 1).equals(hash)) return number - 1
      }
    },
    take(index) {
      if (taken[index] === 1) return false
      taken[index] = 1
      return true
    },
    isTaken: (index) => taken[index] === 1,
  }
}

/**
 * Numbers of leaves, from 1, each in the first free slot from where its hash points; of equal hashes only the first. Half of the
 * slots stay free.
 */
function slotsOf(hashes: Buffer, size: number, spread: (hashes: Buffer, at: number) => number): Uint32Array {
  const slots = new Uint32Array(2 * size + 1)
  for (let index = 0; index < size; index++) {
    const from = index * HASH_BYTES
    const isSame = (number: number) => {
      const other = (number - 1) * HASH_BYTES
      return hashes.compare(hashes, other, other + HASH_BYTES, from, from + HASH_BYTES) === 0
    }
    let slot = spread(hashes, from) % slots.length
    while (slots[slot] !== 0 && !isSame(slots[slot] ?? 0)) slot = (slot + 1) % slots.length
    if (slots[slot] === 0) slots[slot] = index + 1
  }
  return slots
}

/** What stands in a tile need not be a hash: whoever made the export could have it begin with the same bytes everywhere. */
function newSpread(): (hashes: Buffer, at: number) => number {
  const factors = Array.from({ length: HASH_BYTES / 4 }, () => 2 * randomInt(2 ** 31) + 1)
  return (hashes, at) => {
    let sum = 0
    for (let word = 0; word < factors.length; word++) {
      const product = Math.imul(hashes.readUInt32LE(at + word * 4), factors[word] ?? 1)
      sum = Math.imul(sum ^ product ^ (product >>> 15), 0x9e3779b1)
    }
    return sum >>> 0
  }
}
