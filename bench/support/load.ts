// Load in a closed loop: so many callers, each asking again as soon as it has its answer.

export type Load = {
  readonly count: number
  readonly perSecond: number
  readonly latenciesMs: readonly number[]
  /** CPU time of this process an operation: what the client of the database costs, as against the database. */
  readonly cpuMs: number
}

/** Not counted: connections are opened, statements planned and code compiled in it. */
const WARM_UP_MS = 200

export async function keepUp(concurrency: number, seconds: number, operation: () => Promise<void>): Promise<Load> {
  const start = performance.now() + WARM_UP_MS
  const end = start + seconds * 1_000
  const latenciesMs: number[] = []
  let lastEnded = start
  let cpuStart: NodeJS.CpuUsage | undefined
  const caller = async () => {
    for (let asked = performance.now(); asked < end; ) {
      await operation()
      const answered = performance.now()
      if (asked >= start) {
        latenciesMs.push(answered - asked)
        lastEnded = answered
      } else cpuStart = process.cpuUsage()
      asked = answered
    }
  }
  await Promise.all(Array.from({ length: concurrency }, caller))
  const { user, system } = process.cpuUsage(cpuStart)
  const count = latenciesMs.length
  return {
    count,
    perSecond: (count * 1_000) / (lastEnded - start),
    latenciesMs,
    cpuMs: (user + system) / 1_000 / count,
  }
}
