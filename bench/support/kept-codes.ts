// Reads secrets, one a line; keeps a hundredth, a tenth and half of them in verification's memory and says what each takes; then goes
// on to ask about all of them, at random, with no room for more.
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { readConfig } from '#config.ts'
import { openDatabase } from '#database/open.ts'
import { isUnavailable } from '#database/unavailable.ts'
import { type WatchedConnection, watchedConnection } from '#database/watched-connection.ts'
import { startFeed } from '#log/feed.ts'
import { type CodeFinder, createCodeFinder } from '#verify/code-finder.ts'
import { deadlineIn } from '#verify/deadline.ts'
import { WAITS_MAX_MS } from '#verify/view.ts'
import { figure, table } from './statistics.ts'

const SHARES = [0.01, 0.1, 0.5]
const BATCH = 100
const MIB = 1_048_576

type Used = { readonly heapBytes: number; readonly residentBytes: number }

async function run(): Promise<void> {
  const secrets: string[] = []
  for await (const line of createInterface({ input: process.stdin })) secrets.push(line)
  const read = readConfig()
  if (!read.ok || read.config.keyring === null) throw new Error('the environment configures a server')
  const log = pino({ level: 'silent' })
  const { serving: database, close } = await openDatabase(read.config, { log, maintenance: false })
  const feed = startFeed({ database, log })
  const { loading, asked } = counted(watchedConnection(database))
  const cacheCodes = Math.ceil(secrets.length * Math.max(...SHARES))
  const codes = createCodeFinder({ keyring: read.config.keyring, loading, feed, cacheCodes })
  await feed.catchUp()
  // Once for nothing: code is compiled, statements are planned.
  await find(codes, secrets.slice(0, BATCH))
  const before = used()
  const rows: string[][] = []
  let kept = 0
  for (const share of SHARES) {
    const wanted = Math.ceil(secrets.length * share)
    for (; kept < wanted; kept += BATCH) await find(codes, secrets.slice(kept, Math.min(kept + BATCH, wanted)))
    kept = wanted
    rows.push(rowOf(kept, before, used()))
  }
  const loadedBefore = asked()
  const hits = await askAtRandom(codes, secrets, 2 * secrets.length, asked)
  rows.push(rowOf(cacheCodes, before, used()))
  console.log(`\n${table(['codes kept', 'heap MiB', 'bytes each', 'resident MiB more', 'bytes each'], rows, 0)}`)
  const share = (100 * hits) / (2 * secrets.length)
  console.log(
    `\nthe last after ${(2 * secrets.length).toLocaleString('en')} questions about all ${secrets.length.toLocaleString('en')} at random: ` +
      `${figure(share)} % were hits, ${(asked() - loadedBefore).toLocaleString('en')} codes were loaded`,
  )
  codes.stop()
  loading.close()
  await feed.stop()
  await close()
}

/** How many codes were asked of the database: what is no hit. */
function counted(connection: WatchedConnection): { readonly loading: WatchedConnection; asked(): number } {
  let count = 0
  const loading: WatchedConnection = {
    ...connection,
    ask(query, withinMs) {
      const [digests] = query.parameters
      count += Array.isArray(digests) ? digests.length : 0
      return connection.ask(query, withinMs)
    },
  }
  return { loading, asked: () => count }
}

async function find(codes: CodeFinder, secrets: readonly string[]): Promise<void> {
  const deadline = deadlineIn(WAITS_MAX_MS)
  const finding = Promise.all(secrets.map((secret) => codes.find({ secret, place: null }, deadline)))
  const found = await finding.catch((error: unknown) => {
    if (isUnavailable(error)) return undefined
    throw error
  })
  // A busy machine: the next time it is in time, maybe.
  if (found === undefined) return find(codes, secrets)
  if (found.some((matches) => matches.length !== 1)) throw new Error('each secret is one code')
}

async function askAtRandom(
  codes: CodeFinder,
  secrets: readonly string[],
  count: number,
  asked: () => number,
): Promise<number> {
  const before = asked()
  for (let at = 0; at < count; at += BATCH)
    await find(
      codes,
      Array.from({ length: BATCH }, () => secrets[Math.floor(Math.random() * secrets.length)] ?? ''),
    )
  return count - (asked() - before)
}

function used(): Used {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc')
  globalThis.gc()
  globalThis.gc()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heapBytes: heapUsed + external, residentBytes: rss }
}

function rowOf(kept: number, before: Used, now: Used): string[] {
  const heap = now.heapBytes - before.heapBytes
  const resident = now.residentBytes - before.residentBytes
  return [
    kept.toLocaleString('en'),
    figure(heap / MIB),
    figure(heap / kept),
    figure(resident / MIB),
    figure(resident / kept),
  ]
}

await run()
