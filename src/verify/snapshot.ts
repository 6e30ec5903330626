// What everything that is kept is read with: how much of the log its snapshot had seen, without which nobody could tell whether what
// happens to it will still be told.
import { invariant } from '#domain/invariant.ts'
import type { Snapshot } from './sourced-cache.ts'

/** A common table expression of one row, to be joined with what is read in the same statement. */
export const SNAPSHOT = `
  snapshot AS (
    SELECT g.generation, array_agg(f.shard) AS shards, array_agg(f.head) AS heads
      FROM state.generation g CROSS JOIN log.feed_shard f GROUP BY g.generation)`

export type SnapshotColumns = {
  readonly generation: bigint
  readonly shards: readonly number[]
  readonly heads: readonly bigint[]
}

export function snapshotOf([first]: readonly SnapshotColumns[]): Snapshot {
  invariant(first !== undefined, 'a snapshot has a row')
  const heads = new Map(first.shards.map((shard, index) => [shard, first.heads[index] ?? 0n]))
  return { generation: first.generation, heads }
}
