// Copies the binaries to a folder where an unprivileged user can run them. What is run from there is as trusted as the
// program itself, so nobody but its owner may ever have been able to write there.

import { createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs'
import path from 'node:path'
import { codeOf } from './errors.ts'
import { makeWhole, syncFolder } from './fresh-folder.ts'

/**
 * The path of a whole copy of `source` below `base`, named after its content and made if not there yet; `finish` is given
 * the copied files before the copy takes its place. Throws if `base` can't be made, or another user could write there.
 */
export async function stage(
  source: string,
  base: string,
  name: string,
  finish: (fresh: string) => void,
): Promise<string> {
  makeBase(base)
  const files = filesOf(source)
  const staged = path.join(base, `${name}-${digestOf(source, files)}`)
  if (lstatSync(staged, { throwIfNoEntry: false }) === undefined)
    await makeWhole(staged, (fresh) => {
      copyFiles(source, files, fresh)
      finish(fresh)
    })
  requireTrusted(staged)
  return staged
}

function makeBase(base: string): void {
  try {
    mkdirSync(base, { mode: 0o755 })
    chmodSync(base, 0o755) // whatever the umask was
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  requireTrusted(base)
}

/**
 * A name in /tmp is anyone's to take first, with content of their choice; so the folder must be ours, no link, and
 * closed to others' writes. For root, the same of every folder above it, where sticky ones (such as /tmp) are safe too:
 * there nobody can rename what is ours. An ordinary user's copy is in the user's own data folder and needs no such walk.
 */
function requireTrusted(folder: string): void {
  const self = process.getuid?.()
  const found = lstatSync(folder)
  if (!found.isDirectory() || found.uid !== self || (found.mode & 0o022) !== 0)
    throw new Error(`${folder} is not a folder that only uid ${self} can write to`)
  if (self !== 0) return
  let above = path.dirname(realpathSync(folder))
  for (;;) {
    const { uid, mode } = statSync(above)
    const isSticky = (mode & 0o1000) !== 0
    if (uid !== 0 || ((mode & 0o022) !== 0 && !isSticky))
      throw new Error(`${folder} is below ${above}, which other users can write to`)
    if (above === path.dirname(above)) return
    above = path.dirname(above)
  }
}

/** Relative paths, sorted, of what running takes: no symbolic links (made anew), nothing that is for building only. */
function filesOf(source: string): readonly string[] {
  return readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.a'))
    .map((entry) => path.relative(source, path.join(entry.parentPath, entry.name)))
    .sort()
}

function digestOf(source: string, files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files) {
    const content = readFileSync(path.join(source, file))
    hash.update(`${file}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex').slice(0, 32)
}

function copyFiles(source: string, files: readonly string[], target: string): void {
  chmodSync(target, 0o755)
  const folders = new Set<string>([target])
  for (const file of files) {
    const copy = path.join(target, file)
    for (let folder = path.dirname(copy); !folders.has(folder); folder = path.dirname(folder)) folders.add(folder)
  }
  for (const folder of [...folders].sort()) {
    if (folder === target) continue
    mkdirSync(folder)
    chmodSync(folder, 0o755)
  }
  for (const file of files) {
    const copy = path.join(target, file)
    copyFileSync(path.join(source, file), copy)
    chmodSync(copy, (statSync(copy).mode & 0o100) === 0 ? 0o644 : 0o755)
  }
  // All content before the rename: after a power cut a copy that has its name is a whole one.
  for (const file of files) syncFile(path.join(target, file))
  for (const folder of folders) syncFolder(folder)
}

function syncFile(file: string): void {
  const descriptor = openSync(file, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
