// How a process that serves ends: by a signal, or by a fault.
import type { Logger } from 'pino'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
/** Ctrl-C reaches us from the terminal and once more from npm: only a later signal is a second thought. */
const SECOND_THOUGHT_AFTER_MS = 500
const EXIT_IMPATIENT = 130

/** Resolves with the first signal to stop. A second one ends the process at once. */
export function nextSignal(log: Logger): Promise<string> {
  return new Promise((resolve) => {
    let firstAt: number | undefined
    for (const signal of SIGNALS)
      process.on(signal, () => {
        firstAt ??= performance.now()
        resolve(signal)
        if (performance.now() - firstAt < SECOND_THOUGHT_AFTER_MS) return
        log.warn({ signal }, 'stopping at once')
        process.exit(EXIT_IMPATIENT)
      })
  })
}

/** Resolves with the exit code, for a signal or for the end of an embedded database that nobody has stopped. Says in the log which. */
export async function timeToStop(
  signalled: Promise<string>,
  databaseSaid: Promise<string>,
  log: Logger,
): Promise<number> {
  const stop = await Promise.race([signalled.then((signal) => ({ signal })), databaseSaid.then((said) => ({ said }))])
  if ('said' in stop) log.fatal(stop, 'the embedded database ended by itself')
  else log.info(stop, 'stopping')
  return 'said' in stop ? 1 : 0
}

/** After a fault that nobody caught nothing can be relied on; the embedded database and the workers notice our end by themselves. */
export function exitOnFaults(log: Logger): void {
  const die = (error: unknown) => {
    log.fatal({ err: error }, 'an unexpected fault')
    process.exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  // Whoever read our messages may stop reading; that is no reason to stop serving.
  process.stdout.on('error', () => undefined)
}
