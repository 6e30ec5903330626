// A log of the export after its tree was read and its checkpoints were looked at.
import type { Opened } from '../entry.ts'
import type { Roots, Tree } from './read-tree.ts'

export type VerifiedLog = {
  readonly number: number
  readonly origin: string
  readonly tree: Tree
  /** The newest checkpoint's note, verbatim; empty where there is none. */
  readonly note: string
  /** Whether that is the root of the tree: the one that the signed root tells to be right, or of either where neither is. */
  readonly isRoot: (roots: Roots, root: Buffer) => boolean
  /** Of entries of the log itself. */
  readonly ownLeaves: readonly number[]
  /** Its first entry; undefined where that does not say which log it is. */
  readonly opened?: Opened
  /** The last position of a shard that its entries tell of. Not known of former logs. */
  readonly sealedHead?: (shard: number) => number
}
