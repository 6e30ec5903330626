// Where the data is, and the connections that are kept to it.
import type { ConnectionConfig } from 'pg'
import type { BaseLogger } from 'pino'
import type { Secret } from '#secret/secret.ts'
import { connect, type Database, SERVING_QUERY_TIMEOUT_MS } from './connect.ts'

export type DatabaseLocation =
  | { readonly kind: 'server'; readonly url: Secret }
  | { readonly kind: 'embedded'; readonly dataFolder: string }

export type DatabaseSettings = { readonly database: DatabaseLocation; readonly preparedStatements: boolean }

/** Of an embedded server. */
export const DATABASE_NAME = 'keyledger'
export const SUPERUSER = 'postgres'
/** May log in, and do what the serving role may; never more. */
export const SERVING_USER = 'keyledger'

/**
 * A command holds its connection for some four round trips, most of that waiting for one fsync that commits of the same
 * moment share; beyond some 20 at once two cores are busy before more would help. Four instances, with room for
 * maintenance, then fit into the 100 connections that PostgreSQL allows by default.
 */
const SERVING_POOL_SIZE = 20
/** Below, a worker would wait for connections while the database has nothing to do. */
const WORKER_POOL_SIZE_MIN = 5
const OWNER_POOL_SIZE = 4

/** Workers of one instance share its connections. */
export function poolSizeOfWorker(workers: number): number {
  return Math.max(WORKER_POOL_SIZE_MIN, Math.ceil(SERVING_POOL_SIZE / workers))
}

export type Pools = { readonly owner: Database; readonly serving: Database; close(): Promise<void> }

export function openPools(
  settings: DatabaseSettings,
  log: BaseLogger,
  ownerConnection: ConnectionConfig,
  servingConnection: ConnectionConfig,
  servingPoolSize = SERVING_POOL_SIZE,
): Pools {
  let closing = false
  const common = {
    prepared: settings.preparedStatements,
    onIdleError(error: Error) {
      // An embedded server that is stopped says goodbye to connections that are closing as it does.
      if (!closing) log.warn({ reason: error.message }, 'a database connection broke and was replaced')
    },
  }
  const owner = connect({
    ...common,
    connection: ownerConnection,
    poolSize: OWNER_POOL_SIZE,
    queryTimeoutMs: 0,
    applicationName: 'keyledger maintenance',
  })
  const serving = connect({
    ...common,
    connection: servingConnection,
    poolSize: servingPoolSize,
    queryTimeoutMs: SERVING_QUERY_TIMEOUT_MS,
    applicationName: 'keyledger',
  })
  return {
    owner,
    serving,
    async close() {
      closing = true
      await Promise.all([owner.close(), serving.close()])
    },
  }
}
