// Reading a long history: the first page of each filter as a ratio to a page of the same events by primary key, and an export over HTTP
// as a ratio to a plain COPY of the same rows, with the memory that it takes.

import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { send, statement } from '#database/connect.ts'
import { listEvents } from '#queries/event-search.ts'
import { EVENT_COLUMNS, type EventFilter, type EventScope } from '#queries/events.ts'
import type { PageRequest } from '#queries/page.ts'
import type { Reader } from '#queries/reader.ts'
import { newRootKey } from '#secret/ids.ts'
import { type CpuMeter, cpuMeterFor, residentMib } from './support/cpu.ts'
import { describeMachine, type Installation, withInstallation } from './support/installation.ts'
import type { Options } from './support/options.ts'
import { measurePast } from './support/past-moments.ts'
import { startProcess } from './support/processes.ts'
import { type SeededHistory, seedHistory } from './support/seed-history.ts'
import { figure, median, percentile, table } from './support/statistics.ts'

const FULL = { events: 10_000_000, keys: 100_000, longEvents: 5_000, exported: 1_000_000, rounds: 200 }
const QUICK = { events: 30_000, keys: 1_000, longEvents: 500, exported: 20_000, rounds: 20 }

type Sizes = typeof FULL

export async function run(options: Options): Promise<void> {
  const whole = options.quick ? QUICK : FULL
  const events = options.events ?? whole.events
  const sizes: Sizes = {
    ...whole,
    events,
    keys: Math.ceil(whole.keys * (events / whole.events)),
    rounds: options.rounds ?? whole.rounds,
  }
  await withInstallation(async (installation) => {
    console.log(`\n${sizes.events.toLocaleString('en')} events · ${await describeMachine(installation)}`)
    const history = await seedHistory(installation, sizes.events, sizes.keys, sizes.longEvents)
    console.log(
      `seeded ${history.events.toLocaleString('en')} events of ${sizes.keys.toLocaleString('en')} keys in ` +
        `${figure(history.generateSeconds)} s, indexes ${figure(history.indexSeconds)} s, state ${figure(history.rebuildSeconds)} s`,
    )
    await measurePages(installation, history, sizes)
    await measurePast(installation, history, sizes.rounds)
    await measureExports(installation, history, sizes)
  })
}

/** Each actor has one, by which they did everything. */
const codeOf = (actorId: string) => actorId.replace('key_', 'code_')

type Page = { readonly scope: EventScope; readonly filter: EventFilter; readonly page: PageRequest }

/** Each at a place of its own every time, where it has one. */
function pagesOf(
  { account, events, actorIds, longKeyId }: SeededHistory,
  span: Span,
  correlationIds: readonly string[],
) {
  const inAccount = { accountId: account.accountId }
  const [busy = '', other = ''] = actorIds
  const rare = actorIds.at(-1) ?? ''
  const newest: PageRequest = { last: 50 }
  const of = (filter: EventFilter, page: PageRequest = newest): Page => ({ scope: inAccount, filter, page })
  const instant = () => span.at(Math.random())
  const pages: Readonly<Record<string, () => Page>> = {
    'all, newest': () => of({}),
    'all, oldest': () => of({}, { first: 50 }),
    since: () => of({ since: instant() }, { first: 50 }),
    until: () => of({ until: instant() }),
    'type, common': () => of({ types: ['key.updated'] }),
    'type, rare': () => of({ types: ['key.revoked'] }),
    'type, none': () => of({ types: ['user.removed'] }),
    '4 types': () => of({ types: ['key.updated', 'key.rotated', 'key.revoked', 'key.deleted'] }),
    'type until': () => of({ types: ['key.rotated'], until: instant() }),
    'actor of half': () => of({ actorId: busy }),
    'actor, rare': () => of({ actorId: rare }),
    'actor until': () => of({ actorId: other, until: instant() }),
    'actor and type': () => of({ actorId: other, types: ['key.rotated'] }),
    'actor and type, none': () => of({ actorId: rare, types: ['user.removed'] }),
    'kind of all': () => of({ actorKinds: ['KEY'] }),
    'kind, none': () => of({ actorKinds: ['USER'] }),
    'credential of half': () => of({ credentialId: codeOf(busy) }),
    'credential, rare': () => of({ credentialId: codeOf(rare) }),
    request: () => of({ correlationId: correlationIds[Math.floor(Math.random() * correlationIds.length)] ?? '' }),
    'subject of many': () => ({ scope: { subjectId: longKeyId }, filter: {}, page: newest }),
    'subject and type': () => of({ subjectId: longKeyId, types: ['key.rotated'] }),
    'subject since': () => of({ subjectId: longKeyId, since: instant() }, { first: 50 }),
  }
  return { pages, events }
}

