// What a request is served with: what commands need, and where its traces go.
import type { CommandServices } from '#commands/command.ts'
import type { AccessRecorder } from './accesses.ts'
import type { AccessLogParts } from './keep.ts'
import type { UseRecorder } from './uses.ts'

export type ServingServices = CommandServices &
  AccessLogParts & {
    readonly uses: UseRecorder
    readonly accesses: AccessRecorder
  }
