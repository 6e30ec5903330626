// Checkpoints in a file that is only ever appended to, a line each: on another machine's disk, or one that forbids anything but
// appending (chattr +a, a WORM share), nobody who owns the database can take them back.
import { type FileHandle, open } from 'node:fs/promises'
import { type Anchor, type AnchorRecord, readRecord, writeRecord } from './anchor.ts'

export function fileAnchor(path: string): Anchor {
  const known = new Map<string, AnchorRecord>()
  let readUpTo = 0
  return {
    name: path,
    async records() {
      readUpTo = await readFrom(path, readUpTo, (record) => {
        // Also of a file that has been rotated since: what was known once stays known.
        if (record.size > (known.get(record.origin)?.size ?? 0)) known.set(record.origin, record)
      })
      return [...known.values()]
    },
    async keep(record) {
      const file = await open(path, 'a', 0o644)
      try {
        // A line that a process did not finish is ended first, or this one would be lost with it.
        const { size } = await file.stat()
        await file.appendFile(`${(await endsWithNewline(path, size)) ? '' : '\n'}${writeRecord(record)}`)
        await file.sync()
      } finally {
        await file.close()
      }
    },
  }
}

/** Reads what stands behind `from`, all of it where the file is shorter now, and gives where it ended. A file that is not there is empty. */
async function readFrom(path: string, from: number, onRecord: (record: AnchorRecord) => void): Promise<number> {
  const file = await openToRead(path)
  if (file === undefined) return 0
  try {
    const { size } = await file.stat()
    const start = size < from ? 0 : from
    if (size === start) return size
    for await (const line of file.readLines({ start, autoClose: false })) {
      const record = readRecord(line)
      if (record !== undefined) onRecord(record)
    }
    return size
  } finally {
    await file.close()
  }
}

async function openToRead(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function endsWithNewline(path: string, size: number): Promise<boolean> {
  if (size === 0) return true
  const file = await open(path, 'r')
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
    return buffer.toString() === '\n'
  } finally {
    await file.close()
  }
}
