// What the owner of a database can do to it, past every trigger: change what is there, or set it back to what it was.
import type { TestDatabase } from './database.ts'

/** In one transaction, with no trigger in force. */
export async function tamper(database: TestDatabase, ...statements: readonly string[]): Promise<void> {
  await database.owner.pool.query(
    `BEGIN; SET LOCAL session_replication_role = replica; ${statements.join('; ')}; COMMIT`,
  )
}

const LOG = ['log.event', 'log.stream', 'log.account', 'log.feed_shard']
const STATE = ['account', 'keyspace', 'key', 'code', 'rotation', 'link', 'policy', 'user'].map(
  (name) => `state."${name}"`,
)
const VAULT = ['vault.user_key', 'vault.personal', 'vault.identity']
const AUDIT = ['audit.log', 'audit.cursor', 'audit.leaf', 'audit.tile', 'audit.checkpoint']

/** As before the first start. */
export async function clearLog(database: TestDatabase): Promise<void> {
  await tamper(
    database,
    `TRUNCATE ${[...AUDIT, ...STATE, ...LOG.filter((table) => table !== 'log.feed_shard')].join(', ')}`,
    `UPDATE log.feed_shard SET head = 0, last_event_id = '', last_at = '-infinity'`,
  )
}

/** A backup inside the same database. */
export async function backUp(database: TestDatabase): Promise<void> {
  await tamper(
    database,
    'DROP SCHEMA IF EXISTS backup CASCADE',
    'CREATE SCHEMA backup',
    ...[...AUDIT, ...STATE, ...LOG, ...VAULT].map((table) => `CREATE TABLE ${copyOf(table)} AS TABLE ${table}`),
  )
}

export async function restore(database: TestDatabase): Promise<void> {
  await tamper(database, ...restoring())
}

/** All but the audit log. */
export async function restoreEvents(database: TestDatabase): Promise<void> {
  await tamper(database, ...restoring([...STATE, ...LOG, ...VAULT]))
}

/** The statements of it. */
export function restoring(tables: readonly string[] = [...AUDIT, ...STATE, ...LOG, ...VAULT]): readonly string[] {
  return [
    ...tables.map((table) => `DELETE FROM ${table}`),
    ...tables.map((table) => `INSERT INTO ${table} TABLE ${copyOf(table)}`),
    // A backup is older than any lease.
    `UPDATE audit.log SET lease_until = '-infinity'`,
  ]
}

function copyOf(table: string): string {
  return `backup.${table.replace(/[."]+/g, '_')}`
}
