// Proofs that events are in the audit log: of a page of them by three statements, however many they are.
import DataLoader from 'dataloader'
import { entryOf, LEAF_COLUMNS, type LeafRow } from '#audit/store/entries.ts'
import { tileReader } from '#audit/store/logs.ts'
import { leafHash } from '#audit/tree/hash.ts'
import { inclusionProof, type TileReader } from '#audit/tree/proofs.ts'
import type { TileId } from '#audit/tree/tiles.ts'
import { statement } from '#database/connect.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { type CheckpointRow, readCheckpoint, readingOf } from './audit-log.ts'
import type { EventRow } from './events.ts'
import { type Reader, runNamed } from './reader.ts'

export type Inclusion = {
  readonly leafIndex: number
  readonly treeSize: number
  /** The leaf's sibling first. */
  readonly hashes: readonly Buffer[]
  /** Of the entry as it is: one that was changed since it was sealed is proven by nothing. */
  readonly leafHash: Buffer
  readonly entry: Buffer
  /** The checkpoint that it is proven against. */
  readonly note: string
}

/** By the event's id; none of those that are not sealed at that size. Throws BadQueryArgumentError where no checkpoint has that size. */
export async function readInclusionProofs(
  reader: Reader,
  events: readonly EventRow[],
  size: bigint | null,
): Promise<ReadonlyMap<string, Inclusion>> {
  const checkpoint = await readCheckpoint(reader, size)
  if (checkpoint === null) {
    if (size === null) return new Map()
    throw new BadQueryArgumentError([{ path: ['size'], message: 'must be the size of a checkpoint' }])
  }
  const read = batched(tileReader(readingOf(reader), checkpoint.log_number))
  const leaves = await readLeaves(reader, checkpoint, events)
  const proofs = leaves.map(async (leaf): Promise<[string, Inclusion]> => {
    const [leafIndex, treeSize, entry] = [leaf.leaf_index, Number(checkpoint.size), entryOf(leaf)]
    const hashes = await inclusionProof(read, leafIndex, treeSize)
    return [leaf.event_id, { leafIndex, treeSize, hashes, leafHash: leafHash(entry), entry, note: checkpoint.note }]
  })
  return new Map(await Promise.all(proofs))
}

function readLeaves(
  reader: Reader,
  { log_number: logNumber, size }: CheckpointRow,
  events: readonly EventRow[],
): Promise<readonly (LeafRow & { readonly event_id: string })[]> {
  return runNamed(
    reader,
    statement(
      `SELECT ${LEAF_COLUMNS}, e.event_id
         FROM unnest($2::smallint[], $3::bigint[]) AS wanted (shard, shard_position)
         JOIN audit.leaf l ON l.log_number = $1 AND l.shard = wanted.shard AND l.shard_position = wanted.shard_position
         JOIN log.event e ON e.shard = l.shard AND e.shard_position = l.shard_position
        WHERE l.leaf_index < $4`,
      [logNumber, events.map(({ shard }) => shard), events.map((event) => event.shard_position), size],
    ),
  )
}

type Tile = TileId & { readonly width: number }

/** All that is asked for at once is read at once, each tile once: in one tree a tile has one width. */
function batched(read: TileReader): TileReader {
  const loader = new DataLoader<Tile, Buffer, string>((tiles) => read(tiles), {
    cacheKeyFn: ({ level, index }) => `${level}/${index}`,
  })
  return (tiles) => Promise.all(tiles.map((tile) => loader.load(tile)))
}
