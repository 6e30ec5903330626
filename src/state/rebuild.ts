// State thrown away and folded anew from the log, while commands go on: the bulk beside the live tables, then what happened
// meanwhile, then the swap, which waits for the commands in flight and holds the others back for a moment.
//
// The order in which the swap locks the tables is the order in which every command and query touches them: accounts,
// keyspaces, keys, codes, rotations, links, policies, users. Otherwise the swap and a command could wait for each other.
import { setTimeout } from 'node:timers/promises'
import { type Connection, type Database, send, statement } from '#database/connect.ts'
import { grantServing } from '#database/grants.ts'
import { stateTables } from './project.ts'
import { type Batch, type Run, readHeads, replayAll, replayChanged, rowsOfStreams } from './replay.ts'
import { insert, type TableRows, upsert } from './row-writer.ts'
import { createShadow, indexShadow, indexUniques, SHADOW, swapShadow } from './shadow.ts'

export type Rebuilt = { readonly streams: number; readonly events: number; readonly generation: bigint }

/** Rounds of catching up before the swap; each is shorter than the one before unless writers outrun the replay. */
const CATCH_UP_ROUNDS = 5
const SWAP_ATTEMPTS = 30
/** How long the swap may make others wait for a lock that it does not get; then it steps back and tries again. */
const SWAP_LOCK_TIMEOUT_MS = 1_000
const SWAP_RETRY_MS = 250

/** `owner` may create schemas. Throws, and leaves the live state as it was, when the swap gets no turn. */
export async function rebuildState(owner: Database): Promise<Rebuilt> {
  const client = await owner.pool.connect()
  const run: Run = (query) => send(client, query)
  try {
    await claimTurn(run)
    await createShadow(run)
    const counted = { streams: 0, events: 0 }
    let heads = await readHeads(run)
    for await (const batch of replayAll(run, heads.keys())) await write(run, batch, insert, counted)
    await indexShadow(run)
    for (let round = 0; round < CATCH_UP_ROUNDS; round++) heads = await catchUp(run, heads, counted)
    const generation = await swap(client, run, heads, counted)
    return { ...counted, generation }
  } finally {
    // The connection is not used again, for it may be left in any state; but it ends some time later, and the turn now.
    await run(statement('SELECT pg_advisory_unlock_all()', [])).catch(() => undefined)
    client.release(true)
  }
}

/** Any number that nobody else locks by. */
const TURN = 0x6b6c7262

/** Two at once would drop each other's tables. */
async function claimTurn(run: Run): Promise<void> {
  const [row] = await run(statement<{ claimed: boolean }>('SELECT pg_try_advisory_lock($1) AS claimed', [TURN]))
  if (row?.claimed !== true) throw new Error('Another rebuild of this database is under way')
}

type Counted = { streams: number; events: number }

async function write(
  run: Run,
  { streams }: Batch,
  writeRows: (rows: TableRows, schema: string) => ReturnType<typeof insert>,
  counted: Counted,
): Promise<void> {
  const tables = rowsOfStreams(streams).filter(({ rows }) => rows.length > 0)
  await Promise.all(tables.map((rows) => run(writeRows(rows, SHADOW))))
  counted.streams += streams.length
  counted.events += streams.reduce((sum, stream) => sum + stream.version, 0)
}

async function catchUp(run: Run, from: ReadonlyMap<number, bigint>, counted: Counted) {
  const to = await readHeads(run)
  for await (const batch of replayChanged(run, from, to)) await write(run, batch, upsert, counted)
  return to
}

async function swap(
  client: Connection,
  run: Run,
  from: ReadonlyMap<number, bigint>,
  counted: Counted,
): Promise<bigint> {
  let heads = from
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(`BEGIN; SET LOCAL lock_timeout = '${SWAP_LOCK_TIMEOUT_MS}ms'`)
      const names = stateTables.map(({ name }) => `state.${name}`)
      await client.query(`LOCK TABLE ${names.join(', ')} IN ACCESS EXCLUSIVE MODE`)
      // Every command that was under way has committed and is in the log; none can commit before the swap has.
      await catchUp(run, heads, counted)
      await indexUniques(run)
      await swapShadow(run)
      // In here, so that no server meets tables that it may not read.
      await grantServing(client)
      const [row] = await run(
        statement<{ generation: bigint }>(
          'UPDATE state.generation SET generation = generation + 1 RETURNING generation',
          [],
        ),
      )
      await client.query('COMMIT')
      return row?.generation ?? 0n
    } catch (error) {
      await client.query('ROLLBACK')
      const timedOut = error instanceof Error && 'code' in error && error.code === '55P03'
      if (!timedOut || attempt === SWAP_ATTEMPTS) throw error
      await setTimeout(SWAP_RETRY_MS)
      heads = await catchUp(run, heads, counted)
    }
  }
}
