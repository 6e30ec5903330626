// One audit log as files: checkpoints, tiles and entries, as they stand in the database. What is missing there is missing here, and
// what does not fit is written as it is: to say so is the verifier's part.
import { statement } from '#database/connect.ts'
import type { Run } from '#database/copy.ts'
import { ENTRY_BYTES_MAX, eventEntry } from '../entry.ts'
import { parseCheckpoint } from '../note/checkpoint.ts'
import { HASH_BYTES } from '../tree/hash.ts'
import { TILE_WIDTH, tilePath, widthOf } from '../tree/tiles.ts'
import type { FolderWriter } from './folder-writer.ts'
import { base64Of, instantOf, readRows } from './read-rows.ts'

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
  const note = await newestNote(run, log.number)
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

async function newestNote(run: Run, logNumber: number): Promise<string | undefined> {
  const [row] = await run(
    statement<{ note: string }>('SELECT note FROM audit.checkpoint WHERE log_number = $1 ORDER BY size DESC LIMIT 1', [
      logNumber,
    ]),
  )
  return row?.note
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

type LeafRow = {
  readonly leaf_index: number
  readonly entry: Buffer | null
  readonly shard: number | null
  readonly shard_position: bigint
  readonly position: bigint
  readonly occurred_at: string
  readonly mac: Buffer
  readonly mac_secret_id: string
  readonly body: Buffer
}

async function exportEntries(run: Run, folder: FolderWriter, logNumber: number, size: number): Promise<void> {
  const query = `SELECT l.leaf_index::float8 AS leaf_index, l.entry, e.shard, e.shard_position, e.position,
      ${instantOf('e.occurred_at')} AS occurred_at, e.mac, e.mac_secret_id, e.body
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
const LENGTH_BYTES = 2
/** Around a body, at the very most: far more than there ever is. */
const FRAME_BYTES_MAX = 400

/** Empty where the event is gone, or has grown beyond what could ever have been an entry. */
function entryOf(row: LeafRow): Buffer {
  if (row.entry !== null) return row.entry.length > ENTRY_BYTES_MAX ? EMPTY : row.entry
  if (row.shard === null) return EMPTY
  const bytes = row.body.length + 2 * row.mac.length + 6 * row.mac_secret_id.length + FRAME_BYTES_MAX
  if (bytes > ENTRY_BYTES_MAX) return EMPTY
  return eventEntry({
    shard: row.shard,
    shardPosition: row.shard_position,
    position: row.position,
    occurredAt: row.occurred_at,
    mac: row.mac,
    macSecretId: row.mac_secret_id,
    body: row.body,
  })
}

/** https://c2sp.org/tlog-tiles: each entry behind its length in two bytes. */
export function bundleOf(entries: readonly Buffer[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      const length = Buffer.alloc(LENGTH_BYTES)
      length.writeUInt16BE(entry.length)
      return [length, entry]
    }),
  )
}

function pathOf(bundle: number, size: number): string {
  return tilePath('entries', bundle, Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH))
}
