// Load in a closed loop: so many callers, each asking again as soon as it has its answer.
import { setTimeout } from 'node:timers/promises'
import type { CpuMeter, CpuMs } from './cpu.ts'

export type Load = {
  readonly perSecond: number
  readonly latenciesMs: readonly number[]
  /** Of one operation. */
  readonly cpu: CpuMs
}

/** Not counted: connections are opened, statements planned and code compiled in it. */
const WARM_UP_MS = 200

export async function keepUp(
  concurrency: number,
  seconds: number,
  operation: () => Promise<void>,
  meter: CpuMeter,
): Promise<Load> {
  const start = performance.now() + WARM_UP_MS
  const end = start + seconds * 1_000
  const latenciesMs: number[] = []
  let lastAnswered = start
  const caller = async () => {
    for (let asked = performance.now(); asked < end; ) {
      await operation()
      const answered = performance.now()
      if (asked >= start) {
        latenciesMs.push(answered - asked)
        lastAnswered = answered
      }
      asked = answered
    }
  }
  const metering = setTimeout(WARM_UP_MS).then(meter)
  await Promise.all(Array.from({ length: concurrency }, caller))
  const { clientMs, serverMs } = (await metering)()
  const count = latenciesMs.length
  return {
    perSecond: (count * 1_000) / (lastAnswered - start),
    latenciesMs,
    cpu: { clientMs: clientMs / count, serverMs: serverMs / count },
  }
}
