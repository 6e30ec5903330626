// A database of its own for each test file, cloned from the migrated template (some 40 ms): files run side by side and
// none has to clean up after another.
//
//   const database = await createTestDatabase()
//   afterAll(() => database.drop())
import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { afterEach, inject } from 'vitest'
import { connect, type Database } from '#database/connect.ts'
import { onServer, urlOf } from './server.ts'

export type TestDatabase = {
  /** As the owner, who migrates and rebuilds. */
  readonly owner: Database
  /** As a login role whose only rights are those of the serving role, so that a missing grant is found. */
  readonly serving: Database
  /** For connections of one's own, as the owner. */
  readonly connection: pg.ConnectionConfig & { readonly connectionString: string }
  readonly servingConnection: pg.ConnectionConfig & { readonly connectionString: string }
  /** Closes `owner` and `serving` and drops the database, cutting off whoever is still connected. */
  drop(): Promise<void>
}

// A file imports this module once, and then this hook is the file's.
let failed = false
afterEach(({ task }) => {
  failed ||= task.result?.state === 'fail'
})

/** After a failed test the database is kept where its server is (TEST_DATABASE_URL), and its name printed. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { url, template, prefix, servingUser, servingPassword, outlivesRun } = inject('testServer')
  const name = `${prefix}_${randomBytes(4).toString('hex')}`
  await onServer(url, `CREATE DATABASE ${name} TEMPLATE ${template}`)
  const connection = { connectionString: urlOf(url, name) }
  const servingConnection = { connectionString: urlOf(url, name, servingUser, servingPassword) }
  let dropping = false
  // A pool that ends does not wait for its connections to be closed: the last of them may be among those cut off.
  const report = (error: Error) => {
    if (!dropping) console.error(error)
  }
  const owner = connectTo(connection, report)
  const serving = connectTo(servingConnection, report)
  return {
    owner,
    serving,
    connection,
    servingConnection,
    async drop() {
      dropping = true
      await Promise.all([owner.close(), serving.close()])
      if (failed && outlivesRun) console.error(`Kept the database of the failed file: ${name}`)
      else await onServer(url, `DROP DATABASE ${name} WITH (FORCE)`)
    },
  }
}

function connectTo(connection: pg.ConnectionConfig, onIdleError: (error: Error) => void): Database {
  return connect({
    connection,
    prepared: true,
    poolSize: 4,
    queryTimeoutMs: 30_000,
    applicationName: 'keyledger-test',
    onIdleError,
  })
}
