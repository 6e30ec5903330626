// From where the data is to be (a server's URL, or a folder of our own) to connections that are ready to be used: the right
// kind of server, migrated, with owner and server apart wherever we can arrange that ourselves.
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { ConnectionConfig } from 'pg'
import type { BaseLogger } from 'pino'
import type { Secret } from '#secret/secret.ts'
import { connect, type Database, statement } from './connect.ts'
import { clusterFolder } from './embedded/cluster.ts'
import { codeOf, messageOf } from './embedded/errors.ts'
import { findRunningServer } from './embedded/running.ts'
import { startEmbeddedServer } from './embedded/server.ts'
import { grantServing, SERVING_ROLE } from './grants.ts'
import { migrate, pendingMigrations } from './migrate.ts'
import { DATABASE_NAME, type DatabaseSettings, openPools, SERVING_USER, SUPERUSER } from './pools.ts'
import { connectionTo, isUnverified } from './server-url.ts'

export type OpenOptions = {
  readonly log: BaseLogger
  /**
   * For a command beside the server: an embedded database that runs is joined, one that does not is started for as long as
   * the command takes, and none is ever made.
   */
  readonly maintenance: boolean
}

export type OpenDatabase = {
  /** May change the schema; its statements may take their time. Holds no connection while unused. */
  readonly owner: Database
  readonly serving: Database
  /** For people: which database this is. Without a password. */
  readonly describe: string
  /** Resolves with the end of its log if the embedded server ends by itself; never where there is none of ours. */
  readonly exited: Promise<string>
  close(): Promise<void>
}

/** The operator has to do something about the installation; the message says what. */
export class InstallationError extends Error {
  override readonly name = 'InstallationError'
}

const VERSION_MIN = 150_000

const FORBIDDEN = '42501'

/** Throws InstallationError, or one of the errors of the embedded server, with what to do in the message. */
export async function openDatabase(settings: DatabaseSettings, options: OpenOptions): Promise<OpenDatabase> {
  return settings.database.kind === 'server'
    ? openServer(settings.database.url, settings, options)
    : openEmbedded(settings.database.dataFolder, settings, options)
}

async function openServer(
  url: Secret,
  settings: DatabaseSettings,
  { log, maintenance }: OpenOptions,
): Promise<OpenDatabase> {
  const connection = connectionTo(url)
  const pools = openPools(settings, log, connection, connection)
  try {
    const describe = `PostgreSQL ${await checkedVersion(pools.owner, placeOf(url))} at ${placeOf(url)}`
    const rights = await rightsOf(pools.serving)
    await migrateAsGiven(pools.owner, log)
    if (rights?.owns !== false) {
      noteOwner(log)
      // Somebody may have made the role since the tables were.
      if (maintenance) await grantServing(pools.owner.pool)
    }
    if (isUnverified(url)) noteUnverified(log)
    return { ...pools, describe, exited: new Promise(() => {}) }
  } catch (error) {
    await pools.close()
    throw error
  }
}

async function openEmbedded(
  dataFolder: string,
  settings: DatabaseSettings,
  options: OpenOptions,
): Promise<OpenDatabase> {
  const { log, maintenance } = options
  if (maintenance) requireCluster(dataFolder)
  const running = maintenance ? findRunningServer(dataFolder) : undefined
  const started = running === undefined ? await startEmbedded(dataFolder, log) : undefined
  const at = running ?? { host: started?.socketFolder ?? '', port: started?.port ?? 0 }
  const pools = openPools(
    settings,
    log,
    { ...at, user: SUPERUSER, database: DATABASE_NAME },
    { ...at, user: SERVING_USER, database: DATABASE_NAME },
  )
  const close = async () => {
    await pools.close()
    await started?.stop()
  }
  try {
    if (started === undefined) await requireMigrated(pools.owner)
    else {
      await makeDatabase({ ...at, user: SUPERUSER, database: 'postgres' })
      await migrateAndMakeUser(pools.owner, log)
    }
  } catch (error) {
    await close()
    throw error
  }
  const describe = `embedded PostgreSQL in ${path.resolve(dataFolder)}`
  return { ...pools, describe, exited: started?.exited ?? new Promise(() => {}), close }
}

function requireCluster(dataFolder: string): void {
  const folder = path.resolve(dataFolder)
  if (existsSync(path.join(clusterFolder(folder), 'PG_VERSION'))) return
  throw new InstallationError(
    `There is no data in ${folder} yet. \`keyledger start\` makes it; if it is elsewhere, set KEYLEDGER_DATA_DIR to its ` +
      'folder or DATABASE_URL to its server.',
  )
}

function startEmbedded(dataFolder: string, log: BaseLogger) {
  return startEmbeddedServer({
    dataFolder,
    log: (line) => log.debug({ postgres: line }, 'the embedded PostgreSQL says'),
  })
}

