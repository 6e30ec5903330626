// A PostgreSQL server that a test configures itself, over TCP: from the binaries that Keyledger brings, or Debian's where they are
// installed. Roles and TLS are a whole server's, so that the one that all tests share can't be asked about them.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { vi } from 'vitest'
import { usableBinaries } from '#database/embedded/binaries.ts'
import { ENVIRONMENT } from '#database/embedded/identity.ts'
import { freePort } from './machine.ts'

export type OwnPostgres = {
  readonly port: number
  /** Of `user`, who needs no password, on 127.0.0.1. */
  urlOf(user: string, database: string): string
  stop(): Promise<void>
}

export type OwnPostgresOptions = {
  /** Files that the server's user gets, by name, as `settings` can name them. */
  readonly files?: Readonly<Record<string, string>>
  readonly settings?: Readonly<Record<string, string>>
  /** Lines of pg_hba.conf; anybody, unless given. */
  readonly access?: string
}

const DEBIAN = '/usr/lib/postgresql'

/** Folders with `initdb` and `postgres`, by what they are. */
export async function postgresFolders(): Promise<Readonly<Record<string, string>>> {
  const embedded = await usableBinaries(runAs(), tmpdir())
  const debian = existsSync(DEBIAN)
    ? readdirSync(DEBIAN).filter((name) => existsSync(`${DEBIAN}/${name}/bin/initdb`))
    : []
  return {
    [`the embedded PostgreSQL ${embedded.version}`]: join(embedded.native, 'bin'),
    ...Object.fromEntries(debian.map((version) => [`Debian's PostgreSQL ${version}`, `${DEBIAN}/${version}/bin`])),
  }
}

/** PostgreSQL refuses root. */
function runAs(): { readonly uid?: number; readonly gid?: number } {
  return process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
}

export async function startOwnPostgres(bin: string, options: OwnPostgresOptions = {}): Promise<OwnPostgres> {
  const identity = runAs()
  const { files = {}, settings = {}, access = 'host all all 127.0.0.1/32 trust' } = options
  const folder = await mkdtemp(join(tmpdir(), 'keyledger-postgres-'))
  const data = join(folder, 'data')
  await chmod(folder, 0o711)
  await mkdir(data, { mode: 0o700 })
  const own = async (path: string) => {
    if (identity.uid !== undefined) await chown(path, identity.uid, identity.gid ?? identity.uid)
  }
  await own(data)
  const child = { ...identity, cwd: '/', env: ENVIRONMENT }
  const initialise = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  await promisify(execFile)(join(bin, 'initdb'), initialise, child)
  for (const [name, text] of Object.entries({ ...files, 'pg_hba.conf': `${access}\n` })) {
    await writeFile(join(data, name), text, { mode: 0o600 })
    await own(join(data, name))
  }
  const port = await freePort()
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: data,
    fsync: 'off',
    ...settings,
  }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...flags], { ...child, stdio: 'ignore' })
  const ended = once(server, 'exit')
  await vi.waitFor(
    async () => {
      // By its socket, which needs no TLS; it is refused there, and that is an answer.
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', connectionTimeoutMillis: 1_000 })
      const error = await client.connect().then(
        () => client.end(),
        (reason: unknown) => reason,
      )
      if (server.exitCode !== null) return
      if (error instanceof Error && (error as { code?: string }).code !== '28000') throw error
    },
    { timeout: 30_000, interval: 20 },
  )
  if (server.exitCode !== null) throw new Error('The server ended as it started')
  return {
    port,
    urlOf: (user, database) => `postgres://${user}@127.0.0.1:${port}/${database}`,
    async stop() {
      server.kill('SIGINT')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}
