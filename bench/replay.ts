// Events replayed per second by a rebuild and by a check, as a ratio to the server merely reading the same columns of the same
// events: a COPY of them to /dev/null, which no replay can be faster than.
import { checkState } from '#state/check.ts'
import { rebuildState } from '#state/rebuild.ts'
import { describeMachine, type Installation, withInstallation } from './support/installation.ts'
import type { Options } from './support/options.ts'
import { seed } from './support/seed.ts'
import { figure, median, table } from './support/statistics.ts'

const ROUNDS = 3
const ROUNDS_QUICK = 1

const COPY = `
  COPY (SELECT stream_id, stream_kind, account_id, version, type, schema_version, actor_kind, actor_id, decided_at, data
          FROM log.event) TO '/dev/null'`

/** Answers how many events it went through. */
type Work = (installation: Installation) => Promise<number>

const works: Readonly<Record<string, Work>> = {
  'COPY to /dev/null': async ({ database }) => (await database.owner.pool.query(COPY)).rowCount ?? 0,
  rebuild: async ({ database }) => (await rebuildState(database.owner)).events,
  'rebuild --check': async ({ database }) => {
    const { events, difference } = await checkState(database.owner)
    if (difference !== null) throw new Error(`the check found: ${difference}`)
    return events
  },
}

export async function run(options: Options): Promise<void> {
  const rounds = options.rounds ?? (options.quick ? ROUNDS_QUICK : ROUNDS)
  for (const keys of options.keys)
    await withInstallation(async (installation) => {
      console.log(`\n${keys.toLocaleString('en')} keys · ${await describeMachine(installation)}`)
      const { events, appendSeconds } = await seed(installation, keys)
      console.log(`seeded ${events.toLocaleString('en')} events in ${figure(appendSeconds)} s`)
      const perSecond = new Map<string, number[]>(Object.keys(works).map((name) => [name, []]))
      for (let round = 1; round <= rounds; round++)
        for (const [name, work] of Object.entries(works))
          perSecond.get(name)?.push(await eventsPerSecond(installation, work, events))
      print(perSecond, events, rounds)
    })
}

async function eventsPerSecond(installation: Installation, work: Work, events: number): Promise<number> {
  const began = performance.now()
  const seen = await work(installation)
  const seconds = (performance.now() - began) / 1_000
  if (seen !== events) throw new Error(`there are ${events} events, and ${seen} were replayed`)
  return seen / seconds
}

function print(perSecond: ReadonlyMap<string, readonly number[]>, events: number, rounds: number): void {
  const [baseline = []] = perSecond.values()
  const rows = [...perSecond].map(([name, rates]) => {
    const ratios = rates.map((rate, round) => rate / (baseline[round] ?? Number.NaN))
    return [name, figure(median(rates)), figure(events / median(rates)), median(ratios).toFixed(3)]
  })
  console.log(`\nmedians of ${rounds} rounds\n\n${table(['work', 'events/s', 'seconds', 'ratio'], rows, 1)}`)
}
