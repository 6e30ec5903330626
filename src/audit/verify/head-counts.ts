// Account heads that were kept: how many events an account had among the first leaves of a log, counted again.
import type { EventRow } from './event-row.ts'
import type { Findings } from './findings.ts'
import { isCarriedOver } from './former-logs.ts'
import type { Known } from './known.ts'
import type { VerifiedLog } from './verified-log.ts'

export type HeadCounts = {
  /** `leaf`: of the current log. */
  readonly note: (row: EventRow, leaf: number) => void
  /** After all events. */
  check(findings: Findings): void
}

/** Of former logs by the hashes of leaves, which are the same in each log that has the event. */
export function newHeadCounts(known: readonly Known[], logs: readonly VerifiedLog[], current: VerifiedLog): HeadCounts {
  const heads = known.flatMap(({ what, head }) => {
    const log = logs.find(({ origin }) => origin === head?.origin)
    return head === undefined || log === undefined ? [] : [{ what, head, log, count: 0 }]
  })
  const leafIn = (log: VerifiedLog, leaf: number) =>
    log === current ? leaf : log.tree.leaves.indexOf(current.tree.leaves.at(leaf))
  /** Of those leaves nobody knows whose they were. */
  const lostBelow = (log: VerifiedLog, size: number) => {
    if (log === current) return 0
    const end = Math.min(size, log.tree.size)
    const own = new Set([0, ...log.ownLeaves])
    let lost = size - end
    for (let leaf = 0; leaf < end; leaf++) if (!own.has(leaf) && !isCarriedOver(log, leaf, current)) lost++
    return lost
  }
  return {
    note({ account_id: accountId }, leaf) {
      for (const one of heads)
        if (one.head.accountId === accountId && (leafIn(one.log, leaf) ?? one.head.size) < one.head.size) one.count++
    },
    check(findings) {
      for (const { what, head, log, count } of heads)
        if (count > head.count || count + lostBelow(log, head.size) < head.count)
          findings.add(
            'history-differs',
            what,
            `${head.accountId} had ${head.count} events then, of which ${count} are there.`,
          )
    },
  }
}
