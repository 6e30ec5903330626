// Account heads that were kept: how many events an account had among the first leaves, counted again.
import type { EventRow } from './event-row.ts'
import type { Findings } from './findings.ts'
import type { Known } from './known.ts'

export type HeadCounts = {
  readonly note: (row: EventRow, leaf: number) => void
  /** After all events. */
  check(findings: Findings): void
}

/** `known`: of the log whose leaves will be noted. */
export function newHeadCounts(known: readonly Known[]): HeadCounts {
  const heads = known.flatMap(({ what, head }) => (head === undefined ? [] : [{ what, head, count: 0 }]))
  return {
    note({ account_id: accountId }, leaf) {
      for (const one of heads) if (one.head.accountId === accountId && leaf < one.head.size) one.count++
    },
    check(findings) {
      for (const { what, head, count } of heads)
        if (count !== head.count)
          findings.add(
            'history-differs',
            what,
            `${head.accountId} had ${head.count} events then, of which ${count} are there.`,
          )
    },
  }
}
