// The log: one JSON object a line on stderr. stdout is for people, and for the root key, which no log may ever hold.
import { destination, type Logger, pino } from 'pino'

/** A second line of defence: nothing passes such fields to the log, and what is a secret prints itself as [redacted]. */
const SECRET_FIELDS = ['authorization', 'cookie', 'key', 'password', 'rootKey', 'secret', 'connectionString']

/** `worker`: the number of the worker that logs, where there are several. */
export function createLogger(level: string, worker?: number): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid, ...(worker === undefined ? {} : { worker }) },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
    },
    // Written at once, so that the last words of a process that ends are not lost.
    destination({ dest: process.stderr.fd, sync: true }),
  )
}

type ErrorFields = {
  readonly type: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: ErrorFields
}

const CAUSES_MAX = 5

/** Named fields only: drivers hang values of rows and statements on their errors. */
export function describeError(error: unknown, causesMax = CAUSES_MAX): ErrorFields {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  const stack = error.stack === undefined ? {} : { stack: error.stack }
  const cause = error.cause === undefined || causesMax === 0 ? {} : { cause: describeError(error.cause, causesMax - 1) }
  return { type: error.name, message: error.message, ...code, ...stack, ...cause }
}
