// Several processes that serve on one port. This one, the primary, owns the installation: the embedded database, migrations, the
// root key, housekeeping; and sees to it that there are so many workers. When it is gone, whatever way, each worker notices that its
// channel is closed and ends.
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { startSealer } from '#audit/seal/sealer.ts'
import type { Config } from '#config.ts'
import { systemClock } from '#database/clock.ts'
import { InstallationError } from '#database/open.ts'
import { startHousekeeping } from '#housekeeping.ts'
import { greet } from './first-steps.ts'
import { openInstallation } from './installation.ts'
import { createLogger } from './logger.ts'
import { exitOnFaults, nextSignal, timeToStop } from './process-ends.ts'
import { sealingOf } from './sealing.ts'

/** What a worker is told when it is to drain and end. */
export const STOP = 'stop'

/** Longer than a worker drains, and writes what it has gathered. */
const STOP_WITHIN_MS = 25_000
const REPLACED_AFTER_MS_MIN = 100
const REPLACED_AFTER_MS_MAX = 30_000
/** One that has lived so long did not end because of how it starts. */
const LIVED_WELL_MS = 60_000

/** Serves until told to stop. Resolves with the exit code; rejects where it could not start, with nothing left open. */
export async function serveByWorkers(config: Config): Promise<number> {
  const log = createLogger(config.logLevel)
  exitOnFaults(log)
  const signalled = nextSignal(log)
  const port = await freePort(config)
  const installation = await openInstallation(config, { log, maintenance: false })
  const { serving: database, keyring } = installation
  // Nobody here follows the log: workers see what is written here as they see what another instance writes.
  const services = { database, keyring, clock: systemClock, committed: () => undefined }
  const housekeeping = startHousekeeping({ ...services, accessLogDays: config.accessLogDays }, log)
  const sealing = sealingOf(config, log)
  const sealer = sealing && startSealer({ ...sealing, ...services, log })
  const workers = startWorkers(config.workers, port, log)
  try {
    const startedFirst = await Promise.race([workers.started.then(() => true), signalled.then(() => false)])
    if (startedFirst) {
      log.info({ host: config.host, port, workers: config.workers }, 'listening')
      await greet(config, services, port)
      housekeeping.begin()
      sealer?.begin()
    }
    return await timeToStop(signalled, installation.exited, log)
  } finally {
    await Promise.all([workers.stop(), housekeeping.stop()])
    // After the last request that could append.
    await sealer?.stop()
    await installation.close()
    log.info('stopped')
  }
}

/** The configured one, or for 0 a free one, so that a worker that comes later listens where the others do. Rejects where it is taken. */
async function freePort({ host, port }: Config): Promise<number> {
  const server = createServer()
  server.listen({ host, port, exclusive: true })
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : port
}

type Workers = {
  /** All serve. Rejects when one ends before. */
  readonly started: Promise<void>
  /** Drains all, and ends what does not end by itself. */
  stop(): Promise<void>
}

function startWorkers(count: number, port: number, log: Logger): Workers {
  const serving = new Set<Worker>()
  const replacing = new AbortController()
  const { promise: started, resolve, reject } = Promise.withResolvers<void>()
  let hasStarted = false
  let delayMs = 0

  function fork(): void {
    const forkedAt = performance.now()
    const worker = cluster.fork({ PORT: String(port) })
    const { id } = worker
    worker.once('listening', () => {
      log.info({ workerId: id, workerPid: worker.process.pid }, 'a worker serves')
      serving.add(worker)
      hasStarted ||= serving.size === count
      if (hasStarted) resolve()
    })
    worker.once('exit', (code: number | null, signal: string | null) => {
      serving.delete(worker)
      const ended = { workerId: id, code, signal }
      if (replacing.signal.aborted) log.info(ended, 'a worker has stopped')
      else if (!hasStarted) reject(new InstallationError('A worker could not start; why, it has said itself.'))
      else {
        delayMs = replacementDelayMs(delayMs, performance.now() - forkedAt)
        log.error({ ...ended, replacedAfterMs: delayMs }, 'a worker ended and is replaced')
        delay(delayMs, undefined, { signal: replacing.signal }).then(fork, () => undefined)
      }
    })
  }

  // All accept from one queue, whoever has nothing else to do. Handed out by turns, as is usual, a connection on its way to a worker
  // that is killed would be nobody's, and its client wait for ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  for (let at = 0; at < count; at++) fork()
  // Nobody may wait for it any more.
  started.catch(() => undefined)
  return {
    started,
    async stop() {
      replacing.abort()
      const left = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
      await Promise.all(left.map((worker) => stopWorker(worker, log)))
    },
  }
}

/** How long to wait before one that has lived for `livedMs` is replaced, where the one before it was after `delayMs`. */
export function replacementDelayMs(delayMs: number, livedMs: number): number {
  if (livedMs >= LIVED_WELL_MS) return REPLACED_AFTER_MS_MIN
  return Math.min(Math.max(REPLACED_AFTER_MS_MIN, delayMs * 2), REPLACED_AFTER_MS_MAX)
}

async function stopWorker(worker: Worker, log: Logger): Promise<void> {
  const exited = once(worker, 'exit')
  // Where its channel is closed already, it is ending.
  if (worker.isConnected()) worker.send(STOP, () => undefined)
  const late = new AbortController()
  const kill = async () => {
    await delay(STOP_WITHIN_MS, undefined, { signal: late.signal })
    log.warn({ workerId: worker.id }, 'a worker did not stop in time and was ended')
    worker.process.kill('SIGKILL')
  }
  kill().catch(() => undefined)
  await exited
  late.abort()
}
