// The folder in which PostgreSQL keeps its data ("cluster" is its own word for it), made once by initdb.

import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { type Binaries, program } from './binaries.ts'
import { EmbeddedUnavailableError, messageOf, ServerFailedError, USE_ANOTHER_FOLDER } from './errors.ts'
import { makeWhole } from './fresh-folder.ts'
import { type RunAs, run } from './identity.ts'

export function clusterFolder(dataFolder: string): string {
  return path.join(dataFolder, 'postgres')
}

/** Makes the data folder (0700) if it is not there, and gives its real path. Throws EmbeddedUnavailableError. */
export function makeDataFolder(dataFolder: string): string {
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
    return realpathSync(dataFolder)
  } catch (error) {
    throw new EmbeddedUnavailableError(messageOf(error), USE_ANOTHER_FOLDER, { cause: error })
  }
}

/**
 * What to give PostgreSQL as its data folder. The unprivileged user that root hands it to can't walk a path that leads
 * through folders closed to it, and often must not (/root). It need not: started in the folder, it finds it, and later
 * only ever names it, through this link, which is no walk. So it gets no capability to override permissions, which any
 * SQL superuser could then use on every file of the machine.
 */
export function clusterArgument(cluster: string, runAs: RunAs): string {
  return runAs.uid === undefined ? cluster : '/proc/self/cwd'
}

/** Makes the cluster if there is none. Throws EmbeddedUnavailableError or ServerFailedError. */
export async function ensureCluster(
  cluster: string,
  binaries: Binaries,
  runAs: RunAs,
  isDurable: boolean,
): Promise<void> {
  if (!existsSync(path.join(cluster, 'PG_VERSION'))) {
    if (existsSync(cluster) && readdirSync(cluster).length > 0)
      throw new EmbeddedUnavailableError(`${cluster} exists and holds something else`, USE_ANOTHER_FOLDER)
    try {
      await makeWhole(cluster, (fresh) => initialise(fresh, binaries, runAs, isDurable))
    } catch (error) {
      if (error instanceof EmbeddedUnavailableError || error instanceof ServerFailedError) throw error
      throw new EmbeddedUnavailableError(messageOf(error), USE_ANOTHER_FOLDER, { cause: error })
    }
  }
  const written = readFileSync(path.join(cluster, 'PG_VERSION'), 'utf8').trim()
  const ours = Number.parseInt(binaries.version, 10)
  if (written !== String(ours))
    throw new EmbeddedUnavailableError(
      `${cluster} was written by PostgreSQL ${written}, and this program brings version ${ours}`,
      USE_ANOTHER_FOLDER,
    )
}

async function initialise(fresh: string, binaries: Binaries, runAs: RunAs, isDurable: boolean): Promise<void> {
  if (runAs.uid !== undefined && runAs.gid !== undefined) {
    chownSync(fresh, runAs.uid, runAs.gid)
    if (statSync(fresh).uid !== runAs.uid)
      throw new EmbeddedUnavailableError(
        `the file system of ${path.dirname(fresh)} does not keep who owns a file`,
        USE_ANOTHER_FOLDER,
      )
  }
  const { status, output } = await run(
    program(binaries, 'initdb'),
    [
      ['--pgdata', clusterArgument(fresh, runAs)],
      ['--username', 'postgres', '--encoding', 'UTF8', '--locale', 'C'],
      // No password: whoever gets through to the socket, which lies in a 0700 folder, could read the files just as well.
      ['--auth', 'trust'],
      // A container that may not use the huge pages it sees is killed by SIGBUS when it tries.
      ['--set', 'huge_pages=off'],
      isDurable ? [] : ['--no-sync'],
    ].flat(),
    runAs,
    fresh,
  )
  if (status === 0) return
  if (output.includes('could not look up effective user ID'))
    throw new EmbeddedUnavailableError(
      `uid ${runAs.uid ?? process.getuid?.()} has no entry in /etc/passwd, which initdb needs`,
      'Add one, start as another user, or set DATABASE_URL.',
    )
  throw new ServerFailedError(`initdb could not make ${path.dirname(fresh)}/postgres`, output)
}
