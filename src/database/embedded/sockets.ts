// The folder of the server's unix socket. It is not in the data folder, because a socket's path may have only 107 bytes
// (103 on macOS) and a data folder may lie deep; and it is closed to all but its owner, because it is the only lock.

import { chownSync, mkdtempSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { EmbeddedUnavailableError, messageOf, USE_ANOTHER_DATABASE } from './errors.ts'
import { holdsFor, type RunAs, run } from './identity.ts'

// Only part of a file name: each server has a folder to itself, and listens on no TCP port.
export const PORT = 5432

const PATH_BYTES_MAX = 103
const FOLDER_NAME = /^keyledger-[A-Za-z0-9]{6}$/
// Its server's socket is in it some milliseconds after it was made.
const EMPTY_MS_MAX = 60_000

/** A new 0700 folder owned by that user. Throws EmbeddedUnavailableError. */
export async function makeSocketFolder(runAs: RunAs): Promise<string> {
  const problems: string[] = []
  for (const parent of new Set([os.tmpdir(), '/tmp'])) {
    try {
      removeAbandoned(parent)
      const folder = mkdtempSync(path.join(parent, 'keyledger-'))
      if (runAs.uid !== undefined && runAs.gid !== undefined) chownSync(folder, runAs.uid, runAs.gid)
      const isShort = Buffer.byteLength(`${folder}/.s.PGSQL.${PORT}`) <= PATH_BYTES_MAX
      if (isShort && (await holdsFor(runAs, 'test -w "$0"', folder))) return folder
      rmSync(folder, { recursive: true })
      problems.push(`${parent} is ${isShort ? 'closed to the user who runs it' : 'too long a path'}`)
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  throw new EmbeddedUnavailableError(
    `there is no place for its socket (${problems.join('; ')})`,
    `Set TMPDIR to a folder that it can use. ${USE_ANOTHER_DATABASE}`,
  )
}

/** A process killed between making its folder and starting the server leaves it empty, and nobody knows of it. */
function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!FOLDER_NAME.test(name)) continue
    const folder = path.join(parent, name)
    try {
      if (statSync(folder).mtimeMs < Date.now() - EMPTY_MS_MAX) rmdirSync(folder)
    } catch {
      // not empty, not ours or just gone
    }
  }
}

/**
 * Removes what a dead server left. The name comes from a file which that user can write to, so the removal is done with
 * that user's rights and only of a name that could be ours.
 */
export async function removeSocketFolder(folder: string, runAs: RunAs): Promise<void> {
  if (FOLDER_NAME.test(path.basename(folder))) await run('/bin/rm', ['-rf', '--', folder], runAs)
}
