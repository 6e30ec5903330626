// A sealer on a test's own database, and what it has sealed, read back the long way.
import type pg from 'pg'
import type { Anchor, AnchorRecord } from '#audit/anchor/anchor.ts'
import { eventEntry } from '#audit/entry.ts'
import { parseSigningKeys, type SigningKeys } from '#audit/note/signing-key.ts'
import type { OnStep } from '#audit/seal/seal-batch.ts'
import { type Sealer, startSealer } from '#audit/seal/sealer.ts'
import { bytesOf, EVENT_TEXTS, sealedColumnsOf } from '#audit/store/event-rows.ts'
import { type Database, send, statement } from '#database/connect.ts'
import type { TextRow } from '#database/copy.ts'
import type { AuditLogTable } from '#database/tables.ts'
import type { Keyring } from '#secret/keyring.ts'
import { type LogEntry, recordingLogger } from './log.ts'

export const HOST = 'keys.example.org'

/** The same keys for the same words in every run, newest first. */
export function testSigningKeys(...words: readonly string[]): SigningKeys {
  const read = parseSigningKeys(words.map((word) => Buffer.alloc(32, word).toString('base64')).join(','))
  if (!read.ok) throw new Error(read.problems.join('; '))
  return read.keys
}

/** In memory, as if it were elsewhere. */
export function memoryAnchor(): Anchor & { readonly kept: AnchorRecord[] } {
  const kept: AnchorRecord[] = []
  return {
    name: 'memory',
    kept,
    records: async () => [...Map.groupBy(kept, ({ origin }) => origin).values()].map(largestOf),
    async keep(record) {
      kept.push(record)
    },
  }
}

function largestOf(records: readonly AnchorRecord[]): AnchorRecord {
  return records.reduce((largest, record) => (record.size > largest.size ? record : largest))
}

export type TestSealer = Sealer & { readonly logged: readonly LogEntry[] }

export function testSealer(
  services: { readonly database: Database; readonly keyring: Keyring },
  options: { readonly keys?: SigningKeys; readonly anchors?: readonly Anchor[]; readonly onStep?: OnStep } = {},
): TestSealer {
  const { log, logged } = recordingLogger()
  const sealer = startSealer({
    database: services.database,
    keyring: services.keyring,
    keys: options.keys ?? testSigningKeys('first'),
    host: HOST,
    anchors: options.anchors ?? [],
    log,
    ...(options.onStep && { onStep: options.onStep }),
  })
  return { ...sealer, logged }
}

export type SealedLog = {
  readonly number: number
  readonly origin: string
  readonly size: number
  readonly root: Buffer
  readonly refusal: string | null
  readonly vkeys: readonly string[]
  /** As the database has them now, in the order of leaves. */
  readonly entries: readonly Buffer[]
  readonly notes: readonly string[]
}

export async function readSealedLog({ pool }: Database): Promise<SealedLog> {
  const client = await pool.connect()
  try {
    return await readSealedLogIn(client)
  } finally {
    client.release()
  }
}

/** In the transaction that the connection is in, if any. */
export async function readSealedLogIn(client: pg.ClientBase): Promise<SealedLog> {
  const [log] = await send(client, statement<AuditLogTable>('SELECT * FROM audit.log WHERE closed_at IS NULL', []))
  if (log === undefined) throw new Error('no log is open')
  await client.query("SET timezone = 'UTC'")
  const leaves = await send(
    client,
    statement<TextRow>(
      `SELECT l.entry::text AS entry, ${EVENT_TEXTS} FROM audit.leaf l
         LEFT JOIN log.event e ON e.shard = l.shard AND e.shard_position = l.shard_position
        WHERE l.log_number = $1 ORDER BY l.leaf_index`,
      [log.log_number],
    ),
  )
  const notes = await send(
    client,
    statement<{ note: string }>('SELECT note FROM audit.checkpoint WHERE log_number = $1 ORDER BY size', [
      log.log_number,
    ]),
  )
  return {
    number: log.log_number,
    origin: log.origin,
    size: Number(log.size),
    root: log.root,
    refusal: log.refusal,
    vkeys: log.vkeys,
    entries: leaves.map(entryOf),
    notes: notes.map(({ note }) => note),
  }
}

/** Empty where the event is gone. */
function entryOf(row: TextRow): Buffer {
  if (row.entry !== null) return bytesOf(row.entry)
  return row.event_id === null ? Buffer.alloc(0) : eventEntry(sealedColumnsOf(row))
}
