// The hashes of all leaves, and where each stands: 40 bytes a leaf, however many there are.
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
  const at = (index: number) => hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)
  return {
    size,
    at,
    replace: (index, hash) => void hash.copy(hashes, index * HASH_BYTES),
    indexOf(hash) {
      slots ??= slotsOf(hashes, size)
      for (let slot = hash.readUInt32LE() % slots.length; ; slot = (slot + 1) % slots.length) {
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

/** Numbers of leaves, from 1, each in the first free slot from where its hash points. Half of the slots stay free. */
function slotsOf(hashes: Buffer, size: number): Uint32Array {
  const slots = new Uint32Array(2 * size + 1)
  for (let index = 0; index < size; index++) {
    let slot = hashes.readUInt32LE(index * HASH_BYTES) % slots.length
    while (slots[slot] !== 0) slot = (slot + 1) % slots.length
    slots[slot] = index + 1
  }
  return slots
}
