// One log's tree as it was exported: rebuilt from its leaves, its tiles compared with what was rebuilt. Where an entry and its tile
// disagree both trees are gone on with, since only the signed root can tell which of them was changed.
import { type Entry, type LogEntry, readEntry } from '../entry.ts'
import { HASH_BYTES, leafHash } from '../tree/hash.ts'
import { parseTilePath, TILE_WIDTH, type TileId, tilePath, tilesOf, widthOf } from '../tree/tiles.ts'
import type { Findings } from './findings.ts'
import type { Folder } from './folder.ts'
import { type Frontier, newFrontier } from './frontier.ts'
import { type LeafSet, newLeafSet } from './leaf-set.ts'

export type Roots = { readonly byTiles: Buffer; readonly byEntries: Buffer }
export type Announcement = { readonly leaf: number; readonly entry: LogEntry }

export type Tree = {
  readonly number: number
  readonly size: number
  readonly roots: Roots
  /** The roots at the sizes that were asked for, where the tree is as large. */
  readonly rootsAt: ReadonlyMap<number, Roots>
  /** By the tiles, or by the entry where there is no tile. */
  readonly leaves: LeafSet
  /** Leaves whose entry is another one than their tile says, and what hash it has. */
  readonly differing: ReadonlyMap<number, Buffer>
  /** Leaves without an entry. */
  readonly empty: readonly number[]
  readonly announcements: readonly Announcement[]
}

/** Told each event's entry. */
export type OnEvent = (leaf: number, event: Entry & { readonly kind: 'event' }) => void

const NO_HASH = Buffer.alloc(HASH_BYTES)
const LENGTH_BYTES = 2

/** `onEvent` is left out for a former log, whose entries are not exported. */
export function readTree(
  { folder, findings }: { readonly folder: Folder; readonly findings: Findings },
  { number, size }: { readonly number: number; readonly size: number },
  sizes: ReadonlySet<number>,
  onEvent?: OnEvent,
): Tree {
  const upper = upperTiles(folder, findings, number, size)
  const byTiles = newFrontier(upper.check)
  let byEntries: Frontier | undefined
  const hashes = Buffer.alloc(size * HASH_BYTES)
  const rootsAt = new Map<number, Roots>()
  const differing = new Map<number, Buffer>()
  const empty: number[] = []
  const announcements: Announcement[] = []
  const roots = (): Roots => {
    const root = byTiles.root()
    return { byTiles: root, byEntries: byEntries?.root() ?? root }
  }
  if (sizes.has(0)) rootsAt.set(0, roots())
  for (let first = 0; first < size; first += TILE_WIDTH) {
    const tile = readTile(folder, findings, number, { level: 0, index: first / TILE_WIDTH }, size)
    const bundle = onEvent === undefined ? undefined : readBundle(folder, findings, number, first, size)
    for (let leaf = first; leaf < Math.min(first + TILE_WIDTH, size); leaf++) {
      const said = tile?.subarray((leaf - first) * HASH_BYTES, (leaf - first + 1) * HASH_BYTES)
      const entry = bundle?.[leaf - first]
      const made = entry === undefined ? undefined : leafHash(entry)
      if (made !== undefined && said !== undefined && !made.equals(said)) {
        byEntries ??= byTiles.copy()
        differing.set(leaf, made)
      }
      const hash = said ?? made ?? NO_HASH
      byTiles.push(hash)
      byEntries?.push(made ?? hash)
      hash.copy(hashes, leaf * HASH_BYTES)
      if (sizes.has(leaf + 1)) rootsAt.set(leaf + 1, roots())
      if (onEvent === undefined) continue
      if (entry === undefined) empty.push(leaf)
      else {
        const read = readEntry(entry)
        if (read?.kind === 'event') onEvent(leaf, read)
        else if (read?.kind === 'log') announcements.push({ leaf, entry: read.entry })
        else findings.add('entry', `audit/${number} leaf ${leaf}`, 'Its entry is none that Keyledger makes.')
      }
    }
  }
  return { number, size, roots: roots(), rootsAt, leaves: newLeafSet(hashes), differing, empty, announcements }
}

