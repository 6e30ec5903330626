// The root of a tree that leaves are only added to, with one hash a level of it: what a verifier rebuilds a history of any length with.
import { EMPTY_ROOT, nodeHash } from '../tree/hash.ts'

export type Frontier = {
  push(leaf: Buffer): void
  root(): Buffer
  /** One that goes on by itself from here. */
  copy(): Frontier
}

const TILE_HEIGHT = 8

/** `onTileHash` is told each hash that stands in a tile above the leaves, once its subtree is complete. */
export function newFrontier(
  onTileHash?: (level: number, index: number, hash: Buffer) => void,
  size = 0,
  peaks: (Buffer | undefined)[] = [],
): Frontier {
  return {
    push(leaf) {
      size++
      let hash = leaf
      let height = 0
      for (let left = peaks[0]; left !== undefined; left = peaks[height]) {
        hash = nodeHash(left, hash)
        peaks[height] = undefined
        height++
        if (height % TILE_HEIGHT === 0) onTileHash?.(height / TILE_HEIGHT, size / 2 ** height - 1, hash)
      }
      peaks[height] = hash
    },
    root() {
      let root: Buffer | undefined
      for (const peak of peaks) if (peak !== undefined) root = root === undefined ? peak : nodeHash(peak, root)
      return root ?? EMPTY_ROOT
    },
    copy: () => newFrontier(undefined, size, [...peaks]),
  }
}
