// The right edge of a tree: all that is needed to append to it and to know its root, some 8 KiB a level.
import { EMPTY_ROOT, HASH_BYTES, nodeHash, perfectRoot } from './hash.ts'
import { hashesAt, TILE_WIDTH, type TileId, widthOf } from './tiles.ts'

const TILE_BYTES = TILE_WIDTH * HASH_BYTES

export type Edge = {
  readonly size: number
  /** By level, as many as the size has: the hashes of the partial tile there, 0 to 255 of them. */
  readonly tiles: readonly Buffer[]
}

export const EMPTY_EDGE: Edge = Object.freeze({ size: 0, tiles: Object.freeze([]) })

/** The tiles to load for an edge of that size: those that are partial and not empty. */
export function edgeTileIds(size: number): readonly (TileId & { readonly width: number })[] {
  return levelsOf(size)
    .map((level) => {
      const index = Math.floor(hashesAt(level, size) / TILE_WIDTH)
      return { level, index, width: widthOf({ level, index }, size) }
    })
    .filter(({ width }) => width > 0)
}

/** Of tiles as they are stored, which may have grown since: they are cut. Undefined where one is missing or too short. */
export function edgeOf(size: number, tiles: (id: TileId) => Buffer | undefined): Edge | undefined {
  const partial = new Map(edgeTileIds(size).map((tile) => [tile.level, tile]))
  const cut = levelsOf(size).map((level) => {
    const tile = partial.get(level)
    if (tile === undefined) return Buffer.alloc(0)
    const hashes = tiles({ level, index: tile.index })
    const bytes = tile.width * HASH_BYTES
    return hashes === undefined || hashes.length < bytes ? undefined : Buffer.from(hashes.subarray(0, bytes))
  })
  const whole = cut.filter((hashes) => hashes !== undefined)
  return whole.length === cut.length ? { size, tiles: whole } : undefined
}

/** The edge with the leaves' hashes appended, and every tile that grew by them, whole: what it held before included. */
export function appendLeaves(
  edge: Edge,
  leaves: readonly Buffer[],
): { readonly edge: Edge; readonly tiles: readonly (TileId & { readonly hashes: Buffer })[] } {
  const grown: (TileId & { hashes: Buffer })[] = []
  const tiles = [...edge.tiles]
  let added = leaves
  for (let level = 0; added.length > 0; level++) {
    let index = Math.floor(hashesAt(level, edge.size) / TILE_WIDTH)
    const all = Buffer.concat([tiles[level] ?? Buffer.alloc(0), ...added])
    const full: Buffer[] = []
    for (let start = 0; start < all.length; start += TILE_BYTES) {
      const hashes = all.subarray(start, start + TILE_BYTES)
      grown.push({ level, index, hashes })
      index++
      if (hashes.length === TILE_BYTES) full.push(perfectRoot(hashes, 0, TILE_WIDTH))
    }
    tiles[level] = all.subarray(full.length * TILE_BYTES)
    added = full
  }
  return { edge: { size: edge.size + leaves.length, tiles }, tiles: grown }
}

export function rootOf(edge: Edge): Buffer {
  // From the last leaf to the first: a tree's left part is always the largest complete subtree that fits.
  let root: Buffer | undefined
  for (const hashes of edge.tiles)
    for (const peak of peaks(hashes).reverse()) root = root === undefined ? peak : nodeHash(peak, root)
  return root ?? EMPTY_ROOT
}

/** The roots of the complete subtrees that a tile's hashes make, largest first. */
function peaks(hashes: Buffer): Buffer[] {
  const found: Buffer[] = []
  const count = hashes.length / HASH_BYTES
  for (let first = 0, width = TILE_WIDTH; width >= 1; width /= 2)
    if (first + width <= count) {
      found.push(perfectRoot(hashes, first, width))
      first += width
    }
  return found
}

function levelsOf(size: number): readonly number[] {
  const levels: number[] = []
  for (let level = 0; hashesAt(level, size) > 0; level++) levels.push(level)
  return levels
}
