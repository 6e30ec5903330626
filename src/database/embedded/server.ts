// The embedded PostgreSQL: one server that belongs to this process, on a unix socket, with its data in one folder.

import { rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Binaries, program, usableBinaries } from './binaries.ts'
import { clusterArgument, clusterFolder, ensureCluster, makeDataFolder } from './cluster.ts'
import { FolderInUseError, ServerFailedError } from './errors.ts'
import { isAlive } from './fresh-folder.ts'
import { chooseRunAs, type RunAs } from './identity.ts'
import { launch, type ServerProcess } from './process.ts'
import { answersInside, isAtWork, readPostmasterFile } from './running.ts'
import { makeSocketFolder, PORT, removeSocketFolder } from './sockets.ts'

export type EmbeddedServer = {
  /** What pg calls `host`. */
  readonly socketFolder: string
  /** The number in the socket's file name. */
  readonly port: number
  /** What a pg client needs to connect. The superuser is `postgres`; no password. */
  connection(user: string, database: string): { host: string; port: number; user: string; database: string }
  /** Fast shutdown: open transactions are rolled back. Resolves when the server has exited. */
  stop(): Promise<void>
  /** Resolves with the end of the server's log if it ends without having been stopped. */
  readonly exited: Promise<string>
}

export type EmbeddedServerOptions = {
  readonly dataFolder: string
  /** PostgreSQL's own settings, by name; they override ours. `fsync: 'off'` also makes the first start faster. */
  readonly settings?: Readonly<Record<string, string>>
  readonly log?: (line: string) => void
}

// A server whose process was killed takes a moment to shut down; one that was started by somebody else stays.
const WAIT_FOR_OTHER_MS = 5_000
const POLL_OTHER_MS = 50
const POLL_READY_MS = 5

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  // A system call a statement, for a text that nobody reads.
  update_process_title: 'off',
  unix_socket_permissions: '0700',
  max_connections: '200',
  timezone: 'UTC',
  log_timezone: 'UTC',
  huge_pages: 'off',
  // The caller has the time; and values of rows and statements (which DETAIL and STATEMENT lines show) stay out of logs.
  log_line_prefix: '[%p] ',
  log_checkpoints: 'off',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
}

/**
 * Starts the server on this data folder, making the folder and its database first if need be. Throws FolderInUseError,
 * EmbeddedUnavailableError or ServerFailedError.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const dataFolder = makeDataFolder(options.dataFolder)
  const cluster = clusterFolder(dataFolder)
  const settings = { ...SETTINGS, ...options.settings }
  const runAs = chooseRunAs(cluster)
  const binaries = await usableBinaries(runAs, dataFolder)
  await ensureCluster(cluster, binaries, runAs, settings.fsync !== 'off')
  const deadline = performance.now() + WAIT_FOR_OTHER_MS
  for (;;) {
    const holder = await waitForOther(cluster, deadline)
    if (holder !== undefined) throw new FolderInUseError(dataFolder, holder)
    await removeStale(cluster, runAs)
    const socketFolder = await makeSocketFolder(runAs)
    const command = commandOf(binaries, clusterArgument(cluster, runAs), socketFolder, settings)
    const server = launch({ command, socketFolder, cwd: cluster, runAs, log: options.log ?? (() => {}) })
    if (await isReady(server, cluster, socketFolder)) return embeddedServer(server, socketFolder)
    const said = await server.ended
    if (!lostToOther(said)) throw new ServerFailedError(`The embedded PostgreSQL did not start on ${dataFolder}`, said)
    if (performance.now() > deadline) throw new FolderInUseError(dataFolder, 'PostgreSQL says so')
    await delay(POLL_OTHER_MS)
  }
}

function commandOf(
  binaries: Binaries,
  clusterPath: string,
  socketFolder: string,
  settings: Readonly<Record<string, string>>,
): readonly string[] {
  // The second socket, in the cluster itself, is for answersInside.
  const all = { ...settings, port: String(PORT), unix_socket_directories: `${socketFolder}, .` }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return [program(binaries, 'postgres'), '-D', clusterPath, ...flags]
}

/** Who still holds the cluster at the deadline, or undefined as soon as nobody does. */
async function waitForOther(cluster: string, deadline: number): Promise<string | undefined> {
  for (;;) {
    const holder = await holderOf(cluster)
    if (holder === undefined || performance.now() > deadline) return holder
    await delay(POLL_OTHER_MS)
  }
}

async function holderOf(cluster: string): Promise<string | undefined> {
  const file = readPostmasterFile(cluster)
  if (file !== undefined && isAtWork(cluster, file)) return `pid ${file.pid}`
  if (await answersInside(cluster)) return 'in another container'
  return undefined
}

async function removeStale(cluster: string, runAs: RunAs): Promise<void> {
  const file = readPostmasterFile(cluster)
  if (file === undefined) return
  await removeSocketFolder(file.socketFolder, runAs)
  // PostgreSQL itself sees to a dead pid, but takes any live process of its user for a server.
  if (isAlive(file.pid)) rmSync(path.join(cluster, 'postmaster.pid'), { force: true })
}

/** False when it ended instead. However long it takes: after a crash it has to replay what was committed. */
async function isReady(server: ServerProcess, cluster: string, socketFolder: string): Promise<boolean> {
  while (!server.hasEnded()) {
    const file = readPostmasterFile(cluster)
    if (file?.isReady && file.socketFolder === socketFolder) return true
    await delay(POLL_READY_MS)
  }
  return false
}

/** Started at the same moment as another one, or while the processes of a killed one were still ending. */
function lostToOther(said: string): boolean {
  return said.includes('lock file "postmaster.pid" already exists') || said.includes('is still in use')
}

function embeddedServer(server: ServerProcess, socketFolder: string): EmbeddedServer {
  let stopping: Promise<void> | undefined
  return {
    socketFolder,
    port: PORT,
    connection: (user, database) => ({ host: socketFolder, port: PORT, user, database }),
    stop: () => {
      stopping ??= server.stop()
      return stopping
    },
    exited: new Promise((resolve) => {
      server.ended.then((said) => stopping === undefined && resolve(said))
    }),
  }
}
