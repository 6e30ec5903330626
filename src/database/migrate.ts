// Brings a database to the newest schema. Safe to run by many instances at once: Kysely holds an advisory lock.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Migration, Migrator } from 'kysely/migration'
import type { Database } from './connect.ts'
import { grantServing } from './grants.ts'

const FOLDER = join(import.meta.dirname, '../../migrations')

/** Applies what is pending, in the order of the file names, and returns the names. Throws with the failed one's name. */
export async function migrate(owner: Database): Promise<readonly string[]> {
  const migrator = new Migrator({
    db: owner.kysely,
    provider: { getMigrations },
    migrationTableSchema: 'migration',
    migrationTableName: 'applied',
    migrationLockTableName: 'lock',
  })
  const { error, results = [] } = await migrator.migrateToLatest()
  if (error !== undefined) {
    const failed = results.find((result) => result.status === 'Error')?.migrationName ?? 'before the first migration'
    throw new Error(`Migrating the database failed (${failed})`, { cause: error })
  }
  await grantServing(owner.pool)
  return results.map((result) => result.migrationName)
}

/** Names of migrations that the database has not seen yet; changes nothing. */
export async function pendingMigrations(database: Database): Promise<readonly string[]> {
  const names = Object.keys(await getMigrations())
  const { rows: known } = await database.pool.query<{ exists: boolean }>(
    `SELECT to_regclass('migration.applied') IS NOT NULL AS exists`,
  )
  if (known[0]?.exists !== true) return names
  const { rows } = await database.pool.query<{ name: string }>('SELECT name FROM migration.applied')
  const applied = new Set(rows.map((row) => row.name))
  return names.filter((name) => !applied.has(name))
}

async function getMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(FOLDER)).filter((file) => /^\d{4}-[a-z0-9-]+\.[jt]s$/.test(file)).sort()
  const loaded = await Promise.all(
    files.map(async (file) => [file.slice(0, -3), (await import(join(FOLDER, file))) as Migration] as const),
  )
  return Object.fromEntries(loaded)
}
