// Proofs of RFC 6962: that a leaf is in a tree, and that a tree only grew out of an older one. They are made from tiles, and
// checked with nothing but the hashes in them.
import { invariant } from '#domain/invariant.ts'
import { EMPTY_ROOT, HASH_BYTES, nodeHash, perfectRoot } from './hash.ts'
import { assertCount, TILE_WIDTH, type TileId, widthOf } from './tiles.ts'

/** Answers each tile's hashes, exactly as many bytes as its width asks for, and throws where it can't. */
export type TileReader = (tiles: readonly (TileId & { readonly width: number })[]) => Promise<readonly Buffer[]>

/** Leaves `from` (inclusive) to `to` (exclusive) of a tree. */
type Range = { readonly from: number; readonly to: number }

/** The leaf's sibling first. */
export async function inclusionProof(read: TileReader, index: number, size: number): Promise<readonly Buffer[]> {
  assertCount(index)
  assertCount(size)
  invariant(index < size, 'a proof of inclusion is about a leaf of the tree')
  const ranges: Range[] = []
  let whole: Range = { from: 0, to: size }
  while (whole.to - whole.from > 1) {
    const middle = middleOf(whole)
    const left = { from: whole.from, to: middle }
    const right = { from: middle, to: whole.to }
    ranges.unshift(index < middle ? right : left)
    whole = index < middle ? left : right
  }
  return rootsOf(read, ranges, size)
}

/** In the order of RFC 6962, section 2.1.2. Empty for sizes that are equal, and from the empty tree. */
export async function consistencyProof(read: TileReader, from: number, to: number): Promise<readonly Buffer[]> {
  assertCount(from)
  assertCount(to)
  invariant(from <= to, 'a proof of consistency leads from a tree to one that is not smaller')
  if (from === 0 || from === to) return []
  const ranges: Range[] = []
  let whole: Range = { from: 0, to }
  let old = { from: 0, to: from }
  while (old.to !== whole.to) {
    const middle = middleOf(whole)
    const left = { from: whole.from, to: middle }
    const right = { from: middle, to: whole.to }
    if (old.to <= middle) {
      ranges.unshift(right)
      whole = left
    } else {
      ranges.unshift(left)
      whole = right
      old = { from: middle, to: old.to }
    }
  }
  // The old tree itself is known to whoever checks, if it is a subtree as it stands.
  if (old.from > 0) ranges.unshift(old)
  return rootsOf(read, ranges, to)
}

/** RFC 9162, section 2.1.3.2. */
export function isIncluded(p: {
  readonly leafHash: Buffer
  readonly index: number
  readonly size: number
  readonly root: Buffer
  readonly proof: readonly Buffer[]
}): boolean {
  if (!isCount(p.index) || !isCount(p.size) || p.index >= p.size || !p.proof.every(isHash)) return false
  let [node, last, root] = [p.index, p.size - 1, p.leafHash]
  for (const sibling of p.proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      root = nodeHash(sibling, root)
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)]
    } else root = nodeHash(root, sibling)
    ;[node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
  }
  return last === 0 && root.equals(p.root)
}

/** RFC 9162, section 2.1.4.2. Every tree is consistent with the empty one. */
export function isConsistent(p: {
  readonly from: number
  readonly fromRoot: Buffer
  readonly to: number
  readonly toRoot: Buffer
  readonly proof: readonly Buffer[]
}): boolean {
  if (!isCount(p.from) || !isCount(p.to) || p.from > p.to || !p.proof.every(isHash)) return false
  if (p.from === p.to) return p.proof.length === 0 && p.fromRoot.equals(p.toRoot)
  if (p.from === 0) return p.proof.length === 0 && p.fromRoot.equals(EMPTY_ROOT)
  let [node, last] = [p.from - 1, p.to - 1]
  while (node % 2 === 1) [node, last] = [(node - 1) / 2, Math.floor(last / 2)]
  // A complete subtree: whoever checks knows its root, so that the proof leaves it out.
  const path = node === 0 ? [p.fromRoot, ...p.proof] : p.proof
  const [first, ...rest] = path
  if (first === undefined) return false
  let [older, newer] = [first, first]
  for (const sibling of rest) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      ;[older, newer] = [nodeHash(sibling, older), nodeHash(sibling, newer)]
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)]
    } else newer = nodeHash(newer, sibling)
    ;[node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
  }
  return last === 0 && older.equals(p.fromRoot) && newer.equals(p.toRoot)
}

/** The root of each range: one that is complete and aligned, or the right end of the tree from such a place on. */
async function rootsOf(read: TileReader, ranges: readonly Range[], size: number): Promise<readonly Buffer[]> {
  const subtrees = ranges.map(subtreesOf)
  // Several subtrees may lie in one tile, above all at the right end: it is read once, and each takes its own part.
  const wanted = new Map(subtrees.flat().map(({ tile }) => [keyOf(tile), { ...tile, width: widthOf(tile, size) }]))
  const tiles = [...wanted.values()]
  const answers = tiles.length === 0 ? [] : await read(tiles)
  const hashes = new Map(tiles.map((tile, at) => [keyOf(tile), wholeTile(answers[at], tile.width)]))
  return subtrees.map((parts) =>
    parts
      .map(({ tile, first, count }) =>
        perfectRoot(wholeTile(hashes.get(keyOf(tile)), widthOf(tile, size)), first, count),
      )
      .reduceRight((right, left) => nodeHash(left, right)),
  )
}

/** Hashes `first` and the following of a tile, `count` in all, a power of two: one complete subtree. */
type Subtree = { readonly tile: TileId; readonly first: number; readonly count: number }

/** The complete subtrees that a range consists of, from the left. */
function subtreesOf(range: Range): readonly Subtree[] {
  const parts: Subtree[] = []
  let from = range.from
  while (from < range.to) {
    const leaves = powerWithin(range.to - from)
    parts.push(subtreeAt(from, leaves))
    from += leaves
  }
  return parts
}

/** `leaves` is a power of two, and `from` a multiple of it. */
function subtreeAt(from: number, leaves: number): Subtree {
  let level = 0
  while (TILE_WIDTH ** (level + 1) <= leaves) level++
  const at = from / TILE_WIDTH ** level
  const index = Math.floor(at / TILE_WIDTH)
  return { tile: { level, index }, first: at - index * TILE_WIDTH, count: leaves / TILE_WIDTH ** level }
}

/** Where RFC 6962 divides a tree of more than one leaf: after the largest complete subtree that leaves something over. */
function middleOf({ from, to }: Range): number {
  const count = to - from
  const power = powerWithin(count)
  return from + (power === count ? power / 2 : power)
}

/** The largest power of two up to `count`. */
function powerWithin(count: number): number {
  let power = 1
  while (power * 2 <= count) power *= 2
  return power
}

function keyOf({ level, index }: TileId): string {
  return `${level}/${index}`
}

function wholeTile(hashes: Buffer | undefined, width: number): Buffer {
  invariant(hashes !== undefined && hashes.length === width * HASH_BYTES, 'a tile is read as wide as it was asked for')
  return hashes
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function isHash(hash: Buffer): boolean {
  return hash.length === HASH_BYTES
}
