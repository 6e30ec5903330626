// What a second worker gains on this machine: the same load on a server with one, with two, … and as many as there are cores.
import { availableParallelism } from 'node:os'
import { newRootKey } from '#secret/ids.ts'
import { askAll, type HttpLoad, type HttpQuestion, keepUpHttp } from './support/http-load.ts'
import { describeMachine, type Installation, withInstallation } from './support/installation.ts'
import type { Options } from './support/options.ts'
import { type Started, startProcess } from './support/processes.ts'
import { seed } from './support/seed.ts'
import { figure, median, table } from './support/statistics.ts'
import { BATCH, questionsOn, WARMED_AT_ONCE } from './support/verify-subjects.ts'

const ROUNDS = 5
const SECONDS = 2
const ROUNDS_QUICK = 1
const SECONDS_QUICK = 0.5
const CONCURRENCIES = [32, 256]

type Series = {
  readonly name: string
  readonly workers: number
  readonly concurrency: number
  readonly loads: HttpLoad[]
}

export async function run(options: Options): Promise<void> {
  const rounds = options.rounds ?? (options.quick ? ROUNDS_QUICK : ROUNDS)
  const seconds = options.seconds ?? (options.quick ? SECONDS_QUICK : SECONDS)
  const [keys = 10_000] = options.keys
  await withInstallation(async (installation) => {
    console.log(`\n${keys.toLocaleString('en')} keys · ${await describeMachine(installation)}`)
    const { accounts } = await seed(installation, keys)
    const servers = new Map<number, Started>()
    try {
      const rootKey = newRootKey().reveal()
      for (let workers = 1; workers <= Math.max(2, availableParallelism()); workers *= 2)
        servers.set(workers, await start(installation, rootKey, workers))
      print(await measure(servers, questionsOn(rootKey, accounts), rounds, seconds), rounds, seconds)
    } finally {
      for (const server of servers.values()) await server.stop()
    }
  })
}

function start({ environment }: Installation, rootKey: string, workers: number): Promise<Started> {
  const settings = { KEYLEDGER_ROOT_KEY: rootKey, KEYLEDGER_WORKERS: String(workers), PORT: '0', LOG_LEVEL: 'silent' }
  return startProcess(['src/cli/keyledger.ts', 'start'], { ...environment, ...settings })
}

type Questions = ReturnType<typeof questionsOn>

async function measure(
  servers: ReadonlyMap<number, Started>,
  { single, batch, everyKey }: Questions,
  rounds: number,
  seconds: number,
): Promise<readonly Series[]> {
  const asked: Readonly<Record<string, (url: URL) => HttpQuestion>> = {
    BOUNDED: single('BOUNDED'),
    STRONG: single('STRONG'),
    [`STRONG, ${BATCH} in a batch`]: batch,
  }
  const series = CONCURRENCIES.flatMap((concurrency) =>
    Object.keys(asked).flatMap((name) =>
      [...servers.keys()].map((workers): Series => ({ name, workers, concurrency, loads: [] })),
    ),
  )
  // Twice for each worker: by whom a question is answered is chance.
  for (const [workers, { url }] of servers)
    for (let pass = 0; pass < (workers === 1 ? 1 : 2 * workers); pass++)
      await askAll(WARMED_AT_ONCE, url, everyKey(url))
  for (let round = 0; round < rounds; round++)
    for (const { name, workers, concurrency, loads } of series) {
      const url = servers.get(workers)?.url
      const next = asked[name]
      if (url === undefined || next === undefined) throw new Error('what is measured is there')
      loads.push(
        await keepUpHttp(concurrency, seconds, { url, next: () => next(url) }, () => () => ({
          clientMs: 0,
          serverMs: 0,
        })),
      )
    }
  return series
}

function print(series: readonly Series[], rounds: number, seconds: number): void {
  const rows = series.map(({ name, workers, concurrency, loads }) => {
    const one = series.find((other) => other.name === name && other.concurrency === concurrency)?.loads ?? []
    const ratios = loads.map(({ perSecond }, round) => perSecond / (one[round]?.perSecond ?? Number.NaN))
    return [
      name,
      String(concurrency),
      String(workers),
      figure(median(loads.map(({ perSecond }) => perSecond))),
      figure(median(loads.map(({ p50Ms }) => p50Ms))),
      figure(median(loads.map(({ p99Ms }) => p99Ms))),
      figure(median(ratios)),
    ]
  })
  const heads = ['asked', 'at once', 'workers', 'requests/s', 'p50 ms', 'p99 ms', 'to one worker']
  console.log(`\nmedians of ${rounds} rounds, ${seconds} s each\n\n${table(heads, rows, 1)}`)
}
