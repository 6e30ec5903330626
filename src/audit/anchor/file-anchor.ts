// Checkpoints in a file that is only ever appended to, a line each: on another machine's disk, or one that forbids anything but
// appending (chattr +a, a WORM share), nobody who owns the database can take them back.
import { type FileHandle, open } from 'node:fs/promises'
import { type Anchor, type AnchorRecord, readRecord, writeRecord } from './anchor.ts'

/** More than any line is long. */
const BLOCK_BYTES = 65_536

export function fileAnchor(path: string): Anchor {
  return {
    name: path,
    async last(origin) {
      const file = await openToRead(path)
      if (file === undefined) return null
      try {
        return await lastRecord(file, origin)
      } finally {
        await file.close()
      }
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

/** From the end: the file grows for as long as the log does. */
async function lastRecord(file: FileHandle, origin: string): Promise<AnchorRecord | null> {
  let rest = ''
  for (let end = (await file.stat()).size; end > 0; ) {
    const start = Math.max(0, end - BLOCK_BYTES)
    const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
    const [first = '', ...lines] = (buffer.toString('latin1') + rest).split('\n')
    for (const line of lines.reverse()) {
      const record = readRecord(Buffer.from(line, 'latin1').toString('utf8'))
      if (record?.origin === origin) return record
    }
    rest = first
    end = start
  }
  const record = readRecord(Buffer.from(rest, 'latin1').toString('utf8'))
  return record?.origin === origin ? record : null
}
