// Secrets that an embedded installation makes for itself and keeps in its data folder, each in a file that nobody else may read.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import path from 'node:path'
import { codeOf, messageOf } from '#database/embedded/errors.ts'
import { syncFolder } from '#database/embedded/fresh-folder.ts'
import { InstallationError } from '#database/open.ts'

/** Undefined where there is none. Throws InstallationError where others could have read it, or it can't be. */
export function readKept(file: string): string | undefined {
  try {
    const mode = statSync(file).mode & 0o777
    if ((mode & 0o077) !== 0)
      throw new InstallationError(
        `${file} can be read by other users (mode ${mode.toString(8)}). Make sure that nobody has, then: chmod 600 ${file}`,
      )
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    if (error instanceof InstallationError) throw error
    throw new InstallationError(`${file} could not be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Whole or not there, and on the disk before anything is made under it. Nobody else works in the folder of our server. */
export function keep(file: string, text: string): void {
  const fresh = `${file}.new`
  rmSync(fresh, { force: true })
  const descriptor = openSync(fresh, 'wx', 0o600)
  try {
    writeSync(descriptor, `${text}\n`)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(fresh, file)
  syncFolder(path.dirname(file))
}
