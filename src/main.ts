// A process that serves: everything opened in order, a message for people, then one of four ends. A signal drains and exits with
// 0; a second one exits at once; an unexpected fault, or the end of the embedded database, exits with 1.
import cluster from 'node:cluster'
import type { Logger } from 'pino'
import { type App, buildApp } from '#app.ts'
import { greet } from '#cli/first-steps.ts'
import { type Installation, joinInstallation, openInstallation } from '#cli/installation.ts'
import { createLogger } from '#cli/logger.ts'
import { exitOnFaults, nextSignal, timeToStop } from '#cli/process-ends.ts'
import { sealingOf, sealingSettings } from '#cli/sealing.ts'
import { STOP } from '#cli/workers.ts'
import type { Config } from '#config.ts'
import { systemClock } from '#database/clock.ts'

/** Serves until told to stop. Resolves with the exit code; rejects where it could not start, with nothing left open. */
export async function serve(config: Config): Promise<number> {
  const log = createLogger(config.logLevel)
  exitOnFaults(log)
  const signalled = nextSignal(log)
  const installation = await openInstallation(config, { log, maintenance: false })
  const app = appOf(config, installation, log)
  try {
    const port = await app.listen(config)
    log.info({ host: config.host, port }, 'listening')
    await greet(config, app.services, port)
    return await timeToStop(signalled, installation.exited, log)
  } finally {
    await app.close()
    await installation.close()
    log.info('stopped')
  }
}

/** The same in a worker, which has its database from the primary, and is told to stop by it or by a signal. */
export async function serveAsWorker(config: Config): Promise<number> {
  const log = createLogger(config.logLevel, cluster.worker?.id)
  exitOnFaults(log)
  const stopped = Promise.race([nextSignal(log), told(STOP)])
  const installation = await joinInstallation(config, log)
  const app = appOf(config, installation, log)
  try {
    const port = await app.listen(config)
    log.info({ host: config.host, port }, 'listening')
    await stopped
    log.info('stopping')
    return 0
  } finally {
    await app.close()
    await installation.close()
    log.info('stopped')
  }
}

function told(what: string): Promise<void> {
  return new Promise((resolve) => {
    process.on('message', (message) => {
      if (message === what) resolve()
    })
  })
}

function appOf(config: Config, { serving, keyring }: Pick<Installation, 'serving' | 'keyring'>, log: Logger): App {
  // In several processes the primary seals, and has said what there is to say of it.
  const sealing = cluster.isWorker ? sealingSettings(config) : sealingOf(config, log)
  return buildApp({
    services: { database: serving, keyring, clock: systemClock },
    log,
    keepsHouse: !cluster.isWorker,
    sealing: cluster.isWorker ? null : sealing,
    signingKeys: sealing?.keys ?? null,
    accessLogDays: config.accessLogDays,
    identityProvider: config.identityProvider,
    cacheCodes: config.cacheCodes,
    stalenessMs: config.stalenessMs,
    graphiql: config.graphiql,
    introspection: config.introspection,
  })
}
