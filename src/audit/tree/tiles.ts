// How C2SP's tlog-tiles cuts a tree: tile n of level l holds the hashes of 256 neighbouring complete subtrees of 256^l leaves
// each. Indexes and sizes are numbers below 2^53, and dividing those by powers of two is exact.
import { invariant } from '#domain/invariant.ts'

/** Hashes in a full tile. */
export const TILE_WIDTH = 256
const LEVEL_MAX = 63

export type TileId = { readonly level: number; readonly index: number }

/** How many hashes there are at a level of the tiles in a tree of `size` leaves. */
export function hashesAt(level: number, size: number): number {
  assertCount(size)
  return Math.floor(size / TILE_WIDTH ** level)
}

/** 0 to 256: how many hashes the tile has in a tree of `size` leaves. */
export function widthOf(tile: TileId, size: number): number {
  return Math.min(TILE_WIDTH, Math.max(0, hashesAt(tile.level, size) - tile.index * TILE_WIDTH))
}

/** Every tile of a tree of `size` leaves, from the leaves up. */
export function* tilesOf(size: number): Iterable<TileId & { readonly width: number }> {
  for (let level = 0; hashesAt(level, size) > 0; level++)
    for (let index = 0; index * TILE_WIDTH < hashesAt(level, size); index++)
      yield { level, index, width: widthOf({ level, index }, size) }
}

/** `tile/0/x001/x234/067.p/112`; entry bundles have `entries` in the place of the level. */
export function tilePath(level: number | 'entries', index: number, width: number): string {
  assertCount(index)
  const digits = String(index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? []
  const path = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/')
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

/** Undefined for all but the one way to write a tile's path. */
export function parseTilePath(
  path: string,
): { readonly level: number | 'entries'; readonly index: number; readonly width: number } | undefined {
  const match = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path)
  if (match === null) return undefined
  const [, levelText = '', indexText = '', widthText] = match
  const level = levelText === 'entries' ? levelText : Number(levelText)
  const index = Number(indexText.replaceAll(/[x/]/g, ''))
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText)
  if (level !== 'entries' && level > LEVEL_MAX) return undefined
  if (!Number.isSafeInteger(index) || width < 1 || width > TILE_WIDTH) return undefined
  return tilePath(level, index, width) === path ? { level, index, width } : undefined
}

/** Sizes and indexes are exact only below 2^53. */
export function assertCount(count: number): void {
  invariant(Number.isSafeInteger(count) && count >= 0, 'a size or index of the tree is a whole number below 2^53')
}
