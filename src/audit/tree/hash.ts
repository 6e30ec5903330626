// RFC 6962's hashes. Leaves and nodes are hashed under different first bytes, so that neither can be passed off as the other.
import { hash } from 'node:crypto'

export const HASH_BYTES = 32

/** The root of a tree without leaves. */
export const EMPTY_ROOT: Buffer = hash('sha256', '', 'buffer')

const LEAF = Buffer.from([0])
const NODE_BYTES = 1 + 2 * HASH_BYTES

export function leafHash(entry: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([LEAF, entry]), 'buffer')
}

/** Both hashes of HASH_BYTES. */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(NODE_BYTES)
  bytes[0] = 1
  left.copy(bytes, 1)
  right.copy(bytes, 1 + HASH_BYTES)
  return hash('sha256', bytes, 'buffer')
}

/** The root over `count` hashes that follow each other in `hashes` from hash `first` on; `count` is a power of two. */
export function perfectRoot(hashes: Buffer, first: number, count: number): Buffer {
  if (count === 1) return hashes.subarray(first * HASH_BYTES, (first + 1) * HASH_BYTES)
  const half = count / 2
  return nodeHash(perfectRoot(hashes, first, half), perfectRoot(hashes, first + half, half))
}
