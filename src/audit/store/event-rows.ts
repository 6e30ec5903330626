// Rows of log.event as the audit log takes them: every column as PostgreSQL's own text, so that what is compared and exported is
// what stands there, whatever somebody made of it.
import type { TextRow } from '#database/copy.ts'
import { parseTimestamp } from '#database/timestamps.ts'
import type { SealedColumns } from '../entry.ts'

export const EVENT_COLUMNS = [
  'shard',
  'shard_position',
  'account_id',
  'position',
  'event_id',
  'stream_id',
  'stream_kind',
  'version',
  'type',
  'schema_version',
  'actor_kind',
  'actor_id',
  'credential_key_id',
  'credential_code_id',
  'correlation_id',
  'decided_at',
  'occurred_at',
  'body',
  'data',
  'mac',
  'mac_secret_id',
] as const

/** Of `log.event e`; under the settings of `setForCopying`. */
export const EVENT_TEXTS = EVENT_COLUMNS.map((column) => `e.${column}::text AS ${column}`).join(', ')

/** What a leaf is made of. */
export function sealedColumnsOf(row: TextRow): SealedColumns {
  return {
    shard: Number(row.shard),
    shardPosition: BigInt(row.shard_position ?? 0),
    position: BigInt(row.position ?? 0),
    occurredAt: withMicroseconds(row.occurred_at ?? ''),
    mac: bytesOf(row.mac),
    macSecretId: row.mac_secret_id ?? '',
    body: bytesOf(row.body),
  }
}

/** PostgreSQL's text of bytea. */
export function bytesOf(hex: string | null | undefined): Buffer {
  return Buffer.from(hex?.slice(2) ?? '', 'hex')
}

/** `2026-03-01T09:30:00.000000Z`, always with six digits: one instant is one text. */
export function withMicroseconds(text: string): string {
  return parseTimestamp(text).replace(/\.(\d{3})Z$/, '.$1000Z')
}
