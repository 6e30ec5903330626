// `keyledger move --to <DATABASE_URL>`: an embedded installation to a PostgreSQL server, which is also its backup. The source is
// only read. The target is empty until the copy is committed whole, and opened to servers only when its state was made and
// compared with the log: wherever a move ends, what it leaves is complete or refuses to serve.
import path from 'node:path'
import type { Config } from '#config.ts'
import { connect, type Database, send, statement } from '#database/connect.ts'
import { codeOf, messageOf } from '#database/embedded/errors.ts'
import { findRunningServer } from '#database/embedded/running.ts'
import { InstallationError, openDatabase } from '#database/open.ts'
import { connectionTo, isServerUrl, SERVER_URL_ACCEPTED } from '#database/server-url.ts'
import { type Copied, copyTruth, openTarget, requireEmpty } from '#log/copy.ts'
import type { Keyring } from '#secret/keyring.ts'
import { Secret } from '#secret/secret.ts'
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { withConfig } from './command-line.ts'
import { complain, EXIT_OK, EXIT_USAGE } from './exit.ts'
import { openInstallation } from './installation.ts'
import { createLogger } from './logger.ts'

const FORBIDDEN = '42501'

export async function move(args: readonly string[]): Promise<number> {
  const to = urlIn(args)
  if (to === undefined) {
    // Without a word of what was given: it may hold a password.
    complain(
      `Usage: keyledger move --to <DATABASE_URL>\nThe URL is that of an empty database on a PostgreSQL server: ${SERVER_URL_ACCEPTED}. ` +
        'Its password may be in PGPASSWORD instead, where no list of processes shows it.',
    )
    return EXIT_USAGE
  }
  return withConfig([], {}, async (config) => {
    const { database } = config
    if (database.kind === 'server')
      throw new InstallationError(
        'DATABASE_URL is set, and a move begins at an embedded database. What is on a PostgreSQL server already is copied ' +
          "by PostgreSQL's own pg_dump. To move an embedded database, unset DATABASE_URL.",
      )
    await moveTo(to, database.dataFolder, config)
    return EXIT_OK
  })
}

/** Undefined where the arguments are not `--to` and a URL. */
function urlIn(args: readonly string[]): Secret | undefined {
  const [first = '', second] = args
  const text = first.startsWith('--to=') ? first.slice('--to='.length) : first === '--to' ? second : undefined
  if (text === undefined || args.length !== (first === '--to' ? 2 : 1)) return undefined
  return isServerUrl(text) ? new Secret(text) : undefined
}

