// One audit log as files: checkpoints, tiles and entries, as they stand in the database. What is missing there is missing here, and
// what does not fit is written as it is: to say so is the verifier's part.
import { statement } from '#database/connect.ts'
import type { Run } from '#database/copy.ts'
import { parseCheckpoint } from '../note/checkpoint.ts'
import { bundleOf, entryOf, instantOf, LEAF_COLUMNS, type LeafRow } from '../store/entries.ts'
import { newestNote } from '../store/published.ts'
import { HASH_BYTES } from '../tree/hash.ts'
import { TILE_WIDTH, tilePath, widthOf } from '../tree/tiles.ts'
import type { FolderWriter } from './folder-writer.ts'
import { base64Of, readRows } from './read-rows.ts'

export type ExportedLog = {
  readonly number: number
  readonly origin: string
  readonly size: number
  /** Base64. */
  readonly root: string
  readonly closedAt: string | null
}

/** By number. */
export function readLogs(run: Run): Promise<readonly ExportedLog[]> {
  return run(
    statement<ExportedLog>(
      `SELECT log_number AS number, origin, size::float8 AS size, ${base64Of('root')} AS root, ${instantOf('closed_at')} AS "closedAt"
         FROM audit.log ORDER BY log_number`,
      [],
    ),
  )
}

/** The log that is sealed into. Somebody may have closed it, or all of them. */
export function currentOf(logs: readonly ExportedLog[]): ExportedLog | undefined {
  return logs.find(({ closedAt }) => closedAt === null) ?? logs.at(-1)
}

/** The entries of events of the current log only: those of a former one are told by its hashes, and its events by the current one's. */
export async function exportLog(run: Run, folder: FolderWriter, log: ExportedLog, isCurrent: boolean): Promise<void> {
  const within = `audit/${log.number}`
  const note = await newestNote({ run }, log.number)
  if (note !== undefined) folder.whole(`${within}/checkpoint`, note)
  const checkpoints = folder.file(`${within}/checkpoints.ndjson`)
  for await (const { line } of readRows<Line>(run, checkpointLines(log.number))) checkpoints.write(`${line}\n`)
  checkpoints.end()
  const own = folder.file(`${within}/log-entries.ndjson`)
  for await (const { line } of readRows<Line>(run, ownEntryLines(log.number))) own.write(`${line}\n`)
  own.end()
  const size = parseCheckpoint(note?.split('\n\n')[0]?.concat('\n') ?? '')?.size ?? log.size
  await exportTiles(run, folder, log.number, size)
  if (isCurrent) await exportEntries(run, folder, log.number, size)
}

type Line = { readonly line: string }

function checkpointLines(logNumber: number): string {
  return `SELECT row_to_json(c)::text AS line FROM (
    SELECT size, ${base64Of('root')} AS root, note, ${instantOf('sealed_at')} AS "sealedAt"
      FROM audit.checkpoint WHERE log_number = ${logNumber}) c ORDER BY c.size`
}

function ownEntryLines(logNumber: number): string {
  return `SELECT row_to_json(l)::text AS line FROM (
    SELECT leaf_index, ${base64Of('entry')} AS entry
      FROM audit.leaf WHERE log_number = ${logNumber} AND entry IS NOT NULL) l ORDER BY l.leaf_index`
}

type TileRow = { readonly level: number; readonly index: number; readonly hashes: Buffer }

/** Those that the size has. A tile may have grown since, and is cut; one that is too short is written as short as it is. */
async function exportTiles(run: Run, folder: FolderWriter, logNumber: number, size: number): Promise<void> {
  const query = `SELECT level, tile_index::float8 AS index, hashes FROM audit.tile
    WHERE log_number = ${logNumber} AND level BETWEEN 0 AND 7 AND tile_index BETWEEN 0 AND ${Number.MAX_SAFE_INTEGER} / ${TILE_WIDTH}
    ORDER BY level, tile_index`
  for await (const { level, index, hashes } of readRows<TileRow>(run, query)) {
    const width = widthOf({ level, index }, size)
    if (width > 0)
      folder.whole(`audit/${logNumber}/${tilePath(level, index, width)}`, hashes.subarray(0, width * HASH_BYTES))
  }
}

async function exportEntries(run: Run, folder: FolderWriter, logNumber: number, size: number): Promise<void> {
  const query = `SELECT ${LEAF_COLUMNS}
    FROM audit.leaf l LEFT JOIN log.event e ON e.shard = l.shard AND e.shard_position = l.shard_position
    WHERE l.log_number = ${logNumber} AND l.leaf_index BETWEEN 0 AND ${size - 1} ORDER BY l.leaf_index`
  let index = -1
  let entries: Buffer[] = []
  const write = (): void => {
    if (index >= 0) folder.whole(`audit/${logNumber}/${pathOf(index, size)}`, bundleOf(entries))
  }
  for await (const row of readRows<LeafRow>(run, query)) {
    const bundle = Math.floor(row.leaf_index / TILE_WIDTH)
    if (bundle !== index) {
      write()
      index = bundle
      entries = Array.from({ length: Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH) }, () => EMPTY)
    }
    entries[row.leaf_index - bundle * TILE_WIDTH] = entryOf(row)
  }
  write()
}

const EMPTY = Buffer.alloc(0)

function pathOf(bundle: number, size: number): string {
  return tilePath('entries', bundle, Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH))
}
