// Verifications per second over HTTP, as ratios to a bare node:http server that echoes the same requests, and to better-auth in the
// same PostgreSQL: all asked by the same callers turn by turn in the same run. Hits are spread over all keys.
import { cpuMeterFor, residentMib } from './support/cpu.ts'
import { type HttpLoad, keepUpHttp } from './support/http-load.ts'
import { describeMachine, withInstallation } from './support/installation.ts'
import type { Options } from './support/options.ts'
import { seed } from './support/seed.ts'
import { figure, median, table } from './support/statistics.ts'
import {
  BETTER_AUTH,
  BOUNDED,
  type Compared,
  ECHO,
  MANY,
  STRONG,
  type Subject,
  startSubjects,
} from './support/verify-subjects.ts'

const ROUNDS = 5
const SECONDS = 2
const ROUNDS_QUICK = 1
const SECONDS_QUICK = 0.5
const CONCURRENCIES = [1, 32, 256]
/** At which the aims are set. */
const AIMED_AT = 32

/** Of one subject at one concurrency, one load a round. */
type Series = { readonly subject: Subject; readonly concurrency: number; readonly loads: HttpLoad[] }
type Run = { readonly keys: number; readonly series: readonly Series[] }

export async function run(options: Options): Promise<void> {
  const rounds = options.rounds ?? (options.quick ? ROUNDS_QUICK : ROUNDS)
  const seconds = options.seconds ?? (options.quick ? SECONDS_QUICK : SECONDS)
  const runs: Run[] = []
  for (const keys of options.keys)
    await withInstallation(async (installation) => {
      console.log(`\n${keys.toLocaleString('en')} keys · ${await describeMachine(installation)}`)
      const { accounts } = await seed(installation, keys)
      const compared = await startSubjects(installation, accounts, options.alone)
      try {
        const meters = new Map<number, Awaited<ReturnType<typeof cpuMeterFor>>>()
        for (const { server } of compared.subjects)
          meters.set(server.pid, await cpuMeterFor(installation.database, server.pid))
        const series = await measure(compared, meters, rounds, seconds)
        runs.push({ keys, series })
        printLoads(series, rounds, seconds)
      } finally {
        await compared.stop()
      }
    })
  printAims(runs)
}

type Meters = ReadonlyMap<number, Awaited<ReturnType<typeof cpuMeterFor>>>

async function measure(
  { subjects }: Compared,
  meters: Meters,
  rounds: number,
  seconds: number,
): Promise<readonly Series[]> {
  const load = (subject: Subject, concurrency: number) => {
    const meter = meters.get(subject.server.pid)
    if (meter === undefined) throw new Error('every server has a meter')
    return keepUpHttp(concurrency, seconds, { url: subject.server.url, next: subject.next }, meter)
  }
  const series = CONCURRENCIES.flatMap((concurrency) =>
    subjects.map((subject): Series => ({ subject, concurrency, loads: [] })),
  )
  // Not counted: code is compiled in it, and pools are filled.
  for (const subject of subjects) await load(subject, AIMED_AT)
  for (let round = 0; round < rounds; round++)
    for (const { subject, concurrency, loads } of series) loads.push(await load(subject, concurrency))
  return series
}

