// The process that serves: everything opened in order, a message for people, then one of four ends. A signal drains and exits
// with 0; a second one exits at once; an unexpected fault, or the end of the embedded database, exits with 1.
import type { Logger } from 'pino'
import { type App, buildApp } from '#app.ts'
import { firstKeyText, makeDefaultKeyspace, originOf, rootKeyText } from '#cli/first-steps.ts'
import { type Installation, openInstallation } from '#cli/installation.ts'
import { createLogger } from '#cli/logger.ts'
import { makeFirstRootKey, replaceRootKey } from '#cli/stored-root-key.ts'
import type { Config } from '#config.ts'
import { systemClock } from '#database/clock.ts'

type Stop = { readonly kind: 'signal'; readonly signal: string } | { readonly kind: 'database'; readonly said: string }

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
/** Ctrl-C reaches us from the terminal and once more from npm: only a later signal is a second thought. */
const SECOND_THOUGHT_AFTER_MS = 500
const EXIT_IMPATIENT = 130

/** Serves until told to stop. Resolves with the exit code; rejects where it could not start, with nothing left open. */
export async function serve(config: Config): Promise<number> {
  const log = createLogger(config.logLevel)
  exitOnFaults(log)
  const signalled = nextSignal(log)
  const installation = await openInstallation(config, { log, maintenance: false })
  const app = appOf(config, installation, log)
  try {
    const port = await app.listen(config)
    // Only now that the port is ours: a start that fails must not take the root key from a server that runs.
    if (config.rootKey !== null) await replaceRootKey(app.services, config.rootKey)
    await greet(config, app, port, log)
    const stop = await Promise.race([signalled, endOf(installation)])
    if (stop.kind === 'database') log.fatal({ said: stop.said }, 'the embedded database ended by itself')
    else log.info({ signal: stop.signal }, 'stopping')
    return stop.kind === 'database' ? 1 : 0
  } finally {
    await app.close()
    await installation.close()
    log.info('stopped')
  }
}

function appOf(config: Config, { serving, keyring }: Installation, log: Logger): App {
  return buildApp({
    services: { database: serving, keyring, clock: systemClock },
    log,
    accessLogDays: config.accessLogDays,
    identityProvider: config.identityProvider,
    cacheCodes: config.cacheCodes,
    stalenessMs: config.stalenessMs,
    graphiql: config.graphiql,
    introspection: config.introspection,
  })
}

/**
 * After the port is ours: a root key made for a server that then could not start would have been shown to nobody. It goes to
 * stdout as soon as it is in force, and never through the log.
 */
async function greet(config: Config, app: App, port: number, log: Logger): Promise<void> {
  const origin = originOf(config.host, port)
  log.info({ host: config.host, port }, 'listening')
  const made = config.rootKey === null ? await makeFirstRootKey(app.services) : undefined
  say(`Keyledger is ready: ${origin}/graphql${config.graphiql ? ' (GraphiQL in a browser)' : ''}\n\n`)
  if (made !== undefined) say(rootKeyText(made))
  // Who has set up both a server and a root key knows what accounts they want.
  if (config.database.kind !== 'embedded' && made === undefined) return
  const keyspaceId = await makeDefaultKeyspace(app.services)
  if (keyspaceId !== undefined && (made !== undefined || config.rootKey !== null))
    say(firstKeyText(origin, keyspaceId, made ?? null))
}

function say(text: string): void {
  process.stdout.write(text)
}

function nextSignal(log: Logger): Promise<Stop> {
  return new Promise((resolve) => {
    let firstAt: number | undefined
    for (const signal of SIGNALS)
      process.on(signal, () => {
        firstAt ??= performance.now()
        resolve({ kind: 'signal', signal })
        if (performance.now() - firstAt < SECOND_THOUGHT_AFTER_MS) return
        log.warn({ signal }, 'stopping at once')
        process.exit(EXIT_IMPATIENT)
      })
  })
}

async function endOf(installation: Installation): Promise<Stop> {
  return { kind: 'database', said: await installation.exited }
}

/** After a fault that nobody caught nothing can be relied on; the embedded database notices our end by itself. */
function exitOnFaults(log: Logger): void {
  const die = (error: unknown) => {
    log.fatal({ err: error }, 'an unexpected fault')
    process.exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  // Whoever read our messages may stop reading; that is no reason to stop serving.
  process.stdout.on('error', () => undefined)
}
