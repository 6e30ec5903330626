// Exports into folders of their own, of a database as it is or as somebody changed it, and how they are read again.
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Exported, exportAudit } from '#audit/export/export.ts'
import { type Database, send } from '#database/connect.ts'

export type ExportFolder = { readonly root: string; readonly exported: Exported; remove(): Promise<void> }

/**
 * Of the database after these statements, which are executed as its superuser without triggers and never committed. `owner` must be
 * one where there are any.
 */
export async function exportAfter(owner: Database, ...statements: readonly string[]): Promise<ExportFolder> {
  const root = await mkdtemp(path.join(tmpdir(), 'keyledger-export-'))
  const client = await owner.pool.connect()
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    if (statements.length > 0) await client.query('SET LOCAL session_replication_role = replica')
    for (const statement of statements) await client.query(statement)
    const exported = await exportAudit((query) => send(client, query), root)
    return { root, exported, remove: () => rm(root, { recursive: true, force: true }) }
  } catch (error) {
    await rm(root, { recursive: true, force: true })
    throw error
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

/** Every file below the folder, by its path with slashes. */
export async function filesIn(root: string): Promise<ReadonlyMap<string, Buffer>> {
  const found = await readdir(root, { recursive: true, withFileTypes: true })
  const files = found.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
  const named = files.map(async (file) => [path.relative(root, file), await readFile(file)] as const)
  return new Map((await Promise.all(named)).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** As `sha256sum` would write it of these files. */
export function manifestOf(files: ReadonlyMap<string, Buffer>): readonly string[] {
  return [...files].map(([name, bytes]) => `${createHash('sha256').update(bytes).digest('hex')}  ${name}`)
}

export type Row = Readonly<Record<string, unknown>>

/** None where the file is not there. */
export function rowsOf(files: ReadonlyMap<string, Buffer>, name: string): readonly Row[] {
  const lines = (files.get(name)?.toString('utf8') ?? '').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Row)
}

/** Of files named `<folder>/<shard>.ndjson`, all of them, in the order of shards. */
export function rowsBelow(files: ReadonlyMap<string, Buffer>, folder: string): readonly Row[] {
  const names = [...files.keys()].filter((name) => path.dirname(name) === folder)
  const shardOf = (name: string) => Number(path.basename(name, '.ndjson'))
  return names.sort((a, b) => shardOf(a) - shardOf(b)).flatMap((name) => rowsOf(files, name))
}

/** Of a bundle of https://c2sp.org/tlog-tiles. */
export function entriesIn(bundle: Buffer): readonly Buffer[] {
  const entries: Buffer[] = []
  for (let from = 0; from < bundle.length; ) {
    const end = from + 2 + bundle.readUInt16BE(from)
    entries.push(bundle.subarray(from + 2, end))
    from = end
  }
  return entries
}