function printLoads(series: readonly Series[], rounds: number, seconds: number): void {
  const rows = series.map(({ subject, concurrency, loads }) => {
    const of = (read: (load: HttpLoad) => number) => figure(median(loads.map(read)))
    const ratios = ratiosOf(loads, find(series, ECHO, concurrency).loads)
    return [
      subject.name,
      String(concurrency),
      of(({ perSecond }) => perSecond),
      of(({ perSecond }) => perSecond * subject.keysEach),
      of(({ p50Ms }) => p50Ms),
      of(({ p99Ms }) => p99Ms),
      String(loads.reduce((sum, { unavailable }) => sum + unavailable, 0)),
      of(({ cpu }) => cpu.clientMs),
      of(({ cpu }) => cpu.serverMs),
      median(ratios).toFixed(3),
      rangeOf(ratios),
    ]
  })
  const cpu = ['its CPU ms', 'PostgreSQL CPU ms']
  const heads = [
    'asked',
    'at once',
    'requests/s',
    'keys/s',
    'p50 ms',
    'p99 ms',
    'unavailable',
    ...cpu,
    'to echo',
    'of the rounds',
  ]
  console.log(`\nmedians of ${rounds} rounds, ${seconds} s each\n\n${table(heads, rows, 1)}`)
  const servers = Map.groupBy(series, ({ subject }) => subject.server.pid)
  const memory = [...servers].map(([pid, [first]]) => `${first?.subject.name} ${figure(residentMib(pid))}`)
  console.log(`\nresident MiB at the end, of the server of: ${memory.join(' · ')}`)
}

/** Beside what they are held against; nothing is asserted, as they belong to a quiet machine. */
function printAims(runs: readonly Run[]): void {
  const rows = runs.flatMap(({ keys, series }) => {
    const at = (name: string) => find(series, name).loads
    const batch = find(series, MANY).subject.keysEach
    const row = (what: string, name: string, to: string, aim: string, keysEach = 1) => {
      const ratios = ratiosOf(at(name), at(to), keysEach)
      const cpu = at(name).map(
        (load, round) => ((at(to)[round]?.cpu.clientMs ?? Number.NaN) * keysEach) / load.cpu.clientMs,
      )
      return [keys.toLocaleString('en'), what, figure(median(ratios)), rangeOf(ratios), figure(median(cpu)), aim]
    }
    const ours = [
      row('BOUNDED to bare echo', BOUNDED, ECHO, '≥ 0.5'),
      row('STRONG to bare echo', STRONG, ECHO, '≥ 0.35'),
      row('keys in batches to STRONG one by one', MANY, STRONG, '≥ 8', batch),
    ]
    if (!series.some(({ subject }) => subject.name === BETTER_AUTH)) return ours
    const waits = at(STRONG).map(({ p99Ms }, round) => p99Ms / (at(BETTER_AUTH)[round]?.p50Ms ?? Number.NaN))
    const waiting = [keys.toLocaleString('en'), "p99 of STRONG to better-auth's p50"]
    return [
      ...ours,
      row('STRONG to better-auth', STRONG, BETTER_AUTH, '≥ 10'),
      [...waiting, figure(median(waits)), rangeOf(waits), '', '< 1'],
    ]
  })
  const [first, ...others] = runs
  for (const other of others)
    for (const name of [BOUNDED, STRONG]) {
      const toEcho = ({ series }: Run) => median(ratiosOf(find(series, name).loads, find(series, ECHO).loads))
      const share = first === undefined ? Number.NaN : toEcho(other) / toEcho(first)
      const what = `${name} to that of ${first?.keys.toLocaleString('en')} keys, both to their echo`
      rows.push([other.keys.toLocaleString('en'), what, figure(share), '', '', '≥ 0.9'])
    }
  const heads = ['keys', `with ${AIMED_AT} at once`, 'ratio', 'of the rounds', 'by CPU time', 'aim']
  console.log(`\n${table(heads, rows, 2)}`)
}

function find(series: readonly Series[], name: string, concurrency = AIMED_AT): Series {
  const found = series.find((one) => one.subject.name === name && one.concurrency === concurrency)
  if (found === undefined) throw new Error(`${name} was not measured`)
  return found
}

/** Round by round, in keys where one of `loads` is about several. */
function ratiosOf(loads: readonly HttpLoad[], to: readonly HttpLoad[], keysEach = 1): readonly number[] {
  return loads.map(({ perSecond }, round) => (perSecond * keysEach) / (to[round]?.perSecond ?? Number.NaN))
}

function rangeOf(ratios: readonly number[]): string {
  return `${figure(Math.min(...ratios))} to ${figure(Math.max(...ratios))}`
}
