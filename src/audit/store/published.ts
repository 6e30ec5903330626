// What the world may see of a log: its newest checkpoint and its tiles, as https://c2sp.org/tlog-tiles has them.
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { HASH_BYTES } from '../tree/hash.ts'
import { TILE_WIDTH, type TileId, widthOf } from '../tree/tiles.ts'
import { bundleOf, readEntries } from './entries.ts'

type Wide = { readonly width: number }

/** Undefined where there is no such log. */
export async function newestNote({ run }: Reading, logNumber: number): Promise<string | undefined> {
  const [row] = await run(
    statement<{ note: string }>('SELECT note FROM audit.checkpoint WHERE log_number = $1 ORDER BY size DESC LIMIT 1', [
      logNumber,
    ]),
  )
  return row?.note
}

/** Undefined for what the log, as large as it is, does not have: a tile is served at any width that it has had. */
export async function publishedTile(
  { run }: Reading,
  logNumber: number,
  tile: TileId & Wide,
): Promise<Buffer | undefined> {
  const [row] = await run(
    statement<{ size: bigint; hashes: Buffer | null }>(
      `SELECT l.size, t.hashes FROM audit.log l
         LEFT JOIN audit.tile t ON t.log_number = l.log_number AND t.level = $2 AND t.tile_index = $3
        WHERE l.log_number = $1`,
      [logNumber, tile.level, tile.index],
    ),
  )
  if (row === undefined || tile.width > widthOf(tile, Number(row.size))) return undefined
  const bytes = tile.width * HASH_BYTES
  if (row.hashes === null || row.hashes.length < bytes)
    throw new Error(`The tile ${tile.index} at level ${tile.level} of audit log ${logNumber} lacks hashes`)
  return row.hashes.subarray(0, bytes)
}

/** The entries below a tile of level 0, in the same widths. */
export async function publishedEntries(
  reading: Reading,
  logNumber: number,
  { index, width }: Wide & { readonly index: number },
): Promise<Buffer | undefined> {
  const [log] = await reading.run(
    statement<{ size: bigint }>('SELECT size FROM audit.log WHERE log_number = $1', [logNumber]),
  )
  if (log === undefined || width > widthOf({ level: 0, index }, Number(log.size))) return undefined
  return bundleOf(await readEntries(reading, logNumber, index * TILE_WIDTH, width))
}
