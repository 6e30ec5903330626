// An export as a verifier reads it: only what its manifest lists, and only once every file is known to be what was exported. Read in
// pieces and in turn: a file may be larger than memory, and one waits for the other anyway.
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import type { Findings } from './findings.ts'
import { parseJson } from './reading.ts'

export type Folder = {
  /** Paths of the manifest. */
  readonly paths: ReadonlySet<string>
  /** A small file; undefined where the manifest does not list it. */
  bytes(path: string): Buffer | undefined
  /** Of UTF-8; undefined too for what is none. */
  text(path: string): string | undefined
  /** The rows of an NDJSON file, none where the manifest does not list it. A line that is no row becomes a finding. */
  rows(path: string, parts?: readonly Part[]): Iterable<Row>
  /** Where the rows of each shard lie, so that a file of all shards need not be read whole for each of them. */
  partsByShard(path: string): ReadonlyMap<unknown, readonly Part[]>
}

/** Bytes `from` to `to` of a file, whole lines. */
export type Part = { readonly from: number; readonly to: number }

/** A line of NDJSON: an object, whose members are as they are. */
export type Row = Readonly<Record<string, unknown>>

const MANIFEST = 'manifest.sha256'
const CHUNK_BYTES = 1 << 20
/** Longer than any line an export has: the body twice, in base64 and as JSON. */
const LINE_BYTES_MAX = 4 << 20
const NEWLINE = 10
const WHOLE: readonly Part[] = [{ from: 0, to: Number.MAX_SAFE_INTEGER }]
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Opens no link, and waits for nobody to write into a pipe. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Undefined where the copy is not whole, which the findings then say. */
export function openFolder(root: string, findings: Findings): Folder | undefined {
  const manifest = readManifest(root, findings)
  if (manifest === undefined) return undefined
  let isWhole = true
  for (const [path, sha256] of manifest) {
    if (!isOwnFile(root, path, findings)) {
      isWhole = false
      continue
    }
    const found = hashOfFile(join(root, path))
    if (found === sha256) continue
    isWhole = false
    if (found === undefined) findings.add('file-missing', path, 'The manifest lists it, and it is not there.')
    else findings.add('file-short', path, 'It is not the file that was exported: its length or its content differs.')
  }
  return isWhole ? folderOf(root, new Set(manifest.keys()), findings) : undefined
}

function folderOf(root: string, paths: ReadonlySet<string>, findings: Findings): Folder {
  const bytes = (path: string) => (paths.has(path) ? readFileSync(join(root, path)) : undefined)
  return {
    paths,
    bytes,
    text(path) {
      const found = bytes(path)
      return found === undefined ? undefined : decode(found)
    },
    *rows(path, parts = WHOLE) {
      if (!paths.has(path)) return
      let number = 0
      for (const line of linesOf(join(root, path), parts)) {
        number++
        const row = line === undefined ? undefined : parseRow(line)
        if (row === undefined) findings.add('unreadable', path, `Line ${number} is no row.`)
        else yield row
      }
    },
    partsByShard: (path) => (paths.has(path) ? partsByShard(join(root, path), path, findings) : new Map()),
  }
}

function partsByShard(file: string, path: string, findings: Findings): ReadonlyMap<unknown, readonly Part[]> {
  const byShard = new Map<unknown, { from: number; to: number }[]>()
  let from = 0
  for (const line of linesOf(file, WHOLE)) {
    const row = line === undefined ? undefined : parseRow(line)
    const to = from + (line?.length ?? 0) + 1
    if (row === undefined) findings.add('unreadable', path, 'It has a line that is no row.')
    else {
      const parts = byShard.get(row.shard) ?? []
      byShard.set(row.shard, parts)
      const last = parts.at(-1)
      if (last?.to === from) last.to = to
      else parts.push({ from, to })
    }
    from = to
  }
  return byShard
}

/** Path to hash, as `sha256sum` writes them. */
function readManifest(root: string, findings: Findings): ReadonlyMap<string, string> | undefined {
  const manifest = new Map<string, string>()
  let text: string | undefined
  if (!isOwnFile(root, MANIFEST, findings)) return undefined
  try {
    text = decode(readFileSync(join(root, MANIFEST)))
  } catch {
    findings.add('file-missing', MANIFEST, 'It is written last: the export was interrupted, or this is none.')
    return undefined
  }
  for (const line of text?.split('\n').slice(0, -1) ?? []) {
    const match = /^([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._/-]*)$/.exec(line)
    const [, hash = '', path = ''] = match ?? []
    if (match === null || path.split('/').some((part) => part === '' || part === '..')) {
      findings.add('unreadable', MANIFEST, 'It has a line that is no hash and path.')
      return undefined
    }
    manifest.set(path, hash)
  }
  if (text?.endsWith('\n') === true) return manifest
  findings.add('file-short', MANIFEST, 'Its last line is cut off.')
  return undefined
}

/**
 * Whether what lies there is a file in folders of the export, or nothing at all. A link would lead to something that nobody exported,
 * a pipe or a device would be read without end.
 */
function isOwnFile(root: string, path: string, findings: Findings): boolean {
  const parts = path.split('/')
  for (const [at] of parts.entries()) {
    const stat = lstatOf(join(root, ...parts.slice(0, at + 1)))
    if (stat === undefined) return true
    if (at < parts.length - 1 ? stat.isDirectory() : stat.isFile()) continue
    findings.add('unreadable', path, 'It is no file in a folder of the export, but a link or a device.')
    return false
  }
  return true
}

function lstatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}

function hashOfFile(path: string): string | undefined {
  const hash = createHash('sha256')
  try {
    for (const chunk of chunksOf(path, WHOLE)) hash.update(chunk)
    return hash.digest('hex')
  } catch {
    return undefined
  }
}

/** Each chunk is the same memory again. */
function* chunksOf(path: string, parts: readonly Part[]): Iterable<Buffer> {
  const file = openSync(path, OPEN_FLAGS)
  try {
    if (!fstatSync(file).isFile()) throw new Error(`${path} is no file.`)
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    for (const { from, to } of parts)
      for (let at = from; at < to; ) {
        const length = readSync(file, chunk, 0, Math.min(CHUNK_BYTES, to - at), at)
        if (length === 0) break
        yield chunk.subarray(0, length)
        at += length
      }
  } finally {
    closeSync(file)
  }
}

/** Undefined for a line that is too long or not ended; nothing follows it then. */
function* linesOf(path: string, parts: readonly Part[]): Iterable<Buffer | undefined> {
  let rest = Buffer.alloc(0)
  for (const chunk of chunksOf(path, parts)) {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = chunk.subarray(from, end)
      yield rest.length === 0 ? line : Buffer.concat([rest, line])
      rest = Buffer.alloc(0)
      from = end + 1
    }
    if (from < chunk.length) rest = Buffer.concat([rest, chunk.subarray(from)])
    if (rest.length > LINE_BYTES_MAX) break
  }
  if (rest.length > 0) yield undefined
}

function parseRow(line: Buffer): Row | undefined {
  try {
    const row = parseJson(line.toString('utf8'))
    return typeof row === 'object' && row !== null && !Array.isArray(row) ? (row as Row) : undefined
  } catch {
    return undefined
  }
}

function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
