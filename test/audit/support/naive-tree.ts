// RFC 6962, section 2.1, as it is written there, to compare the product with: no tiles, no cleverness, nothing shared.
import { createHash } from 'node:crypto'

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  return parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()
}

/** The leaf hash of entry number `index` in tests that don't care what an entry is. */
export function leafOf(index: number): Buffer {
  return sha256(Buffer.from([0]), Buffer.from(`entry ${index}`))
}

export function leavesUpTo(size: number): readonly Buffer[] {
  return Array.from({ length: size }, (_, index) => leafOf(index))
}

/** MTH over hashes of leaves; `memory` keeps what was worked out, for tests of many sizes. */
export function naiveRoot(
  leaves: readonly Buffer[],
  memory?: Map<string, Buffer>,
  from = 0,
  to = leaves.length,
): Buffer {
  if (from === to) return sha256()
  if (to - from === 1) return leaves[from]!
  const key = `${from}-${to}`
  const known = memory?.get(key)
  if (known !== undefined) return known
  const middle = from + divide(to - from)
  const left = naiveRoot(leaves, memory, from, middle)
  const root = sha256(Buffer.from([1]), left, naiveRoot(leaves, memory, middle, to))
  memory?.set(key, root)
  return root
}

/** PATH(m, D[n]). */
export function naivePath(leaves: readonly Buffer[], m: number, memory?: Map<string, Buffer>): readonly Buffer[] {
  const path = (from: number, to: number): readonly Buffer[] => {
    if (to - from === 1) return []
    const middle = from + divide(to - from)
    return m < middle
      ? [...path(from, middle), naiveRoot(leaves, memory, middle, to)]
      : [...path(middle, to), naiveRoot(leaves, memory, from, middle)]
  }
  return path(0, leaves.length)
}

/** PROOF(m, D[n]). */
export function naiveConsistency(
  leaves: readonly Buffer[],
  m: number,
  memory?: Map<string, Buffer>,
): readonly Buffer[] {
  const subproof = (from: number, to: number, isWhole: boolean): readonly Buffer[] => {
    if (m === to) return isWhole ? [] : [naiveRoot(leaves, memory, from, to)]
    const middle = from + divide(to - from)
    return m <= middle
      ? [...subproof(from, middle, isWhole), naiveRoot(leaves, memory, middle, to)]
      : [...subproof(middle, to, false), naiveRoot(leaves, memory, from, middle)]
  }
  return m === 0 ? [] : subproof(0, leaves.length, true)
}

/** The largest power of two smaller than `count`. */
function divide(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}