async function makeDatabase(connection: ConnectionConfig): Promise<void> {
  const server = connect({
    connection,
    prepared: false,
    poolSize: 1,
    queryTimeoutMs: 0,
    applicationName: 'keyledger setup',
    onIdleError: () => undefined,
  })
  try {
    const { rows } = await server.pool.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE_NAME])
    if (rows.length === 0) await server.pool.query(`CREATE DATABASE ${DATABASE_NAME}`)
  } finally {
    await server.close()
  }
}

async function migrateAndMakeUser(owner: Database, log: BaseLogger): Promise<void> {
  noteMigrations(await migrate(owner), log)
  const { rows } = await owner.pool.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [SERVING_USER])
  if (rows.length === 0) await owner.pool.query(`CREATE ROLE ${SERVING_USER} LOGIN IN ROLE ${SERVING_ROLE}`)
}

/** A running server of an older version must not have the tables changed under it by a newer command. */
async function requireMigrated(owner: Database): Promise<void> {
  const pending = await pendingMigrations(owner)
  if (pending.length > 0)
    throw new InstallationError(
      `The running server is older than this command (${pending.length} migrations are pending). Restart it first.`,
    )
}

async function migrateAsGiven(owner: Database, log: BaseLogger): Promise<void> {
  try {
    // Asked first: a user who may not migrate has no need to, as long as nothing is pending.
    if ((await pendingMigrations(owner)).length > 0) noteMigrations(await migrate(owner), log)
  } catch (error) {
    if (codeOf(error) !== FORBIDDEN && codeOf(causeOf(error)) !== FORBIDDEN) throw error
    throw new InstallationError(
      'The database is not at the schema of this version, and the user of DATABASE_URL may not change that. Run ' +
        '`keyledger migrate` once with the DATABASE_URL of a user who owns the database, and grant this one the role ' +
        `${SERVING_ROLE}.`,
      { cause: error },
    )
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}

function noteMigrations(names: readonly string[], log: BaseLogger): void {
  if (names.length > 0) log.info({ migrations: names }, 'the database was migrated')
}

/** The version as people write it, of a server that we can write to. */
async function checkedVersion(database: Database, place: string): Promise<string> {
  const { number, text, standby, encoding } = await identify(database, place)
  if (number < VERSION_MIN)
    throw new InstallationError(`PostgreSQL 15 or later is needed, and the server at ${place} is version ${text}.`)
  if (encoding !== 'UTF8')
    throw new InstallationError(`The database at ${place} is encoded as ${encoding}. Create one with ENCODING 'UTF8'.`)
  if (standby)
    throw new InstallationError(`The server at ${place} is a read-only standby. Give DATABASE_URL of the primary.`)
  return text
}

async function identify(database: Database, place: string) {
  try {
    const { rows } = await database.kysely.executeQuery(
      statement<{ number: number; text: string; standby: boolean; encoding: string }>(
        `SELECT current_setting('server_version_num')::int AS number, split_part(current_setting('server_version'), ' ', 1)
                AS text, pg_is_in_recovery() AS standby, current_setting('server_encoding') AS encoding`,
        [],
      ),
    )
    const [row] = rows
    if (row === undefined) throw new Error('the server did not say its version')
    return row
  } catch (error) {
    throw new InstallationError(`No connection to the PostgreSQL server at ${place}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

type Rights = { readonly user: string; readonly owns: boolean; readonly uses: boolean }

/** Undefined where nothing has been migrated yet: whoever does that owns it. Throws where the user may not even read. */
async function rightsOf(database: Database): Promise<Rights | undefined> {
  const { rows } = await database.kysely.executeQuery(
    statement<Rights>(
      `SELECT current_user AS user, pg_has_role(n.nspowner, 'MEMBER') AS owns, has_schema_privilege(n.oid, 'USAGE') AS uses
         FROM pg_namespace n WHERE n.nspname = 'vault'`,
      [],
    ),
  )
  const [rights] = rows
  if (rights === undefined || rights.uses) return rights
  throw new InstallationError(
    `The user ${rights.user} of DATABASE_URL may not use the tables. Their owner can allow it: \`keyledger migrate\` with the ` +
      `owner's DATABASE_URL, and GRANT ${SERVING_ROLE} TO "${rights.user}"`,
  )
}

function noteOwner(log: BaseLogger): void {
  log.info(
    'the user of DATABASE_URL owns the schema, so a trigger alone keeps the log append-only; a user of its own, with only ' +
      `the role ${SERVING_ROLE}, could not lift it`,
  )
}

function noteUnverified(log: BaseLogger): void {
  log.warn(
    'sslmode=require encrypts and does not check who answers, so that whoever is in between could read everything; ' +
      'verify-full does, with sslrootcert where the CA is your own',
  )
}

function placeOf(url: Secret): string {
  const { host, pathname, searchParams } = new URL(url.reveal())
  return `${searchParams.get('host') ?? host}${pathname}`
}