type Span = { at(share: number): string }

async function measurePages({ database, services }: Installation, history: SeededHistory, { rounds }: Sizes) {
  const { pool } = database.owner
  const { shard, accountId } = history.account
  const { rows } = await pool.query<{ first: string; last: string; ids: string[] }>(
    `SELECT min(occurred_at) AS first, max(occurred_at) AS last,
            (SELECT array_agg(correlation_id) FROM (SELECT correlation_id FROM log.event TABLESAMPLE SYSTEM (1) LIMIT 1000) AS s) AS ids
       FROM log.event WHERE shard = $1 AND account_id = $2`,
    [shard, accountId],
  )
  const [ends] = rows
  const [from, to] = [Date.parse(ends?.first ?? ''), Date.parse(ends?.last ?? '')]
  const span: Span = { at: (share) => new Date(from + (to - from) * share).toISOString() }
  const reader: Reader = {
    database: database.serving,
    keyring: services.keyring,
    now: ends?.last ?? '',
    memberId: null,
  }
  const { pages } = pagesOf(history, span, ends?.ids ?? [])
  const baseline = statementOfPage()
  const heads = await pool.query<{ head: bigint }>('SELECT head FROM log.feed_shard WHERE shard = $1', [shard])
  const head = Number(heads.rows[0]?.head ?? 0n)
  const times = new Map<string, number[]>([
    [BASELINE, []],
    ...Object.keys(pages).map((name) => [name, []] as [string, number[]]),
  ])
  const counts = new Map<string, number[]>()
  const timed = async (into: Map<string, number[]>, name: string, work: () => Promise<unknown>) => {
    const began = performance.now()
    await work()
    into.set(name, [...(into.get(name) ?? []), performance.now() - began])
  }
  for (let round = 0; round < rounds; round++) {
    await timed(times, BASELINE, () =>
      send(database.serving.pool, statement(baseline, [shard, BigInt(Math.floor(Math.random() * (head - 51)))])),
    )
    for (const [name, page] of Object.entries(pages)) {
      const { scope, filter, page: request } = page()
      await timed(times, name, () => listEvents(reader, scope, filter, request))
      if (round < rounds / 10) {
        const listed = await listEvents(reader, scope, filter, request)
        await timed(counts, name, () => listed.totalCount())
      }
    }
  }
  printPages(times, counts, rounds)
}

const BASELINE = 'by primary key'

function statementOfPage(): string {
  return `SELECT ${EVENT_COLUMNS.join(', ')} FROM log.event
           WHERE shard = $1 AND shard_position > $2 ORDER BY shard_position LIMIT 51`
}

function printPages(
  times: ReadonlyMap<string, readonly number[]>,
  counts: ReadonlyMap<string, readonly number[]>,
  rounds: number,
) {
  const baseline = median(times.get(BASELINE) ?? [])
  const rows = [...times].map(([name, ms]) => {
    const counted = counts.get(name)
    const [p50, p99] = [percentile(ms, 0.5), percentile(ms, 0.99)]
    return [name, figure(p50), figure(p99), (p50 / baseline).toFixed(2), counted ? figure(median(counted)) : '']
  })
  const head = ['first page of 50', 'p50 ms', 'p99 ms', 'p50 to baseline', 'totalCount p50 ms']
  console.log(`\n${rounds} rounds, turn by turn\n\n${table(head, rows, 1)}`)
}

