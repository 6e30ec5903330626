// Weighs what a cache keeps, all together: what is in memory once for many entries counts once, for as long as one of them is kept.
import type { Part, Weight } from './weight.ts'

/** What a usual code takes, and more: whatever is smaller counts as this much. */
export const UNIT_BYTES = 2_048

type KeptPart = Part & { entries: number }

/** Of an entry that is kept, to be given back when it is no more. */
export type Held = { readonly bytes: number; readonly parts: readonly KeptPart[] }

export type Scale = {
  /** Whether it fits where nothing else is kept. */
  couldHold(weight: Weight): boolean
  add(weight: Weight): Held
  remove(held: Held): void
  /** Whether more is held than there is room for. */
  isOver(): boolean
  bytes(): number
  clear(): void
}

/** For so many entries that take no more than a unit. */
export function createScale(unitsMax: number): Scale {
  const bytesMax = unitsMax * UNIT_BYTES
  const parts = new Map<object, KeptPart>()
  let total = 0

  function hold(part: Part): KeptPart {
    const kept = parts.get(part.value) ?? { ...part, entries: 0 }
    if (kept.entries === 0) {
      parts.set(kept.value, kept)
      total += kept.bytes
    }
    kept.entries += 1
    return kept
  }

  function release(kept: KeptPart): void {
    kept.entries -= 1
    if (kept.entries > 0) return
    parts.delete(kept.value)
    total -= kept.bytes
  }

  return {
    couldHold: (weight) => weight.parts.reduce((sum, part) => sum + part.bytes, counted(weight.bytes)) <= bytesMax,
    add(weight) {
      const bytes = counted(weight.bytes)
      total += bytes
      // Most have none, and then the same none: half a million empty lists are worth sparing.
      return { bytes, parts: weight.parts.length === 0 ? NO_PARTS : weight.parts.map(hold) }
    },
    remove(held) {
      total -= held.bytes
      for (const part of held.parts) release(part)
    },
    isOver: () => total > bytesMax,
    bytes: () => total,
    clear() {
      parts.clear()
      total = 0
    },
  }
}

const NO_PARTS: readonly KeptPart[] = []

function counted(bytes: number): number {
  return Math.max(UNIT_BYTES, bytes)
}
