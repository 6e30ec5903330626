// A server process under a mixed load at half of its measured peak, for minutes or hours: what its memory does, and whether it
// answers at the end as it did at the start.
import { setTimeout } from 'node:timers/promises'
import { newRootKey } from '#secret/ids.ts'
import { residentMib } from './cpu.ts'
import { freePort, heapMeterAt } from './heap.ts'
import type { Installation } from './installation.ts'
import { startProcess } from './processes.ts'
import { seed } from './seed.ts'
import { keepUpMixed, type Listening, learnAll, listen, type SoakTarget, type Timed } from './soak-load.ts'
import { percentile, slope } from './statistics.ts'

export type SoakOptions = { readonly keys: number; readonly seconds: number; readonly peakSeconds: number }

export type Memory = { readonly atMs: number; readonly residentMib: number; readonly heapMib: number }
export type Latencies = { readonly p50Ms: number; readonly p99Ms: number }

export type Soaked = {
  readonly peakPerSecond: number
  readonly requests: number
  readonly perSecond: number
  readonly mutations: number
  readonly subscriptions: number
  readonly eventsTold: number
  readonly unavailable: number
  /** What any caller or subscription was answered wrongly, and how often. */
  readonly errors: ReadonlyMap<string, number>
  readonly memory: readonly Memory[]
  /** After warming up: a fifth of the time. */
  readonly residentMibPerMinute: number
  readonly heapMibPerMinute: number
  readonly firstQuarter: Latencies
  readonly lastQuarter: Latencies
}

const CALLERS = 32
const SUBSCRIPTIONS = 16
/** A collection stops the process for some hundred milliseconds, hence not often. */
const MEMORY_SAMPLES_MAX = 60
const MEMORY_SAMPLE_EVERY_S_MIN = 10
const WARM_UP_SHARE = 0.2
const MINUTE_MS = 60_000
/** Lives fill it soon, so that what grows after that is no cache. */
const CACHE_CODES_BESIDE_KEYS = 1_000
const LAST_EVENTS_WITHIN_MS = 20_000

/** Seeds the installation, starts a server on it and loads it. */
export async function soak(installation: Installation, { keys, seconds, peakSeconds }: SoakOptions): Promise<Soaked> {
  const { accounts } = await seed(installation, keys)
  const rootKey = newRootKey().reveal()
  const port = await freePort()
  const server = await startProcess([`--inspect=127.0.0.1:${port}`, 'src/cli/keyledger.ts', 'start'], {
    ...installation.environment,
    KEYLEDGER_ROOT_KEY: rootKey,
    KEYLEDGER_CACHE_CODES: String(keys + CACHE_CODES_BESIDE_KEYS),
    PORT: '0',
    LOG_LEVEL: 'silent',
  })
  try {
    const target = { url: server.url, rootKey, accounts }
    const listening = await Promise.all(
      accounts.slice(0, SUBSCRIPTIONS).map(({ accountId }) => listen(target, accountId)),
    )
    await learnAll(target)
    const peak = await keepUpMixed(target, {
      callers: CALLERS,
      perSecond: Number.POSITIVE_INFINITY,
      seconds: peakSeconds,
    })
    const peakPerSecond = peak.timed.length / peakSeconds
    const heap = await heapMeterAt(port)
    const sampling = sampleMemory(server.pid, heap, seconds)
    const load = await keepUpMixed(target, { callers: CALLERS, perSecond: peakPerSecond / 2, seconds })
    const memory = await sampling
    await heard(installation, target, listening)
    heap.close()
    for (const one of listening) one.leave()
    const errors = new Map(load.errors)
    for (const [what, times] of peak.errors) errors.set(`at the peak: ${what}`, times)
    for (const problem of listening.flatMap(({ problems }) => problems)) errors.set(`a subscription: ${problem}`, 1)
    return {
      peakPerSecond,
      requests: load.timed.length,
      perSecond: load.timed.length / seconds,
      mutations: load.mutations,
      unavailable: load.unavailable,
      subscriptions: listening.length,
      eventsTold: listening.reduce((sum, { count }) => sum + count(), 0),
      errors,
      memory,
      ...slopesOf(memory, seconds),
      firstQuarter: latenciesOf(load.timed, 0, seconds / 4),
      lastQuarter: latenciesOf(load.timed, (seconds * 3) / 4, seconds),
    }
  } finally {
    await server.stop()
  }
}

async function sampleMemory(
  pid: number,
  heap: { usedMib(): Promise<number> },
  seconds: number,
): Promise<readonly Memory[]> {
  const start = performance.now()
  const memory: Memory[] = []
  const count = Math.min(MEMORY_SAMPLES_MAX, Math.floor(seconds / MEMORY_SAMPLE_EVERY_S_MIN))
  for (let index = 1; index <= count; index++) {
    const due = start + (index * seconds * 1_000) / count
    await setTimeout(Math.max(0, due - performance.now()))
    // Before the collection that the heap is measured after.
    const resident = residentMib(pid)
    memory.push({ atMs: performance.now() - start, residentMib: resident, heapMib: await heap.usedMib() })
  }
  return memory
}

/** Waits until each has been told the last event of its account. */
async function heard(
  { database }: Installation,
  { accounts }: SoakTarget,
  listening: readonly Listening[],
): Promise<void> {
  const { rows } = await database.owner.pool.query<{ account_id: string; position: bigint }>(
    'SELECT account_id, position FROM log.account',
  )
  const positions = new Map(rows.map(({ account_id, position }) => [account_id, Number(position)]))
  const deadline = performance.now() + LAST_EVENTS_WITHIN_MS
  const isBehind = (one: Listening, index: number) =>
    one.count() > 0 && one.position() !== positions.get(accounts[index]?.accountId ?? '')
  while (listening.some(isBehind) && performance.now() < deadline) await setTimeout(50)
  for (const [index, one] of listening.entries())
    if (isBehind(one, index)) (one.problems as string[]).push(`stayed behind at ${one.position()}`)
}

function slopesOf(memory: readonly Memory[], seconds: number) {
  const warm = memory.filter(({ atMs }) => atMs > seconds * 1_000 * WARM_UP_SHARE)
  return {
    residentMibPerMinute: slope(warm.map((one) => [one.atMs / MINUTE_MS, one.residentMib])),
    heapMibPerMinute: slope(warm.map((one) => [one.atMs / MINUTE_MS, one.heapMib])),
  }
}

function latenciesOf(timed: readonly Timed[], fromSeconds: number, toSeconds: number): Latencies {
  const took = timed
    .filter(({ atMs }) => atMs >= fromSeconds * 1_000 && atMs < toSeconds * 1_000)
    .map((one) => one.tookMs)
  return { p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99) }
}
