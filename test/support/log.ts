// A real logger, whose lines a test can look at.
import { type Logger, pino } from 'pino'

export type LogEntry = { readonly level: string; readonly msg: string; readonly [name: string]: unknown }

export function recordingLogger(): { log: Logger; logged: readonly LogEntry[] } {
  const logged: LogEntry[] = []
  const options = { level: 'trace', formatters: { level: (level: string) => ({ level }) } }
  return { log: pino(options, { write: (line) => void logged.push(JSON.parse(line)) }), logged }
}
