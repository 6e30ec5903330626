// An export: all that an auditor needs to check history with nothing of ours running, as a folder of files. It says what stands in
// the database, also where somebody changed it: nothing is worked out, checked or mended on the way.
import { statement } from '#database/connect.ts'
import { type Run, setForCopying } from '#database/copy.ts'
import { instantOf } from '../store/entries.ts'
import { currentOf, exportLog, readLogs } from './export-log.ts'
import { type ExportedEvents, exportCounters, exportEvents, exportPersonal, exportState } from './export-rows.ts'
import { type FolderWriter, writeFolder } from './folder-writer.ts'

export type Exported = ExportedEvents & {
  /** Of the log that is sealed into; null where there is none. */
  readonly log: { readonly number: number; readonly size: number; readonly root: string } | null
}

const FORMAT = 'keyledger-audit-export'
const VERSION = 1

/**
 * `run` sends to one transaction with one snapshot, whose settings are changed to its end. Memory does not grow with the log.
 * Throws InstallationError where `root` is a folder with anything in it.
 */
export async function exportAudit(run: Run, root: string): Promise<Exported> {
  await setForCopying(run)
  const folder = writeFolder(root)
  try {
    const exported = await exportAll(run, folder)
    folder.finish()
    return exported
  } finally {
    folder.abandon()
  }
}

async function exportAll(run: Run, folder: FolderWriter): Promise<Exported> {
  const logs = await readLogs(run)
  const log = currentOf(logs)
  const head = { format: FORMAT, version: VERSION, madeAt: await now(run), log: log?.number ?? null, logs }
  folder.whole('export.json', `${JSON.stringify({ ...head, shards: await readShards(run) }, undefined, 2)}\n`)
  for (const one of logs) await exportLog(run, folder, one, one === log)
  const events = await exportEvents(run, folder, log?.number ?? 0)
  await exportCounters(run, folder)
  await exportState(run, folder)
  await exportPersonal(run, folder)
  return { ...events, log: log ?? null }
}

async function now(run: Run): Promise<string> {
  const [row] = await run(statement<{ now: string }>(`SELECT ${instantOf('now()')} AS now`, []))
  return row?.now ?? ''
}

async function readShards(run: Run): Promise<Readonly<Record<string, object>>> {
  const rows = await run(
    statement<{ shard: number; head: number; last_event_id: string }>(
      'SELECT shard, head::float8 AS head, last_event_id FROM log.feed_shard ORDER BY shard',
      [],
    ),
  )
  return Object.fromEntries(rows.map(({ shard, head, last_event_id }) => [shard, { head, lastEventId: last_event_id }]))
}
