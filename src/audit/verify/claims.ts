// Which leaf is of which event, as the entries themselves say: four bytes an event.
import type { Findings } from './findings.ts'
import type { OnEvent } from './read-tree.ts'

export type Claims = {
  readonly note: OnEvent
  /** The leaf whose entry says that it is this event. */
  leafOf(shard: number, position: number): number | undefined
  /** The last position of the shard that an entry tells of; 0 where none does. */
  headOf(shard: number): number
  readonly shards: () => readonly number[]
}

type Claimed = { leaves: Uint32Array; readonly far: Map<number, number>; head: number }

const ROOM_MIN = 64

/** `size`: of the log. No shard can have a position beyond it. */
export function newClaims(findings: Findings, logNumber: number, size: number): Claims {
  const byShard = new Map<number, Claimed>()
  return {
    note(leaf, { shard, shardPosition }) {
      const position = Number(shardPosition)
      const what = `audit/${logNumber} leaf ${leaf}`
      if (position > size) return findings.add('entry', what, 'Its event stands further back than there are entries.')
      const claimed = byShard.get(shard) ?? { leaves: new Uint32Array(ROOM_MIN), far: new Map(), head: 0 }
      byShard.set(shard, claimed)
      if (leafIn(claimed, position) > 0) return findings.add('entry', what, 'Another leaf has the same event.')
      // Positions follow each other. Those that don't must not cost memory for all that they leave out.
      if (position === claimed.leaves.length) claimed.leaves = grown(claimed.leaves)
      if (position < claimed.leaves.length) claimed.leaves[position] = leaf + 1
      else claimed.far.set(position, leaf + 1)
      claimed.head = Math.max(claimed.head, position)
    },
    leafOf(shard, position) {
      const claimed = byShard.get(shard)
      const leaf = claimed === undefined ? 0 : leafIn(claimed, position)
      return leaf === 0 ? undefined : leaf - 1
    },
    headOf: (shard) => byShard.get(shard)?.head ?? 0,
    shards: () => [...byShard.keys()],
  }
}

function leafIn({ leaves, far }: Claimed, position: number): number {
  return (leaves[position] ?? 0) || (far.get(position) ?? 0)
}

function grown(leaves: Uint32Array): Uint32Array {
  const more = new Uint32Array(leaves.length * 2)
  more.set(leaves)
  return more
}
