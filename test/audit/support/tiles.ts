// A tree's tiles in memory, as appending makes them.
import { appendLeaves, type Edge, EMPTY_EDGE } from '#audit/tree/edge.ts'
import { HASH_BYTES } from '#audit/tree/hash.ts'
import type { TileReader } from '#audit/tree/proofs.ts'
import type { TileId } from '#audit/tree/tiles.ts'

export type MemoryTiles = {
  edge(): Edge
  append(leaves: readonly Buffer[]): void
  tile(id: TileId): Buffer | undefined
  readonly read: TileReader
  count(): number
}

export function memoryTiles(): MemoryTiles {
  const stored = new Map<string, Buffer>()
  let edge = EMPTY_EDGE
  const tile = ({ level, index }: TileId) => stored.get(`${level}/${index}`)
  return {
    edge: () => edge,
    append(leaves) {
      const next = appendLeaves(edge, leaves)
      edge = next.edge
      for (const { level, index, hashes } of next.tiles) stored.set(`${level}/${index}`, hashes)
    },
    tile,
    async read(tiles) {
      if (new Set(tiles.map(({ level, index }) => `${level}/${index}`)).size < tiles.length)
        throw new Error('asked twice')
      return tiles.map((wanted) => {
        const hashes = tile(wanted)?.subarray(0, wanted.width * HASH_BYTES)
        if (hashes?.length !== wanted.width * HASH_BYTES) throw new Error('no such tile')
        return hashes
      })
    },
    count: () => stored.size,
  }
}
