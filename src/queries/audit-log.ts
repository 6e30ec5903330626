// What the API tells of the audit log: checkpoints, what is not sealed yet, and proofs that it only grew.
import { tileReader } from '#audit/store/logs.ts'
import { consistencyProof } from '#audit/tree/proofs.ts'
import { statement } from '#database/connect.ts'
import type { Reading } from '#database/transaction.ts'
import { type ArgumentIssue, BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import type { Instant } from '#domain/instant.ts'
import { type Reader, runNamed } from './reader.ts'

/** Of the log that is sealed into, with a checkpoint of it. */
export type CheckpointRow = {
  readonly log_number: number
  readonly origin: string
  readonly vkeys: readonly string[]
  readonly refusal: string | null
  readonly size: bigint
  readonly root: Buffer
  readonly note: string
  readonly sealed_at: Instant
}

export type Consistency = { readonly from: bigint; readonly to: bigint; readonly hashes: readonly Buffer[] }

export function readingOf(reader: Reader): Reading {
  return { run: (query) => runNamed(reader, query) }
}

/** `size` null: the newest. Null where there is none, of that size or at all. */
export async function readCheckpoint(reader: Reader, size: bigint | null): Promise<CheckpointRow | null> {
  const [row] = await runNamed(
    reader,
    statement<CheckpointRow>(
      `SELECT l.log_number, l.origin, l.vkeys, l.refusal, c.size, c.root, c.note, c.sealed_at
         FROM audit.log l JOIN audit.checkpoint c ON c.log_number = l.log_number AND c.size = coalesce($1::bigint, l.size)
        WHERE l.closed_at IS NULL`,
      [size],
    ),
  )
  return row ?? null
}

/** When the oldest event of all accounts happened that is not sealed; null where all are. */
export async function readUnsealedSince(reader: Reader): Promise<Instant | null> {
  const [row] = await runNamed(
    reader,
    statement<{ since: Instant | null }>(
      `SELECT min(e.occurred_at) AS since
         FROM audit.log l CROSS JOIN log.feed_shard f
         LEFT JOIN audit.cursor c ON c.log_number = l.log_number AND c.shard = f.shard
         JOIN log.event e ON e.shard = f.shard AND e.shard_position = coalesce(c.shard_position, 0) + 1
        WHERE l.closed_at IS NULL`,
      [],
    ),
  )
  return row?.since ?? null
}

/** `to` null: the newest size. Null where nothing is sealed yet. Throws BadQueryArgumentError for sizes that the log never had. */
export async function readConsistency(reader: Reader, from: bigint, to: bigint | null): Promise<Consistency | null> {
  const newest = await readCheckpoint(reader, null)
  if (newest === null) return null
  const until = to ?? newest.size
  const more = (name: string, size: bigint): readonly ArgumentIssue[] =>
    size > newest.size ? [{ path: [name], message: `is more than the log has, which is ${newest.size}` }] : []
  const issues = [...more('from', from), ...more('to', until)]
  if (issues.length === 0 && from > until) issues.push({ path: ['to'], message: 'must not be less than from' })
  if (issues.length > 0) throw new BadQueryArgumentError(issues)
  const tiles = tileReader(readingOf(reader), newest.log_number)
  return { from, to: until, hashes: await consistencyProof(tiles, Number(from), Number(until)) }
}
