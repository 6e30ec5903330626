// The audit log: how fast events are sealed as a ratio to how fast they can be appended; what a proof takes as a ratio to reading its
// event; export and verification as ratios to a COPY of the same rows and to sha256sum over the same bytes.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { exportAudit } from '#audit/export/export.ts'
import { newSigningKeyText, parseSigningKeys, parseVkey } from '#audit/note/signing-key.ts'
import { startSealer } from '#audit/seal/sealer.ts'
import { tileReader } from '#audit/store/logs.ts'
import { inclusionProof } from '#audit/tree/proofs.ts'
import { verifyFolder } from '#audit/verify/verify.ts'
import { createKey } from '#commands/create-key.ts'
import { runCommand } from '#commands/run-command.ts'
import { send, statement } from '#database/connect.ts'
import { inSnapshot } from '#database/copy.ts'
import { cpuMeterFor } from './support/cpu.ts'
import { describeMachine, type Installation, origin, withInstallation } from './support/installation.ts'
import { keepUp } from './support/load.ts'
import type { Options } from './support/options.ts'
import { detailsOf, type SeededAccount, seed } from './support/seed.ts'
import { figure, median, percentile, table } from './support/statistics.ts'

const FULL = { events: 1_000_000, rounds: 3, seconds: 3, proofs: 2_000 }
const QUICK = { events: 10_000, rounds: 1, seconds: 0.5, proofs: 200 }
/** What the seed makes of a key, about. */
const EVENTS_OF_KEY = 2
const EVENTS_OF_CREATION = 2
const CALLERS = 32
const HOST = 'bench.example.org'

type Sizes = typeof FULL

export async function run(options: Options): Promise<void> {
  const whole = options.quick ? QUICK : FULL
  const sizes: Sizes = {
    ...whole,
    events: options.events ?? whole.events,
    rounds: options.rounds ?? whole.rounds,
    seconds: options.seconds ?? whole.seconds,
  }
  await withInstallation(async (installation) => {
    const { accounts, events } = await seed(installation, Math.ceil(sizes.events / EVENTS_OF_KEY))
    console.log(`\n${events.toLocaleString('en')} events · ${await describeMachine(installation)}`)
    const vkey = await measureSealing(installation, accounts, events, sizes)
    await measureProofs(installation, sizes)
    await measureExport(installation, vkey, sizes)
  })
}

/** Gives the key of the log. */
async function measureSealing(
  { database, services }: Installation,
  accounts: readonly SeededAccount[],
  events: number,
  { seconds }: Sizes,
): Promise<string> {
  let made = 0
  const append = async () => {
    const keyspaceId = accounts[Math.floor(Math.random() * accounts.length)]?.keyspaceId
    const input = { ...detailsOf(++made), keyspaceId, enabled: true }
    const outcome = await runCommand(services, origin, createKey, input)
    if (outcome.kind === 'refused') throw new Error(outcome.refusal.code)
  }
  const meter = await cpuMeterFor(database)
  const before = await keepUp(CALLERS, seconds, append, meter)
  const appended = before.perSecond * EVENTS_OF_CREATION
  const read = parseSigningKeys(newSigningKeyText())
  if (!read.ok) throw new Error(read.problems.join('; '))
  const sealer = startSealer({
    ...services,
    keys: read.keys,
    host: HOST,
    anchors: [],
    log: pino({ level: 'error' }),
  })
  const began = performance.now()
  await sealer.sealNow()
  const sealSeconds = (performance.now() - began) / 1_000
  const size = await sizeOf(database.owner.pool)
  if (size < events) throw new Error(`${events} events are due, ${size} were sealed`)
  sealer.begin()
  const beside = await keepUp(CALLERS, seconds, append, meter)
  await sealer.stop()
  const sealed = size / sealSeconds
  const { rows } = await database.owner.pool.query<{ bytes: string }>(
    `SELECT sum(pg_total_relation_size(oid)) AS bytes FROM pg_class WHERE relnamespace = 'audit'::regnamespace AND relkind = 'r'`,
  )
  const bytes = Number(rows[0]?.bytes) / (await sizeOf(database.owner.pool))
  const besideEvents = beside.perSecond * EVENTS_OF_CREATION
  console.log(
    `\n${table(
      ['', 'events/s', 'ratio'],
      [
        [`appended by createKey, ${CALLERS} callers`, figure(appended), '1.00'],
        ['sealed, all at once', figure(sealed), (sealed / appended).toFixed(2)],
        ['appended while they are sealed', figure(besideEvents), (besideEvents / appended).toFixed(2)],
      ],
      1,
    )}\n\n${figure(bytes)} bytes of tables and indexes for each sealed event`,
  )
  return read.keys.signers(`${HOST}/audit/1`)[0]?.vkey ?? ''
}

