// A mixed load at half of the measured peak for half an hour: memory has to stay flat, every answer right, and the last quarter as
// fast as the first.
import { describeMachine, withInstallation } from './support/installation.ts'
import type { Options } from './support/options.ts'
import { type Soaked, soak } from './support/soak.ts'
import { figure, table } from './support/statistics.ts'

const SECONDS = 1_800
const SECONDS_QUICK = 60
const PEAK_SECONDS = 10

export async function run(options: Options): Promise<void> {
  const seconds = options.seconds ?? (options.quick ? SECONDS_QUICK : SECONDS)
  const keys = Math.min(...options.keys)
  await withInstallation(async (installation) => {
    console.log(`\n${keys.toLocaleString('en')} keys, ${seconds} s · ${await describeMachine(installation)}`)
    const soaked = await soak(installation, { keys, seconds, peakSeconds: PEAK_SECONDS })
    console.log(describeSoaked(soaked))
    if (soaked.errors.size + soaked.unavailable > 0) process.exitCode = 1
  })
}

/** What there is to be said of it, for people. */
export function describeSoaked(soaked: Soaked): string {
  const { memory, firstQuarter, lastQuarter, errors } = soaked
  const every = Math.max(1, Math.floor(memory.length / 12))
  const rows = memory
    .filter((_, index) => (index + 1) % every === 0)
    .map((one) => [figure(one.atMs / 60_000), figure(one.residentMib), figure(one.heapMib)])
  const p99 = lastQuarter.p99Ms / firstQuarter.p99Ms
  const wrong = [...errors].map(([what, times]) => `\n${times} × ${what}`)
  return `
peak ${figure(soaked.peakPerSecond)} requests/s; kept up ${figure(soaked.perSecond)}/s: ${soaked.requests} requests, of them ${soaked.mutations} mutations
${soaked.subscriptions} subscriptions were told ${soaked.eventsTold} events

${table(['minute', 'resident MiB', 'heap after gc MiB'], rows, 0)}

slope after warming up: resident ${soaked.residentMibPerMinute.toFixed(3)} MiB/min, heap ${soaked.heapMibPerMinute.toFixed(3)} MiB/min
first quarter: p50 ${figure(firstQuarter.p50Ms)} ms, p99 ${figure(firstQuarter.p99Ms)} ms
last quarter:  p50 ${figure(lastQuarter.p50Ms)} ms, p99 ${figure(lastQuarter.p99Ms)} ms: ${p99.toFixed(2)} of the first
UNAVAILABLE: ${soaked.unavailable} · errors: ${[...errors.values()].reduce((sum, times) => sum + times, 0)}${wrong.join('')}`
}
