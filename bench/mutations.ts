// Mutations per second through the write path, as a ratio to a bare INSERT of a row of the same size: same server, same
// pool, same number of callers, turn by turn in the same run.
import type { Command, CommonInput } from '#commands/command.ts'
import { createKey } from '#commands/create-key.ts'
import { revokeKey } from '#commands/revoke-key.ts'
import { rotateKey } from '#commands/rotate-key.ts'
import { runCommand } from '#commands/run-command.ts'
import { send, statement } from '#database/connect.ts'
import { SERVING_ROLE } from '#database/grants.ts'
import { cpuMeterFor } from './support/cpu.ts'
import { describeMachine, type Installation, origin, withInstallation } from './support/installation.ts'
import { keepUp, type Load } from './support/load.ts'
import type { Options } from './support/options.ts'
import { detailsOf, type SeededAccount, seed } from './support/seed.ts'
import { figure, median, percentile, table } from './support/statistics.ts'

const CONCURRENCIES = [1, 8, 32]
const FULL = { rounds: 5, seconds: 2 }
const QUICK = { rounds: 1, seconds: 0.3 }

const BARE = 'bare INSERT'
/** What createKey makes: the key and its first code. */
const EVENTS_OF = { createKey: 2, rotateKey: 1, revokeKey: 1 } as const

type Mutation = keyof typeof EVENTS_OF
type Operation = () => Promise<void>

/** The accounts that are loaded, and whose turn it is. */
type Spread = { readonly name: string; next(): SeededAccount }

/** Loads of the same kind, one a round; `ratios` are to the bare INSERT of the same round. */
type Series = {
  readonly spread: string
  readonly operation: string
  readonly concurrency: number
  readonly loads: Load[]
  readonly ratios: number[]
}

export async function run(options: Options): Promise<void> {
  for (const keys of options.keys)
    await withInstallation(async (installation) => {
      console.log(`\n${keys.toLocaleString('en')} keys · ${await describeMachine(installation)}`)
      await measure(installation, keys, options)
    })
}

async function measure(installation: Installation, keys: number, options: Options): Promise<void> {
  const { accounts, events, appendSeconds, rebuildSeconds } = await seed(installation, keys)
  console.log(
    `seeded ${events.toLocaleString('en')} events in ${figure(appendSeconds)} s, state rebuilt in ${figure(rebuildSeconds)} s`,
  )
  const bare = await prepareBareInsert(installation)
  console.log(`bare INSERT: one row of ${bare.rowBytes} bytes, the average of log.event, and a bigserial key`)
  const { rounds, seconds } = { ...(options.quick ? QUICK : FULL), ...given(options) }
  const { operations, expectedEvents } = mutationsOn(installation)
  const headsBefore = await sumOfHeads(installation)
  const meter = await cpuMeterFor(installation.database)

  const series = new Map<string, Series>()
  for (let round = 1; round <= rounds; round++)
    for (const spread of spreadsOf(accounts))
      for (const concurrency of CONCURRENCIES) {
        const baseline = await keepUp(concurrency, seconds, bare.insert, meter)
        note(series, { spread: spread.name, operation: BARE, concurrency }, baseline, baseline)
        for (const [operation, on] of Object.entries(operations)) {
          const load = await keepUp(concurrency, seconds, on(spread), meter)
          note(series, { spread: spread.name, operation, concurrency }, load, baseline)
        }
      }

  const appended = (await sumOfHeads(installation)) - headsBefore
  if (appended !== expectedEvents()) throw new Error(`${expectedEvents()} events were due, ${appended} were appended`)
  print([...series.values()], rounds, seconds)
}

function given({ rounds, seconds }: Options): Partial<typeof FULL> {
  return { ...(rounds === undefined ? {} : { rounds }), ...(seconds === undefined ? {} : { seconds }) }
}

function spreadsOf(accounts: readonly SeededAccount[]): readonly Spread[] {
  const [first] = accounts
  if (first === undefined) throw new Error('there are seeded accounts')
  let turn = 0
  return [
    { name: `${accounts.length} accounts`, next: () => accounts[turn++ % accounts.length] ?? first },
    { name: 'one account', next: () => first },
  ]
}

