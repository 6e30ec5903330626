// One READ COMMITTED transaction on one pipelined connection: statements that don't need each other's answers share a round
// trip. Timeouts are SET LOCAL, so that a pooler between us and the server can't leak them.
import type { CompiledQuery } from 'kysely'
import type pg from 'pg'
import { type Database, send } from './connect.ts'

/** A transaction in progress. Its statements run in the order they are sent in. */
export type Transaction = {
  run<Row>(query: CompiledQuery<Row>): Promise<readonly Row[]>
  /** Sends the last statement and COMMIT together, so that no lock it takes waits for the client. */
  commitWith<Row>(last: CompiledQuery<Row>): Promise<readonly Row[]>
}

// lock_timeout: a command that waits longer than this for another one answers CONFLICT. idle: a client that dies or stalls in
// the middle gives its locks back.
const BEGIN = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = '10s';
  SET LOCAL idle_in_transaction_session_timeout = '5s'`

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
