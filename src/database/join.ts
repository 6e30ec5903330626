// The connections of a worker: to a database that its primary has opened, looked over and migrated, and goes on to own.
import type { BaseLogger } from 'pino'
import type { Database } from './connect.ts'
import { findRunningServer } from './embedded/running.ts'
import { InstallationError } from './open.ts'
import {
  DATABASE_NAME,
  type DatabaseLocation,
  type DatabaseSettings,
  openPools,
  poolSizeOfWorker,
  SERVING_USER,
} from './pools.ts'
import { connectionTo } from './server-url.ts'

export type JoinedDatabase = { readonly serving: Database; close(): Promise<void> }

/** Holds no connection yet. Throws InstallationError where an embedded server does not run. */
export function joinDatabase(settings: DatabaseSettings, workers: number, log: BaseLogger): JoinedDatabase {
  const connection = servingConnectionTo(settings.database)
  const { serving, close } = openPools(settings, log, connection, connection, poolSizeOfWorker(workers))
  return { serving, close }
}

function servingConnectionTo(location: DatabaseLocation) {
  if (location.kind === 'server') return connectionTo(location.url)
  const at = findRunningServer(location.dataFolder)
  if (at === undefined) throw new InstallationError('The embedded database of this worker does not run.')
  return { ...at, user: SERVING_USER, database: DATABASE_NAME }
}