async function moveTo(url: Secret, dataFolder: string, config: Config): Promise<void> {
  await requireEmptyAt(url)
  const log = createLogger(config.logLevel)
  const isServing = findRunningServer(dataFolder) !== undefined
  const source = await openInstallation(config, { log, maintenance: true })
  try {
    const { preparedStatements } = config
    const target = await openDatabase(
      { database: { kind: 'server', url }, preparedStatements },
      { log, maintenance: true },
    )
    try {
      say(`From: ${source.describe}${isServing ? ', which a server is using' : ''}\nTo:   ${target.describe}\n`)
      await requireOwner(target.owner)
      const copied = await fill(source.owner, target.owner, source.keyring)
      say(
        `\n${nextSteps(
          copied,
          {
            secretsFile: config.keyring === null ? path.join(path.resolve(dataFolder), 'secrets') : null,
            auditKeyFile: config.audit.keys === null ? path.join(path.resolve(dataFolder), 'audit-key') : null,
            auditHost: config.audit.host,
          },
          isServing,
        )}`,
      )
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** Before anything else: a database that is refused must not even have been migrated. */
async function requireEmptyAt(url: Secret): Promise<void> {
  const target = connect({
    connection: connectionTo(url),
    prepared: false,
    poolSize: 1,
    queryTimeoutMs: 0,
    applicationName: 'keyledger maintenance',
    onIdleError: () => undefined,
  })
  try {
    await target.pool.query('SELECT 1').catch((error: unknown) => {
      throw new InstallationError(`No connection to the database to move to: ${messageOf(error)}`, { cause: error })
    })
    await requireEmpty((query) => send(target.pool, query)).catch(explainForbidden)
  } finally {
    await target.close()
  }
}

function explainForbidden(error: unknown): never {
  if (codeOf(error) !== FORBIDDEN) throw error
  throw new InstallationError(NOT_OWNER, { cause: error })
}

const NOT_OWNER =
  'The user of --to may not fill that database. Give the URL of the user who owns it; servers can use another one later.'

async function requireOwner(target: Database): Promise<void> {
  const [rights] = await send(
    target.pool,
    statement<{ enough: boolean }>(
      `SELECT bool_and(pg_has_role(nspowner, 'MEMBER')) AND has_database_privilege(current_database(), 'CREATE') AS enough
         FROM pg_namespace WHERE nspname IN ('log', 'state', 'vault', 'usage', 'audit')`,
      [],
    ),
  )
  if (rights?.enough !== true) throw new InstallationError(NOT_OWNER)
}

async function fill(source: Database, target: Database, keyring: Keyring): Promise<Copied> {
  try {
    say('Copying the log and the vault, checking every event …\n')
    const copied = await copyTruth(source, target, keyring)
    say('Making state from the log …\n')
    const rebuilt = await rebuildState(target)
    say('Comparing state with the log …\n')
    const { difference, ...checked } = await checkState(target)
    if (difference !== null) throw new Error(difference)
    for (const { streams, events } of [rebuilt, checked])
      if (BigInt(streams) !== copied.streams || BigInt(events) !== copied.events)
        throw new Error(`of ${copied.streams} streams and ${copied.events} events, ${streams} and ${events} were found`)
    await openTarget(target)
    return copied
  } catch (error) {
    // What the operator has to know first, before a message of a driver or a defect.
    if (!(error instanceof InstallationError))
      complain(
        'The move did not succeed. Either the target is still empty, or no server will start on it: run it again to see.',
      )
    throw error
  }
}

/** Files are null where what is in them is configured. */
type KeptSettings = {
  readonly secretsFile: string | null
  readonly auditKeyFile: string | null
  readonly auditHost: string
}

function nextSteps(
  { asOf, accounts, streams, events, heads }: Copied,
  { secretsFile, auditKeyFile, auditHost }: KeptSettings,
  isServing: boolean,
): string {
  const secrets =
    secretsFile === null
      ? 'KEYLEDGER_SECRETS as it is set here'
      : `KEYLEDGER_SECRETS to the one line that is in ${secretsFile}`
  const auditKey =
    auditKeyFile === null
      ? 'KEYLEDGER_AUDIT_KEY as it is set here'
      : `KEYLEDGER_AUDIT_KEY to the one line in ${auditKeyFile}`
  return [
    `Moved: ${accounts} accounts, ${streams} streams, ${events} events, as of ${asOf}. State equals the log.`,
    `Positions (feed shard: head): ${[...heads].map(([shard, head]) => `${shard}: ${head}`).join(', ') || 'none yet'}`,
    ...(isServing
      ? [
          '',
          'A server goes on with the source: what it writes after that moment is NOT in the target. This is a backup. To move',
          'for good, stop that server first, and move into another empty database.',
        ]
      : []),
    '',
    'To serve from the target, on any machine:',
    '  1. Set DATABASE_URL to the URL that was given to --to (or one of a user with the role keyledger_serving only).',
    `  2. Set ${secrets}. Without it the keys are worth nothing; keep it apart from the database.`,
    `  3. Set ${auditKey}, and KEYLEDGER_AUDIT_HOST to ${auditHost}: what signs history goes on under the same name.`,
    '  4. keyledger start. Root key, keys and idempotency keys are what they were.',
    'Never serve from both: each would go its own way. The source was only read; it is yours to keep or to delete.',
    '',
  ].join('\n')
}

function say(text: string): void {
  process.stdout.write(text)
}
