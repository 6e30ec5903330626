// Is the live state what the log says? Replays beside it in one snapshot, writes nothing, and names the first difference.
import { type Database, send, statement } from '#database/connect.ts'
import { stateTables } from './project.ts'
import { type Run, readHeads, replayAll, rowsOfStreams } from './replay.ts'
import type { Row, TableRows, TableSpec } from './row-writer.ts'

export type Checked = {
  readonly streams: number
  readonly events: number
  /** One sentence that names table, row and columns, without the values: they may be digests. */
  readonly difference: string | null
}

/** One REPEATABLE READ snapshot: commands go on meanwhile and are not seen. */
export async function checkState(database: Database): Promise<Checked> {
  const client = await database.pool.connect()
  const run: Run = (query) => send(client, query)
  const counted = { streams: 0, events: 0 }
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    for await (const { shard, streams } of replayAll(run, (await readHeads(run)).keys())) {
      counted.streams += streams.length
      counted.events += streams.reduce((sum, stream) => sum + stream.version, 0)
      const streamIds = streams.map(({ id }) => id)
      for (const expected of rowsOfStreams(streams)) {
        const difference = await findDifference(run, expected, shard, streamIds)
        if (difference !== null) return { ...counted, difference }
      }
    }
    return { ...counted, difference: await findStray(run) }
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

async function findDifference(
  run: Run,
  { table, rows }: TableRows,
  shard: number,
  streamIds: readonly string[],
): Promise<string | null> {
  const [, id] = table.key
  const [found] = await run(
    statement<{ id: string; expected: Row | null; live: Row | null }>(
      `SELECT coalesce(e.${id}, l.${id}) AS id, to_jsonb(e) AS expected, to_jsonb(l) AS live
         FROM jsonb_populate_recordset(null::state.${table.name}, $1) e
         FULL JOIN (SELECT * FROM state.${table.name} WHERE shard = $2 AND ${table.stream} = ANY ($3)) l
           ON l.shard = e.shard AND l.${id} = e.${id}
        WHERE to_jsonb(e) IS DISTINCT FROM to_jsonb(l) ORDER BY 1 LIMIT 1`,
      [JSON.stringify(rows), shard, streamIds],
    ),
  )
  if (found === undefined) return null
  const name = `state.${table.name} ${found.id}`
  if (found.live === null) return `${name} is missing: the log says it exists`
  if (found.expected === null) return `${name} should not exist: the log says nothing of it`
  return `${name} differs from the log in ${differingColumns(table, found.expected, found.live).join(', ')}`
}

function differingColumns(table: TableSpec, expected: Row, live: Row): readonly string[] {
  return table.columns.filter((column) => JSON.stringify(expected[column]) !== JSON.stringify(live[column]))
}

/** Rows of streams that the log does not know at all. */
async function findStray(run: Run): Promise<string | null> {
  for (const table of stateTables) {
    const [, id] = table.key
    const [stray] = await run(
      statement<{ id: string }>(
        `SELECT l.${id} AS id FROM state.${table.name} l
          WHERE NOT EXISTS (SELECT 1 FROM log.stream s WHERE s.shard = l.shard AND s.stream_id = l.${table.stream})
          ORDER BY 1 LIMIT 1`,
        [],
      ),
    )
    if (stray !== undefined) return `state.${table.name} ${stray.id} should not exist: the log says nothing of it`
  }
  return null
}