/** Each mutation works on keys that are there, at random: it adds what it makes, and takes away what it revokes. */
function mutationsOn({ services }: Installation) {
  let made = 0
  let events = 0
  const perform = async <Input extends CommonInput, Result>(
    mutation: Mutation,
    command: Command<Input, Result>,
    input: object,
  ): Promise<Result> => {
    const outcome = await runCommand(services, origin, command, input)
    if (outcome.kind !== 'done') throw new Error(`${mutation} was refused: ${JSON.stringify(outcome.refusal)}`)
    events += EVENTS_OF[mutation]
    return outcome.result
  }
  const operations: Readonly<Record<Mutation, (spread: Spread) => Operation>> = {
    createKey: (spread) => async () => {
      const { keyspaceId, keyIds } = spread.next()
      const input = { ...detailsOf(++made), keyspaceId, enabled: true }
      keyIds.push((await perform('createKey', createKey, input)).keyId)
    },
    rotateKey: (spread) => async () => {
      const { keyIds } = spread.next()
      const keyId = keyIds[Math.floor(Math.random() * keyIds.length)]
      await perform('rotateKey', rotateKey, { keyId, slot: 'PRIMARY', overlapSeconds: 3_600 })
    },
    revokeKey: (spread) => async () => {
      const keyId = takeRandom(spread.next().keyIds)
      await perform('revokeKey', revokeKey, { keyId, reason: 'SUPERSEDED', note: 'replaced by another' })
    },
  }
  return { operations, expectedEvents: () => events }
}

/** In constant time: the last one takes its place. */
function takeRandom(keyIds: string[]): string | undefined {
  const at = Math.floor(Math.random() * keyIds.length)
  const taken = keyIds[at]
  const last = keyIds.pop()
  if (last !== undefined && at < keyIds.length) keyIds[at] = last
  return taken
}

/** pg_column_size of a row leaves out the line pointer, as does this on both sides. */
async function prepareBareInsert({ database }: Installation): Promise<{ rowBytes: number; insert: Operation }> {
  const { owner, serving } = database
  await owner.pool.query('CREATE SCHEMA bench')
  await owner.pool.query('CREATE TABLE bench.bare (id bigserial PRIMARY KEY, payload bytea NOT NULL)')
  await owner.pool.query(`GRANT USAGE ON SCHEMA bench TO ${SERVING_ROLE}`)
  await owner.pool.query(`GRANT INSERT ON bench.bare TO ${SERVING_ROLE}`)
  await owner.pool.query(`GRANT USAGE ON SEQUENCE bench.bare_id_seq TO ${SERVING_ROLE}`)
  const size = async (from: string) => {
    const { rows } = await owner.pool.query<{ bytes: number }>(
      `SELECT round(avg(pg_column_size(r)))::integer AS bytes FROM (SELECT * FROM ${from} LIMIT 10000) r`,
    )
    return rows[0]?.bytes ?? 0
  }
  const eventBytes = await size('log.event')
  await owner.pool.query('INSERT INTO bench.bare (payload) VALUES ($1)', [crypto.getRandomValues(Buffer.alloc(1_000))])
  const payload = crypto.getRandomValues(Buffer.alloc(eventBytes - ((await size('bench.bare')) - 1_000)))
  await owner.pool.query('TRUNCATE bench.bare')
  const insert = async () => {
    await send(serving.pool, statement('INSERT INTO bench.bare (payload) VALUES ($1)', [payload]))
  }
  await insert()
  return { rowBytes: await size('bench.bare'), insert }
}

async function sumOfHeads({ database }: Installation): Promise<number> {
  const { rows } = await database.owner.pool.query<{ sum: number }>(
    'SELECT sum(head)::float8 AS sum FROM log.feed_shard',
  )
  return rows[0]?.sum ?? 0
}

function note(
  series: Map<string, Series>,
  kind: Pick<Series, 'spread' | 'operation' | 'concurrency'>,
  load: Load,
  baseline: Load,
): void {
  const name = `${kind.spread} ${kind.operation} ${kind.concurrency}`
  const one = series.get(name) ?? { ...kind, loads: [], ratios: [] }
  one.loads.push(load)
  one.ratios.push(load.perSecond / baseline.perSecond)
  series.set(name, one)
}

function print(series: readonly Series[], rounds: number, seconds: number): void {
  const rows = series.map(({ spread, operation, concurrency, loads, ratios }) => {
    const latenciesMs = loads.flatMap((load) => load.latenciesMs)
    return [
      spread,
      operation,
      String(concurrency),
      figure(median(loads.map((load) => load.perSecond))),
      figure(percentile(latenciesMs, 0.5)),
      figure(percentile(latenciesMs, 0.99)),
      figure(median(loads.map(({ cpu }) => cpu.clientMs))),
      figure(median(loads.map(({ cpu }) => cpu.serverMs))),
      median(ratios).toFixed(3),
      `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}`,
    ]
  })
  const cpu = ['node CPU ms', 'server CPU ms']
  const head = ['spread over', 'operation', 'at once', 'ops/s', 'p50 ms', 'p99 ms', ...cpu, 'ratio', 'of the rounds']
  console.log(`\nmedians of ${rounds} rounds, ${seconds} s each\n\n${table(head, rows, 2)}`)
}
