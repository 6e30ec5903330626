// Transactions on one pipelined connection, to change things or to look at them as they are at one moment: statements that don't
// need each other's answers share a round trip. Timeouts are SET LOCAL, so that a pooler between us and the server can't leak them.
import type { CompiledQuery } from 'kysely'
import type pg from 'pg'
import { type Database, send } from './connect.ts'

/** What is read in a transaction in progress, whether or not it will change anything. */
export type Reading = {
  /** Statements run in the order they are sent in. */
  run<Row>(query: CompiledQuery<Row>): Promise<readonly Row[]>
}

/** A transaction in progress. */
export type Transaction = Reading & {
  /** Sends the last statement and COMMIT together, so that no lock it takes waits for the client. */
  commitWith<Row>(last: CompiledQuery<Row>): Promise<readonly Row[]>
}

// lock_timeout: a command that waits longer than this for another one answers CONFLICT. idle: a client that dies or stalls in
// the middle gives its locks back.
const LIMITS = `SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = '10s';
  SET LOCAL idle_in_transaction_session_timeout = '5s'`
const BEGIN = `BEGIN ISOLATION LEVEL READ COMMITTED; ${LIMITS}`

/**
 * Runs `work` in a transaction and rolls back when it throws, or when it returns without having committed.
 * BEGIN travels together with the first statements of `work`.
 */
export async function inTransaction<T>(database: Database, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  const client = await database.pool.connect()
  const begun = client.query(BEGIN)
  begun.catch(() => undefined) // It fails only with the connection; then so does the first statement behind it.
  let committed = false
  try {
    const result = await work({
      run: (query) => send(client, query),
      async commitWith(last) {
        const [rows] = await Promise.all([send(client, last), commit(client)])
        committed = true
        return rows
      },
    })
    if (!committed) await client.query('ROLLBACK')
    client.release()
    return result
  } catch (error) {
    await giveBack(client)
    throw error
  }
}

async function commit(client: pg.PoolClient): Promise<void> {
  const { command } = await client.query('COMMIT')
  // The answer to COMMIT in an aborted transaction is a successful ROLLBACK.
  if (command !== 'COMMIT') throw new Error('The transaction was rolled back instead of committed')
}

/** A connection whose rollback fails is broken and leaves the pool. */
async function giveBack(client: pg.PoolClient): Promise<void> {
  try {
    await client.query('ROLLBACK')
    client.release()
  } catch {
    client.release(true)
  }
}

/**
 * Runs `work` on one snapshot of everything, in a transaction that can write nothing. `tables`, each with its schema, are those
 * that a rebuild swaps: held as any reader holds them, but before the snapshot, as those that are swapped in after it would be
 * empty in its eyes.
 */
export async function inSnapshot<T>(
  database: Database,
  tables: readonly string[],
  work: (reading: Reading) => Promise<T>,
): Promise<T> {
  const client = await database.pool.connect()
  try {
    await client.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${LIMITS}; LOCK TABLE ${tables.join(', ')} IN ACCESS SHARE MODE`,
    )
    const result = await work({ run: (query) => send(client, query) })
    await client.query('ROLLBACK')
    client.release()
    return result
  } catch (error) {
    await giveBack(client)
    throw error
  }
}
