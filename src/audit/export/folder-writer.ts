// A folder that is written file by file, each of them once, with a list of hashes that is there only when all the rest is.
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, writeSync } from 'node:fs'
import path from 'node:path'
import { InstallationError } from '#database/open.ts'

export type FileWriter = {
  write(text: string | Buffer): void
  end(): void
}

export type FolderWriter = {
  /** `name` with slashes. */
  file(name: string): FileWriter
  whole(name: string, content: string | Buffer): void
  /** After all files. */
  finish(): void
  /** Of no effect after `finish`: what is there stays, without the list. */
  abandon(): void
}

const MANIFEST = 'manifest.sha256'
const UNFINISHED = 'manifest.sha256.unfinished'
const BUFFER_BYTES = 1 << 18
/** Digests of secrets are among what is exported, and who did what. */
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

/** Throws InstallationError where anything is in the folder already. */
export function writeFolder(root: string): FolderWriter {
  mkdirSync(root, { recursive: true, mode: FOLDER_MODE })
  if (readdirSync(root).length > 0)
    throw new InstallationError(
      `There is something in ${root} already. An export is made into a folder that is new or empty.`,
    )
  const open = new Set<number>()
  const create = (name: string): number => {
    const file = openSync(path.join(root, name), 'wx', FILE_MODE)
    open.add(file)
    return file
  }
  const close = (file: number): void => {
    if (open.delete(file)) closeSync(file)
  }
  let made = ''
  const manifest = bufferedWriter(create(UNFINISHED), close)
  const file = (name: string): FileWriter => {
    const folder = path.dirname(path.join(root, name))
    if (folder !== made) mkdirSync(folder, { recursive: true, mode: FOLDER_MODE })
    made = folder
    return bufferedWriter(create(name), close, (sha256) => manifest.write(`${sha256}  ${name}\n`))
  }
  return {
    file,
    whole(name, content) {
      const writer = file(name)
      writer.write(content)
      writer.end()
    },
    finish() {
      manifest.end()
      renameSync(path.join(root, UNFINISHED), path.join(root, MANIFEST))
    },
    abandon() {
      for (const left of open) close(left)
    },
  }
}

function bufferedWriter(
  file: number,
  close: (file: number) => void,
  onHash: (sha256: string) => void = () => undefined,
): FileWriter {
  const hash = createHash('sha256')
  let chunks: Buffer[] = []
  let length = 0
  const flush = (): void => {
    const bytes = Buffer.concat(chunks, length)
    hash.update(bytes)
    for (let from = 0; from < length; ) from += writeSync(file, bytes, from)
    chunks = []
    length = 0
  }
  return {
    write(text) {
      const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text
      chunks.push(bytes)
      length += bytes.length
      if (length >= BUFFER_BYTES) flush()
    },
    end() {
      flush()
      close(file)
      onHash(hash.digest('hex'))
    },
  }
}
