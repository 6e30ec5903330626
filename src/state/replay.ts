// The log read stream by stream and folded: what a rebuild writes and what a check compares with.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import type { Stream } from '#domain/streams.ts'
import { foldStreams, type StoredEvent } from '#log/load.ts'
import { allRows, stateTables } from './project.ts'
import type { Row, TableRows } from './row-writer.ts'

/** Streams folded at a time: bounds memory, as streams are short. */
const BATCH_STREAMS = 500

export type Run = <R>(query: CompiledQuery<R>) => Promise<readonly R[]>

export type Batch = { readonly shard: number; readonly streams: readonly Stream[] }

/** The head of each feed shard: everything up to there is visible, without holes, to whoever reads later. */
export async function readHeads(run: Run): Promise<ReadonlyMap<number, bigint>> {
  const rows = await run(statement<{ shard: number; head: bigint }>('SELECT shard, head FROM log.feed_shard', []))
  return new Map(rows.map(({ shard, head }) => [shard, head]))
}

/** Every stream there is, folded, in batches. */
export async function* replayAll(run: Run, shards: Iterable<number>): AsyncGenerator<Batch> {
  for (const shard of shards) {
    for (let after = ''; ; ) {
      const page = await run(
        statement<{ stream_id: string }>(
          'SELECT stream_id FROM log.stream WHERE shard = $1 AND stream_id > $2 ORDER BY stream_id LIMIT $3',
          [shard, after, BATCH_STREAMS],
        ),
      )
      const last = page.at(-1)
      if (last === undefined) break
      after = last.stream_id
      yield {
        shard,
        streams: await fold(
          run,
          shard,
          page.map(({ stream_id }) => stream_id),
        ),
      }
    }
  }
}

/** The streams with events after `from` and up to `to`, whole. */
export async function* replayChanged(
  run: Run,
  from: ReadonlyMap<number, bigint>,
  to: ReadonlyMap<number, bigint>,
): AsyncGenerator<Batch> {
  for (const [shard, head] of to) {
    const known = from.get(shard) ?? 0n
    if (head === known) continue
    const changed = await run(
      statement<{ stream_id: string }>(
        `SELECT DISTINCT stream_id FROM log.event
          WHERE shard = $1 AND shard_position > $2 AND shard_position <= $3 ORDER BY stream_id`,
        [shard, known, head],
      ),
    )
    const ids = changed.map(({ stream_id }) => stream_id)
    for (let start = 0; start < ids.length; start += BATCH_STREAMS)
      yield { shard, streams: await fold(run, shard, ids.slice(start, start + BATCH_STREAMS)) }
  }
}

async function fold(run: Run, shard: number, streamIds: readonly string[]): Promise<readonly Stream[]> {
  const events = await run(
    statement<StoredEvent>(
      `SELECT stream_id, stream_kind, account_id, version, type, schema_version, actor_kind, actor_id, decided_at, data
         FROM log.event WHERE shard = $1 AND stream_id = ANY ($2) ORDER BY stream_id, version`,
      [shard, streamIds],
    ),
  )
  return [...foldStreams(events).values()]
}

/** All rows of some streams, one entry a table, every table included. */
export function rowsOfStreams(streams: readonly Stream[]): readonly TableRows[] {
  const rows = new Map<string, Row[]>(stateTables.map((table) => [table.name, []]))
  for (const stream of streams) for (const part of allRows(stream)) rows.get(part.table.name)?.push(...part.rows)
  return stateTables.map((table) => ({ table, rows: rows.get(table.name) ?? [] }))
}
