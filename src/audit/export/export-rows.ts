// The log and what hangs on it as files, a row a line: events, the counters beside them, state, and what is left of personal data.
// PostgreSQL itself writes the lines, so that they say what stands there, whatever somebody made of it.
import { statement } from '#database/connect.ts'
import type { Run } from '#database/copy.ts'
import { stateTables } from '#state/project.ts'
import { instantOf } from '../store/entries.ts'
import { EVENT_COLUMNS } from '../store/event-rows.ts'
import type { FileWriter, FolderWriter } from './folder-writer.ts'
import { base64Of, readRows } from './read-rows.ts'

export type ExportedEvents = { readonly sealed: number; readonly pending: number }

type ShardLine = { readonly shard: number; readonly line: string }
type EventLine = ShardLine & { readonly shard_position: bigint }

const IN_ANOTHER_FORM: Readonly<Record<string, string>> = {
  body: base64Of('body'),
  mac: base64Of('mac'),
  decided_at: instantOf('decided_at'),
  occurred_at: instantOf('occurred_at'),
}
const EVENT_FIELDS = EVENT_COLUMNS.map((column) => `${IN_ANOTHER_FORM[column] ?? column} AS ${column}`).join(', ')

/** Each shard's in a file of its own, those that are not sealed yet too. */
export async function exportEvents(run: Run, folder: FolderWriter, logNumber: number): Promise<ExportedEvents> {
  const heads = await sealedHeads(run, logNumber)
  const query = `SELECT e.shard, e.shard_position, row_to_json(e)::text AS line FROM (
    SELECT ${EVENT_FIELDS} FROM log.event) e ORDER BY e.shard, e.shard_position`
  let sealed = 0
  let pending = 0
  await exportByShard(folder, 'events', readRows<EventLine>(run, query), ({ shard, shard_position }) => {
    if (shard_position <= (heads.get(shard) ?? 0n)) sealed++
    else pending++
  })
  return { sealed, pending }
}

async function sealedHeads(run: Run, logNumber: number): Promise<ReadonlyMap<number, bigint>> {
  const rows = await run(
    statement<{ shard: number; shard_position: bigint }>(
      'SELECT shard, shard_position FROM audit.cursor WHERE log_number = $1',
      [logNumber],
    ),
  )
  return new Map(rows.map((row) => [row.shard, row.shard_position]))
}

export async function exportCounters(run: Run, folder: FolderWriter): Promise<void> {
  const streams = `SELECT s.shard, row_to_json(s)::text AS line FROM (
    SELECT shard, stream_id, account_id, kind, version FROM log.stream) s ORDER BY s.shard, s.stream_id`
  await exportByShard(folder, 'streams', readRows<ShardLine>(run, streams))
  const accounts = `SELECT row_to_json(a)::text AS line FROM (
    SELECT shard, account_id, position FROM log.account) a ORDER BY a.shard, a.account_id`
  await exportLines(folder, 'accounts.ndjson', [readRows<ShardLine>(run, accounts)])
}

export async function exportState(run: Run, folder: FolderWriter): Promise<void> {
  for (const { name, key } of stateTables) {
    const rows = `SELECT t.shard, to_jsonb(t)::text AS line FROM state."${name}" t ORDER BY t.shard, t.${key[1]}`
    await exportByShard(folder, `state/${name}`, readRows<ShardLine>(run, rows))
  }
}

/** What events refer to by hash, and which users it can still be read of: never the data, its ciphertext or a key. */
export async function exportPersonal(run: Run, folder: FolderWriter): Promise<void> {
  const personal = `SELECT row_to_json(p)::text AS line FROM (
    SELECT shard, user_id, name, version, encode(sha256(ciphertext), 'hex') AS sha256
      FROM vault.personal) p ORDER BY p.shard, p.user_id, p.name, p.version`
  const keys = `SELECT row_to_json(k)::text AS line FROM (
    SELECT shard, user_id, true AS key FROM vault.user_key) k ORDER BY k.shard, k.user_id`
  await exportLines(folder, 'personal.ndjson', [readRows<ShardLine>(run, personal), readRows<ShardLine>(run, keys)])
}

async function exportLines(
  folder: FolderWriter,
  name: string,
  parts: readonly AsyncIterable<Pick<ShardLine, 'line'>>[],
): Promise<void> {
  const file = folder.file(name)
  for (const part of parts) for await (const { line } of part) file.write(`${line}\n`)
  file.end()
}

/** `rows` by shard. */
async function exportByShard<Row extends ShardLine>(
  folder: FolderWriter,
  within: string,
  rows: AsyncIterable<Row>,
  onRow: (row: Row) => void = () => undefined,
): Promise<void> {
  let current: { readonly shard: number; readonly file: FileWriter } | undefined
  for await (const row of rows) {
    if (current?.shard !== row.shard) {
      current?.file.end()
      current = { shard: row.shard, file: folder.file(`${within}/${row.shard}.ndjson`) }
    }
    current.file.write(`${row.line}\n`)
    onRow(row)
  }
  current?.file.end()
}
