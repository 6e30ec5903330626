// What a request is served with: what commands need, and where its traces go.
import type { CommandServices } from '#commands/command.ts'
import type { UseRecorder } from './uses.ts'

export type ServingServices = CommandServices & {
  readonly uses: UseRecorder
  /** How long entries of the access log are kept. */
  readonly accessLogDays: number
}