/** Every tile above the leaves, to be compared with what the leaves make: an eighth of a byte a leaf. */
function upperTiles(
  folder: Folder,
  findings: Findings,
  number: number,
  size: number,
): { readonly check: (level: number, index: number, hash: Buffer) => void } {
  const tiles = new Map<string, Buffer>()
  const wrong = new Set<string>()
  // All of them at once: one that is not used by the tree is looked at too.
  for (const { level, index } of upperOf(size)) {
    const tile = readTile(folder, findings, number, { level, index }, size)
    if (tile !== undefined) tiles.set(`${level}/${index}`, tile)
  }
  return {
    check(level, at, hash) {
      const index = Math.floor(at / TILE_WIDTH)
      const from = (at - index * TILE_WIDTH) * HASH_BYTES
      const tile = tiles.get(`${level}/${index}`)
      if (tile === undefined || tile.subarray(from, from + HASH_BYTES).equals(hash)) return
      const path = tileFile(number, { level, index }, size)
      if (!wrong.has(path)) findings.add('tile', path, 'It is not made of the tiles below it.')
      wrong.add(path)
    },
  }
}

function* upperOf(size: number): Iterable<TileId> {
  // tilesOf goes through the leaves' tiles first; the same formula without them.
  for (const { level, index } of tilesOf(Math.floor(size / TILE_WIDTH))) yield { level: level + 1, index }
}

function readTile(folder: Folder, findings: Findings, number: number, tile: TileId, size: number): Buffer | undefined {
  const path = tileFile(number, tile, size)
  const bytes = folder.bytes(path)
  if (bytes?.length === widthOf(tile, size) * HASH_BYTES) return bytes
  findings.add('tile', path, bytes === undefined ? 'It is missing.' : 'It has not the length that the size asks for.')
  return undefined
}

/** The entries from leaf `first` on; undefined where one is empty or cut off. */
function readBundle(
  folder: Folder,
  findings: Findings,
  number: number,
  first: number,
  size: number,
): readonly (Buffer | undefined)[] {
  const width = Math.min(TILE_WIDTH, size - first)
  const path = `audit/${number}/${tilePath('entries', first / TILE_WIDTH, width)}`
  const bytes = folder.bytes(path)
  const entries: (Buffer | undefined)[] = []
  let from = 0
  while (bytes !== undefined && from + LENGTH_BYTES <= bytes.length && entries.length < width) {
    const end = from + LENGTH_BYTES + bytes.readUInt16BE(from)
    if (end > bytes.length) break
    entries.push(end === from + LENGTH_BYTES ? undefined : bytes.subarray(from + LENGTH_BYTES, end))
    from = end
  }
  if (bytes === undefined) findings.add('entry', path, 'It is missing.')
  else if (entries.length < width || from < bytes.length)
    findings.add('entry', path, 'It has not as many entries as the size asks for.')
  return entries
}

/** For how many leaves a log has hashes or entries at the most, as the names of its files tell. */
export function leavesListed(paths: ReadonlySet<string>, number: number): number {
  const folder = `audit/${number}/`
  const widths = { hashes: 0, entries: 0 }
  for (const path of paths) {
    const tile = path.startsWith(folder) ? parseTilePath(path.slice(folder.length)) : undefined
    if (tile?.level === 0) widths.hashes += tile.width
    else if (tile?.level === 'entries') widths.entries += tile.width
  }
  return Math.max(widths.hashes, widths.entries)
}

/** Where a tile lies in an export. */
export function tileFile(number: number, tile: TileId, size: number): string {
  return `audit/${number}/${tilePath(tile.level, tile.index, widthOf(tile, size))}`
}
