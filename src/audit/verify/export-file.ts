// export.json: which logs there are, and where the counters stood.
import { parseCount, parseHash } from '../note/checkpoint.ts'
import type { Findings } from './findings.ts'
import type { Folder } from './folder.ts'
import { countOf, parseJson } from './reading.ts'

export type LogRow = { readonly number: number; readonly origin: string; readonly size: number; readonly root: Buffer }
export type ShardRow = { readonly shard: number; readonly head: number; readonly lastEventId: string }

export type ExportFile = {
  /** The number of the log that is sealed into; null where there is none. */
  readonly current: number | null
  /** By number. */
  readonly logs: readonly LogRow[]
  readonly shards: readonly ShardRow[]
}

const FILE = 'export.json'
const FORMAT = 'keyledger-audit-export'
const VERSION = 1

/** Undefined where it can't be understood, which the findings then say. */
export function readExportFile(folder: Folder, findings: Findings): ExportFile | undefined {
  const text = folder.text(FILE)
  if (text === undefined) {
    findings.add('file-missing', FILE, 'It says which logs there are.')
    return undefined
  }
  const parsed = parse(text)
  if (parsed === undefined) findings.add('unreadable', FILE, `It is not version ${VERSION} of ${FORMAT}.`)
  return parsed
}

function parse(text: string): ExportFile | undefined {
  try {
    const { format, version, log, logs, shards } = parseJson(text) as Record<string, unknown>
    if (format !== FORMAT || version !== VERSION || !Array.isArray(logs) || Array.isArray(shards)) return undefined
    const parsedLogs = logs.map(logRow).filter((row) => row !== undefined)
    const parsedShards = Object.entries(shards as object).map(shardRow)
    const known = parsedShards.filter((row) => row !== undefined)
    if (parsedLogs.length < logs.length || known.length < parsedShards.length) return undefined
    const current = parsedLogs.find(({ number }) => number === log)
    if (current === undefined && log !== null) return undefined
    return { current: current?.number ?? null, logs: parsedLogs.sort((a, b) => a.number - b.number), shards: known }
  } catch {
    return undefined
  }
}

function logRow(row: Record<string, unknown>): LogRow | undefined {
  const [number, size] = [countOf(row.number), countOf(row.size)]
  const root = parseHash(typeof row.root === 'string' ? row.root : '')
  if (number === undefined || size === undefined || root === undefined || typeof row.origin !== 'string')
    return undefined
  return { number, origin: row.origin, size, root }
}

function shardRow([name, row]: [string, Record<string, unknown>]): ShardRow | undefined {
  const [shard, head] = [parseCount(name), countOf(row.head)]
  return shard === undefined || head === undefined || typeof row.lastEventId !== 'string'
    ? undefined
    : { shard, head, lastEventId: row.lastEventId }
}
