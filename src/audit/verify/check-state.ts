// State against the log: every row is what its stream's events fold to, and there is no other.
import { sameValue } from '#domain/same-value.ts'
import { allRows, stateTables } from '#state/project.ts'
import type { TableSpec } from '#state/row-writer.ts'
import type { Findings } from './findings.ts'
import type { Folder, Row } from './folder.ts'
import type { ShardFold } from './shard.ts'

export function checkState(
  { folder, findings }: { readonly folder: Folder; readonly findings: Findings },
  fold: ShardFold,
): void {
  for (const table of stateTables) checkTable(folder, findings, fold, table)
}

function checkTable(folder: Folder, findings: Findings, fold: ShardFold, table: TableSpec): void {
  const [, idColumn] = table.key
  const expected = expectedRows(fold, table)
  for (const row of folder.rows(`state/${table.name}/${fold.shard}.ndjson`)) {
    const id = String(row[idColumn])
    const what = `state.${table.name} ${id}`
    const wanted = expected.get(id)
    expected.delete(id)
    if (fold.broken.has(String(row[table.stream]))) continue
    if (wanted === undefined) findings.add('state', what, 'It should not exist: the log says nothing of it.')
    else {
      const columns = differing(wanted, row)
      if (columns.length > 0) findings.add('state', what, `It differs from the log in ${columns.join(', ')}.`)
    }
  }
  for (const id of expected.keys())
    findings.add('state', `state.${table.name} ${id}`, 'It is missing: the log says that it exists.')
}

/** By id. One table of one shard at a time. */
function expectedRows(fold: ShardFold, table: TableSpec): Map<string, Row> {
  const rows = new Map<string, Row>()
  const [, idColumn] = table.key
  const kind = table.name === 'code' || table.name === 'rotation' ? 'key' : table.name
  for (const stream of fold.streams.values()) {
    if (stream.kind !== kind || fold.broken.has(stream.id)) continue
    for (const part of allRows(stream))
      if (part.table === table) for (const row of part.rows) rows.set(String(row[idColumn]), row)
  }
  return rows
}

function differing(expected: Row, actual: Row): readonly string[] {
  const columns = new Set([...Object.keys(expected), ...Object.keys(actual)])
  // undefined is no JSON: a column that one of the two lacks always differs.
  return [...columns].filter((column) => !sameValue(expected[column], instantOrSame(column, actual[column]))).sort()
}

/** PostgreSQL writes `2026-03-01T09:30:00.5+00:00` where the log has `2026-03-01T09:30:00.500Z`. */
function instantOrSame(column: string, value: unknown): unknown {
  if (!column.endsWith('_at') || typeof value !== 'string') return value
  const [, seconds, fraction = ''] = /^(.{19})(?:\.(\d{1,6}))?\+00:00$/.exec(value) ?? []
  const ms = fraction.padEnd(3, '0')
  return seconds === undefined || ms.length > 3 ? value : `${seconds}.${ms}Z`
}