async function sizeOf(pool: Installation['database']['owner']['pool']): Promise<number> {
  const [row] = await send(pool, statement<{ size: bigint }>('SELECT size FROM audit.log', []))
  return Number(row?.size ?? 0n)
}

async function measureProofs({ database }: Installation, { proofs }: Sizes): Promise<void> {
  const { pool } = database.serving
  const size = await sizeOf(pool)
  const read = tileReader({ run: (query) => send(pool, query) }, 1)
  const works: Readonly<Record<string, (index: number) => Promise<unknown>>> = {
    'its event by primary key': (index) =>
      send(
        pool,
        statement(
          `SELECT e.* FROM audit.leaf l JOIN log.event e ON e.shard = l.shard AND e.shard_position = l.shard_position
            WHERE l.log_number = 1 AND l.leaf_index = $1`,
          [index],
        ),
      ),
    'inclusion proof': (index) => inclusionProof(read, index, size),
  }
  const times = new Map<string, number[]>(Object.keys(works).map((name) => [name, []]))
  for (let n = 0; n < proofs; n++)
    for (const [name, work] of Object.entries(works)) {
      const index = Math.floor(Math.random() * size)
      const began = performance.now()
      await work(index)
      times.get(name)?.push(performance.now() - began)
    }
  const [baseline = []] = times.values()
  const rows = [...times].map(([name, ms]) => [
    name,
    figure(percentile(ms, 0.5)),
    figure(percentile(ms, 0.99)),
    (median(ms) / median(baseline)).toFixed(2),
  ])
  console.log(`\n${table(['one at a time', 'p50 ms', 'p99 ms', 'p50 to baseline'], rows, 1)}`)
}

async function measureExport({ database }: Installation, vkey: string, { rounds }: Sizes): Promise<void> {
  const verifier = parseVkey(vkey)
  if (verifier === undefined) throw new Error('the key is one')
  const folder = await mkdtemp(path.join(tmpdir(), 'keyledger-bench-export-'))
  const seconds = new Map<string, number[]>()
  const timed = async (name: string, work: () => unknown) => {
    const began = performance.now()
    await work()
    seconds.set(name, [...(seconds.get(name) ?? []), (performance.now() - began) / 1_000])
  }
  try {
    for (let round = 0; round < rounds; round++) {
      const to = path.join(folder, String(round))
      await timed('COPY of the events', () => database.owner.pool.query(`COPY log.event TO '/dev/null'`))
      await timed('export', () => inSnapshot(database.owner, (run) => exportAudit(run, to)))
      await timed('sha256sum of the export', () => sha256sum(to))
      await timed('verify', () => {
        const { verification } = verifyFolder(to, { keys: [verifier], known: [], accepts: new Set(), accepted: [] })
        if (verification.verdict !== 'sound') throw new Error(JSON.stringify(verification.findings[0]))
      })
      await rm(to, { recursive: true })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const of = (name: string) => median(seconds.get(name) ?? [])
  const rows = [...seconds.keys()].map((name) => [
    name,
    figure(of(name)),
    (of(name) / of('COPY of the events')).toFixed(2),
    (of(name) / of('sha256sum of the export')).toFixed(2),
  ])
  console.log(`\nmedians of ${rounds} rounds\n\n${table(['', 's', 'to COPY', 'to sha256sum'], rows, 1)}`)
}

async function sha256sum(folder: string): Promise<void> {
  await promisify(execFile)('sh', ['-c', 'find . -type f -print0 | xargs -0 sha256sum > /dev/null'], { cwd: folder })
}
