// An installation to measure: the embedded server as it is served from, durable, in a folder that goes with the run.
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import type { CommandServices, Origin } from '#commands/command.ts'
import { systemClock } from '#database/clock.ts'
import { type OpenDatabase, openDatabase } from '#database/open.ts'
import { newKeyringText, parseKeyring } from '#secret/keyring.ts'

export type Installation = {
  readonly database: OpenDatabase
  readonly services: CommandServices
  /** What a server process is told to serve the same database. */
  readonly environment: Readonly<Record<string, string>>
  close(): Promise<void>
}

/** Whoever asks in a benchmark. */
export const origin: Origin = { caller: { kind: 'ROOT' }, correlationId: 'bench' }

export async function startInstallation(): Promise<Installation> {
  const dataFolder = await mkdtemp(path.join(tmpdir(), 'keyledger-bench-'))
  const removeFolder = () => rm(dataFolder, { recursive: true, force: true })
  try {
    const database = await openDatabase(
      { database: { kind: 'embedded', dataFolder }, preparedStatements: true },
      { log: pino({ level: 'silent' }), maintenance: false },
    )
    const secretsText = newKeyringText()
    const ring = parseKeyring(secretsText)
    const { host, port, user } = database.serving.pool.options
    if (!ring.ok) throw new Error(ring.problems.join('; '))
    return {
      database,
      services: { database: database.serving, keyring: ring.keyring, clock: systemClock, committed: () => undefined },
      environment: {
        DATABASE_URL: `postgres://${user}@localhost/keyledger?host=${host}&port=${port}`,
        KEYLEDGER_SECRETS: secretsText,
      },
      async close() {
        await database.close()
        await removeFolder()
      },
    }
  } catch (error) {
    await removeFolder()
    throw error
  }
}

/** Runs `work` on an installation of its own, which is gone afterwards. */
export async function withInstallation(work: (installation: Installation) => Promise<void>): Promise<void> {
  const installation = await startInstallation()
  try {
    await work(installation)
  } finally {
    await installation.close()
  }
}

/** One line that says what the figures were measured on. */
export async function describeMachine({ database }: Installation): Promise<string> {
  const { rows } = await database.owner.pool.query<{ version: string; fsync: string; commit: string; buffers: string }>(
    `SELECT split_part(current_setting('server_version'), ' ', 1) AS version, current_setting('fsync') AS fsync,
            current_setting('synchronous_commit') AS commit, current_setting('shared_buffers') AS buffers`,
  )
  const [server] = rows
  return [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    `Node.js ${process.versions.node}`,
    `PostgreSQL ${server?.version}, fsync ${server?.fsync}, synchronous_commit ${server?.commit}`,
    `shared_buffers ${server?.buffers}`,
    `serving pool of ${database.serving.pool.options.max}`,
  ].join(' · ')
}
