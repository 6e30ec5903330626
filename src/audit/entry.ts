// The bytes of a leaf of the audit log: an event as it was stored, or an entry of the log itself. An event's body is spliced in
// as it is, never serialised anew, so that what was signed by MAC and what is hashed here are the same bytes.
import canonicalize from 'canonicalize'
import { invariant } from '#domain/invariant.ts'

/** Of a row of log.event, what its body does not say and the body. */
export type SealedColumns = {
  readonly shard: number
  readonly shardPosition: bigint
  /** The account's. */
  readonly position: bigint
  /** Microseconds, `2026-03-01T09:30:00.000000Z`. */
  readonly occurredAt: string
  readonly mac: Buffer
  readonly macSecretId: string
  readonly body: Buffer
}

/** What a log that follows another one says of it. */
export type Continued = {
  /** The former log's newest checkpoint that is known. */
  readonly note: string
  /** What an anchor had of it, where that was more or other. */
  readonly anchored: { readonly size: number; readonly root: Buffer } | null
  /** The operator's, for people. */
  readonly reason: string
}

/** Leaf 0 of every log. */
export type Opened = {
  readonly kind: 'opened'
  readonly at: string
  readonly origin: string
  readonly keys: readonly string[]
  readonly continues: Continued | null
}

export type LogEntry =
  | Opened
  /** Who trusts a key that this entry is sealed under may trust these vkeys from then on. */
  | { readonly kind: 'keys'; readonly at: string; readonly keys: readonly string[] }

export type Entry = ({ readonly kind: 'event' } & SealedColumns) | { readonly kind: 'log'; readonly entry: LogEntry }

/** What a length of two bytes can tell, which is how tlog-tiles bundles entries. */
export const ENTRY_BYTES_MAX = 65_535

const HEAD = Buffer.from('{"body":')
// Longer than the frame behind a body ever is: three numbers of 16 digits, a MAC, an id of 32 characters, an instant.
const FRAME_BYTES_MAX = 320
const FRAME =
  /^,"mac":"([A-Za-z0-9+/]{43}=)","macSecretId":"([a-z0-9-]{1,32})","occurredAt":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)","position":([1-9]\d{0,15}),"shard":(0|[1-9]\d{0,4}),"shardPosition":([1-9]\d{0,15}),"v":1\}$/

export function eventEntry(columns: SealedColumns): Buffer {
  const mac = columns.mac.toString('base64')
  const frame =
    `,"mac":"${mac}","macSecretId":${JSON.stringify(columns.macSecretId)},"occurredAt":${JSON.stringify(columns.occurredAt)}` +
    `,"position":${columns.position},"shard":${columns.shard},"shardPosition":${columns.shardPosition},"v":1}`
  return checked(Buffer.concat([HEAD, columns.body, Buffer.from(frame, 'utf8')]))
}

export function logEntry(entry: LogEntry): Buffer {
  const text = canonicalize({ log: entry.kind === 'opened' ? opened(entry) : entry, v: 1 })
  invariant(text !== undefined, 'an entry of the log is JSON')
  return checked(Buffer.from(text, 'utf8'))
}

/** Undefined for bytes that neither function above makes. An event's body is not parsed. */
export function readEntry(entry: Buffer): Entry | undefined {
  if (!entry.subarray(0, HEAD.length).equals(HEAD)) return readLogEntry(entry)
  const from = entry.lastIndexOf(',"mac":"')
  if (from < HEAD.length || entry.length - from > FRAME_BYTES_MAX) return undefined
  const match = FRAME.exec(entry.toString('latin1', from))
  if (match === null) return undefined
  const [, mac = '', macSecretId = '', occurredAt = '', position = '', shard = '', shardPosition = ''] = match
  const macBytes = Buffer.from(mac, 'base64')
  if (macBytes.toString('base64') !== mac) return undefined
  return {
    kind: 'event',
    shard: Number(shard),
    shardPosition: BigInt(shardPosition),
    position: BigInt(position),
    occurredAt,
    mac: macBytes,
    macSecretId,
    body: entry.subarray(HEAD.length, from),
  }
}

function readLogEntry(bytes: Buffer): Entry | undefined {
  try {
    const { log } = JSON.parse(bytes.toString('utf8')) as { readonly log: unknown }
    const entry = logEntryOf(log as Wire)
    // Written in any other way, it is not an entry of ours.
    return logEntry(entry).equals(bytes) ? { kind: 'log', entry } : undefined
  } catch {
    return undefined
  }
}

type Wire = {
  readonly kind: unknown
  readonly at: unknown
  readonly origin: unknown
  readonly keys: unknown
  readonly continues: {
    readonly note: unknown
    readonly reason: unknown
    readonly anchored: { readonly size: unknown; readonly root: unknown } | null
  } | null
}

/** Throws where it has not the shape. */
function logEntryOf(wire: Wire): LogEntry {
  const common = { at: textOf(wire.at), keys: listOf(wire.keys).map(textOf) }
  if (wire.kind === 'keys') return { kind: 'keys', ...common }
  invariant(wire.kind === 'opened', 'an entry of the log is of a kind that is known')
  const { continues } = wire
  if (continues === null) return { kind: 'opened', ...common, origin: textOf(wire.origin), continues }
  const { anchored } = continues
  return {
    kind: 'opened',
    ...common,
    origin: textOf(wire.origin),
    continues: {
      note: textOf(continues.note),
      reason: textOf(continues.reason),
      anchored:
        anchored === null ? null : { size: sizeOf(anchored.size), root: Buffer.from(textOf(anchored.root), 'base64') },
    },
  }
}

function opened(entry: LogEntry & { kind: 'opened' }): object {
  const { continues } = entry
  const anchored = continues?.anchored
  return {
    ...entry,
    continues: continues && {
      ...continues,
      anchored: anchored ? { size: anchored.size, root: anchored.root.toString('base64') } : null,
    },
  }
}

function textOf(value: unknown): string {
  invariant(typeof value === 'string', 'it is text')
  return value
}

function listOf(value: unknown): readonly unknown[] {
  invariant(Array.isArray(value), 'it is a list')
  return value
}

function sizeOf(value: unknown): number {
  invariant(Number.isSafeInteger(value) && Number(value) >= 0, 'it is a size')
  return Number(value)
}

function checked(entry: Buffer): Buffer {
  invariant(entry.length <= ENTRY_BYTES_MAX, 'an entry is not longer than two bytes can say')
  return entry
}
