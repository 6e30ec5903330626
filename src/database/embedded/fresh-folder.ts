// Folders that must be whole or absent: made under a passing name, filled, and renamed into place. What a killed process
// left half filled is recognised by the pid in its name and removed by whoever comes next.

import { closeSync, fsyncSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { codeOf } from './errors.ts'

const filling = new Set<string>()

/**
 * Makes `folder` by letting `fill` fill a new 0700 folder beside it, then renaming. If somebody else was faster, theirs
 * stays and ours goes.
 */
export async function makeWhole(folder: string, fill: (fresh: string) => void | Promise<void>): Promise<void> {
  const parent = path.dirname(folder)
  const prefix = `${path.basename(folder)}.new-`
  removeLeftovers(parent, prefix)
  const fresh = mkdtempSync(path.join(parent, `${prefix}${process.pid}-`))
  filling.add(fresh)
  try {
    await fill(fresh)
    renameSync(fresh, folder)
    // Without this a power cut could take the rename back, and with it everything written to the folder since.
    syncFolder(parent)
  } catch (error) {
    remove(fresh)
    const code = codeOf(error)
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  } finally {
    filling.delete(fresh)
  }
}

function removeLeftovers(parent: string, prefix: string): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue
    const leftover = path.join(parent, name)
    const pid = Number.parseInt(name.slice(prefix.length), 10)
    // In a container the pid before the restart is often our own.
    const abandoned = pid === process.pid ? !filling.has(leftover) : !isAlive(pid)
    if (abandoned) remove(leftover)
  }
}

function remove(folder: string): void {
  // Retries: an initdb whose parent was killed may still be writing into it.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

/** Whether any process has this pid, ours or not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
