// What a rebuild can't make anew, which is the log and the vault, from one database into another: whole, as it was at one
// moment, or not at all. State is left out on purpose: it follows from the log, and is made from it where it is to serve.

import { type Database, statement } from '#database/connect.ts'
import {
  inSnapshot,
  insertRows,
  type Run,
  readTable,
  setForCopying,
  summarise,
  type TableToCopy,
  tablesIn,
} from '#database/copy.ts'
import { codeOf } from '#database/embedded/errors.ts'
import { InstallationError } from '#database/open.ts'
import { inTransaction } from '#database/transaction.ts'
import type { Instant } from '#domain/instant.ts'
import type { Keyring } from '#secret/keyring.ts'
import { type EventChecker, eventChecker } from './check-events.ts'

export type Copied = {
  /** The moment of the source that was copied. */
  readonly asOf: Instant
  readonly accounts: bigint
  readonly streams: bigint
  readonly events: bigint
  /** By feed shard, those without events left out. */
  readonly heads: ReadonlyMap<number, bigint>
}

/** Truth; telemetry and what is derived are not. */
const SCHEMAS = ['audit', 'log', 'vault']
/** Where Keyledger's data lies. Rows that every migration makes anew are none. */
const DATA_SCHEMAS = ['log', 'state', 'vault', 'usage', 'audit']
const MADE_BY_MIGRATIONS = new Set(['log.feed_shard', 'state.generation'])

/**
 * Stands among the secrets that the target's data was made under from the copy on until `openTarget`: as nobody has a secret of
 * this name, and none makes that value, no server of any version starts there meanwhile.
 */
export const UNFINISHED_MOVE = 'unfinished-move'

const EMPTYING = 'DROP SCHEMA IF EXISTS log, state, state_next, vault, usage, audit, migration CASCADE'

const LOCK_TIMEOUT = '55P03'

/**
 * Copies log, vault and audit log as they are at this moment, checks every event on the way, and commits only what is equal in both.
 * `target` is migrated and belongs to its user. Throws InstallationError, with the target as it was.
 */
export function copyTruth(source: Database, target: Database, keyring: Keyring): Promise<Copied> {
  return inSnapshot(source, (from) =>
    inTransaction(target, async (transaction) => {
      const to: Run = transaction.run
      await Promise.all([setForCopying(from), setForCopying(to)])
      const tables = await tablesIn(from, SCHEMAS)
      requireSame(tables, await tablesIn(to, SCHEMAS))
      await lockTables(to, tables)
      await requireEmpty(to)
      await to(statement('DELETE FROM log.feed_shard', []))
      const heads = await readHeads(from)
      const counts = new Map<string, bigint>()
      for (const table of tables) counts.set(table.name, await copyTable(from, to, table, eventChecker(keyring, heads)))
      const [clock] = await from(statement<{ now: Instant }>('SELECT now()', []))
      await transaction.commitWith(
        statement(
          `INSERT INTO vault.secret_check (secret_id, check_value) VALUES ($1, decode(repeat('00', 32), 'hex'))`,
          [UNFINISHED_MOVE],
        ),
      )
      return {
        asOf: clock?.now ?? '',
        accounts: counts.get('log.account') ?? 0n,
        streams: counts.get('log.stream') ?? 0n,
        events: counts.get('log.event') ?? 0n,
        heads: new Map([...heads].filter(([, head]) => head > 0n)),
      }
    }),
  )
}

/** Lets servers start on the target. Until then none does. */
export async function openTarget(target: Database): Promise<void> {
  await target.pool.query('DELETE FROM vault.secret_check WHERE secret_id = $1', [UNFINISHED_MOVE])
}

/**
 * Throws InstallationError where there is anything of Keyledger's, or under the names of its schemas: a move never merges, and
 * never replaces. Any state of the database will do, also one that was never migrated.
 */
export async function requireEmpty(run: Run): Promise<void> {
  const [foreign] = await run(
    statement<{ name: string }>(
      `SELECT nspname AS name FROM pg_namespace
        WHERE nspname = ANY ($1) AND to_regclass('migration.applied') IS NULL ORDER BY 1`,
      [DATA_SCHEMAS],
    ),
  )
  if (foreign !== undefined)
    throw new InstallationError(
      `The database to move to has a schema \`${foreign.name}\` that is not Keyledger's. Give a database of its own.`,
    )
  const tables = await tablesIn(run, DATA_SCHEMAS)
  if (tables.some(({ name }) => name === 'vault.secret_check') && (await hasRows(run, MARKED)))
    throw new InstallationError(
      'An earlier move into this database has not ended: it was interrupted, or is still going on. No server starts there ' +
        `until it is emptied. If none is going on, do that as its owner, and move again:\n  ${EMPTYING}`,
    )
  for (const { name } of tables)
    if (!MADE_BY_MIGRATIONS.has(name) && (await hasRows(run, `SELECT FROM ${name}`)))
      throw new InstallationError(
        `The database to move to has data of Keyledger already (in ${name}), and a move never merges. Give one that is empty.`,
      )
}

const MARKED = `SELECT FROM vault.secret_check WHERE secret_id = '${UNFINISHED_MOVE}'`

async function hasRows(run: Run, query: string): Promise<boolean> {
  const [answer] = await run(statement<{ found: boolean }>(`SELECT EXISTS (${query}) AS found`, []))
  return answer?.found === true
}

function requireSame(tables: readonly TableToCopy[], others: readonly TableToCopy[]): void {
  if (JSON.stringify(tables) !== JSON.stringify(others))
    throw new InstallationError(
      'The tables of the database to move to are not those of this version of Keyledger. Was it migrated by a newer one?',
    )
}

/** So that a server that starts there meanwhile waits for the end, and then meets either nothing or an unfinished move. */
async function lockTables(run: Run, tables: readonly TableToCopy[]): Promise<void> {
  try {
    await run(statement(`LOCK TABLE ${tables.map(({ name }) => name).join(', ')} IN ACCESS EXCLUSIVE MODE`, []))
  } catch (error) {
    if (codeOf(error) !== LOCK_TIMEOUT) throw error
    throw new InstallationError('The database to move to is in use by another process. Stop it first.', {
      cause: error,
    })
  }
}

async function readHeads(run: Run): Promise<ReadonlyMap<number, bigint>> {
  const rows = await run(
    statement<{ shard: number; head: bigint }>('SELECT shard, head FROM log.feed_shard ORDER BY shard', []),
  )
  return new Map(rows.map(({ shard, head }) => [shard, head]))
}

async function copyTable(from: Run, to: Run, table: TableToCopy, checker: EventChecker): Promise<bigint> {
  const isLog = table.name === 'log.event'
  for await (const rows of readTable(from, table)) {
    if (isLog) checker.check(rows)
    await insertRows(to, table, rows)
  }
  if (isLog) checker.end()
  // The rebuild comes at once, and would be planned as if the table were still empty.
  await to(statement(`ANALYZE ${table.name}`, []))
  const [here, there] = await Promise.all([summarise(from, table), summarise(to, table)])
  if (here.rows !== there.rows || here.fingerprint !== there.fingerprint)
    throw new Error(`${table.name} is not the same in both databases: ${here.rows} rows became ${there.rows}`)
  return here.rows
}
