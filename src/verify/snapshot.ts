// What everything that is kept is read with: how much of the log its snapshot had seen, without which nobody could tell whether what
// happens to it will still be told.
import { UnavailableError } from '#database/unavailable.ts'
import { invariant } from '#domain/invariant.ts'
import type { Cursors } from '#log/poll.ts'
import type { Snapshot } from './sourced-cache.ts'

/** For one load, whoever shares it: later the connection counts as dead. Each who waits for it has a deadline of their own. */
export const LOAD_MAX_MS = 800

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

/**
 * `since`: how far the feed had handed on when it was asked for. Throws UnavailableError where the snapshot had seen less: it is of
 * another server then, a standby behind a pooler or one that is no primary any more, and older than what is promised.
 */
export function snapshotOf([first]: readonly SnapshotColumns[], since: Cursors): Snapshot {
  invariant(first !== undefined, 'a snapshot has a row')
  const heads = new Map(first.shards.map((shard, index) => [shard, first.heads[index] ?? 0n]))
  for (const [shard, { position }] of since)
    if ((heads.get(shard) ?? -1n) < position) throw new UnavailableError('What was read is older than the feed')
  return { generation: first.generation, heads }
}