const WAYS = [
  ['.ndjson without changes', 'ndjson?changes=false'],
  ['.ndjson', 'ndjson?changes=true'],
  ['.csv without changes', 'csv?changes=false'],
] as const

/** The last so many events: those of things with a past. */
async function measureExports({ database, environment }: Installation, history: SeededHistory, sizes: Sizes) {
  const exported = Math.min(sizes.exported, history.events)
  const { accountId, shard } = history.account
  const { pool } = database.owner
  const { rows } = await pool.query<{ position: bigint }>('SELECT position FROM log.account WHERE account_id = $1', [
    accountId,
  ])
  const after = (rows[0]?.position ?? 0n) - BigInt(exported)
  const rootKey = newRootKey().reveal()
  const server = await startProcess(['src/cli/keyledger.ts', 'start'], {
    ...environment,
    ...{ KEYLEDGER_ROOT_KEY: rootKey, PORT: '0', LOG_LEVEL: 'silent' },
  })
  try {
    const meter = await cpuMeterFor(database, server.pid)
    const idle = residentMib(server.pid)
    const results: string[][] = []
    for (const [name, path] of WAYS) {
      const copied = await measured(meter, () =>
        pool.query(`
          COPY (SELECT ${EVENT_COLUMNS.join(', ')} FROM log.event
                 WHERE shard = ${shard} AND account_id = '${accountId}' AND position > ${after}
                 ORDER BY position) TO '/dev/null'`),
      )
      const url = new URL(`/accounts/${accountId}/events.${path}&after=${after}`, server.url)
      const got = await measured(meter, () => read(url, rootKey, server.pid))
      const { lines, bytes, residentMib: seen } = got.result
      if (lines - (name.startsWith('.csv') ? 1 : 0) < exported)
        throw new Error(`${exported} events are due, ${lines} came`)
      const us = (ms: number) => (ms * 1_000) / exported
      const half = seen.length / 2
      results.push([
        ...[name, figure(exported / got.seconds), figure(got.seconds), (copied.seconds / got.seconds).toFixed(3)],
        ...[us(copied.cpu.serverMs), us(got.cpu.clientMs), us(got.cpu.serverMs)].map(figure),
        (copied.cpu.serverMs / (got.cpu.clientMs + got.cpu.serverMs)).toFixed(3),
        ...[bytes / 2 ** 20, idle, Math.max(...seen.slice(0, half)), Math.max(...seen.slice(half))].map(figure),
      ])
    }
    const cpu = ["COPY's CPU µs", 'its CPU µs', "PostgreSQL's", 'ratio by CPU']
    const head = ['export', 'events/s', 's', 'ratio', ...cpu, 'MiB', 'resident before', '1st half', '2nd half']
    console.log(
      `\n${exported.toLocaleString('en')} events, each after a COPY of the same rows to /dev/null\n\n${table(head, results, 1)}`,
    )
  } finally {
    await server.stop()
  }
}

async function measured<Result>(meter: CpuMeter, work: () => Promise<Result>) {
  const readCpu = meter()
  const began = performance.now()
  const result = await work()
  return { result, seconds: (performance.now() - began) / 1_000, cpu: readCpu() }
}

/** Reads to the end; a broken export is a failure. */
async function read(url: URL, credential: string, pid: number) {
  const asked: ClientRequest = request(url, { agent: false, headers: { authorization: `Bearer ${credential}` } })
  asked.end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  let [lines, bytes] = [0, 0]
  const seen: number[] = []
  const look = setInterval(() => seen.push(residentMib(pid)), 100)
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1
    }
  } finally {
    clearInterval(look)
  }
  if (response.statusCode !== 200 || !response.complete) throw new Error(`an export ended with ${response.statusCode}`)
  return { lines, bytes, residentMib: seen }
}
