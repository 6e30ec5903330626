// The log that grows, and the tiles at its right edge.
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { type Edge, edgeOf, edgeTileIds } from '../tree/edge.ts'
import { HASH_BYTES } from '../tree/hash.ts'
import type { TileReader } from '../tree/proofs.ts'
import type { TileId } from '../tree/tiles.ts'

export type LogRow = {
  readonly log_number: number
  readonly origin: string
  readonly vkeys: readonly string[]
  readonly size: bigint
  readonly root: Buffer
  readonly refusal: string | null
  readonly owner: string
  readonly epoch: bigint
}

export const LOG_COLUMNS = 'log_number, origin, vkeys, size, root, refusal, owner, epoch'

type TileRow = { readonly level: number; readonly tile_index: bigint; readonly hashes: Buffer }

/** Those of the tiles that are there, as far as they are filled. */
export async function storedTiles(
  { run }: Reading,
  logNumber: number,
  tiles: readonly TileId[],
): Promise<(tile: TileId) => Buffer | undefined> {
  const rows = await run(
    statement<TileRow>(
      `SELECT t.level, t.tile_index, t.hashes FROM unnest($2::smallint[], $3::bigint[]) AS wanted (level, tile_index)
         JOIN audit.tile t ON t.log_number = $1 AND t.level = wanted.level AND t.tile_index = wanted.tile_index`,
      [logNumber, tiles.map(({ level }) => level), tiles.map(({ index }) => index)],
    ),
  )
  const byName = new Map(rows.map((row) => [nameOf(row.level, Number(row.tile_index)), row.hashes]))
  return ({ level, index }) => byName.get(nameOf(level, index))
}

/** Undefined where the tiles are not those of a log of that size. */
export async function loadEdge(reading: Reading, logNumber: number, size: number): Promise<Edge | undefined> {
  return edgeOf(size, await storedTiles(reading, logNumber, edgeTileIds(size)))
}

/** Throws where one of the tiles is missing or shorter than the log says. */
export function tileReader(reading: Reading, logNumber: number): TileReader {
  return async (tiles) => {
    const stored = await storedTiles(reading, logNumber, tiles)
    return tiles.map(({ level, index, width }) => {
      const hashes = stored({ level, index })
      if (hashes === undefined || hashes.length < width * HASH_BYTES)
        throw new Error(`The tile ${index} at level ${level} of audit log ${logNumber} lacks hashes`)
      return hashes.subarray(0, width * HASH_BYTES)
    })
  }
}

function nameOf(level: number, index: number): string {
  return `${level}/${index}`
}
