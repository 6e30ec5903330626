// The counters that order the log against the events they count.

import { missing } from './check-events.ts'
import type { ShardRow } from './export-file.ts'
import type { Findings } from './findings.ts'
import type { Folder } from './folder.ts'
import type { ShardFold } from './shard.ts'

/** Of one shard. Where it lacks events, counters that are ahead of the rest say no more than that. */
export function checkCounters(
  { folder, findings }: { readonly folder: Folder; readonly findings: Findings },
  fold: ShardFold,
  counter: ShardRow | undefined,
): void {
  const what = `shard ${fold.shard}`
  if (counter === undefined) {
    if (fold.head > 0) findings.add('counter', what, 'It has events, and is not counted.')
  } else if (counter.head > fold.head) missing(findings, fold, counter.head)
  else if (counter.head < fold.head)
    findings.add('counter', what, `It counts ${counter.head} events, and has ${fold.head}.`)
  else if (fold.missing === 0 && counter.lastEventId !== fold.lastEventId)
    findings.add('counter', what, 'Its last event is another one than its counter says.')
  checkStreams(folder, findings, fold)
}

function checkStreams(folder: Folder, findings: Findings, fold: ShardFold): void {
  const seen = new Set<string>()
  for (const row of folder.rows(`streams/${fold.shard}.ndjson`)) {
    const id = String(row.stream_id)
    const stream = fold.streams.get(id)
    seen.add(id)
    const isAhead = typeof row.version === 'number' && row.version > (stream?.version ?? 0)
    if (fold.missing > 0 && isAhead) fold.broken.add(id)
    if (fold.broken.has(id)) continue
    if (stream === undefined) findings.add('counter', id, 'It is counted, and has no events.')
    else if (stream.version !== row.version || stream.kind !== row.kind || stream.accountId !== row.account_id)
      findings.add('counter', id, 'Its counter says otherwise than its events.')
  }
  for (const id of fold.streams.keys())
    if (!seen.has(id) && !fold.broken.has(id)) findings.add('counter', id, 'It has events, and is not counted.')
}

export type AccountCounters = {
  /** 0 for an account that is not counted. */
  countOf(accountId: string): number
  check(fold: ShardFold): void
  /** After all shards. */
  end(): void
}

/** accounts.ndjson is one file of all shards. */
export function readAccountCounters(folder: Folder, findings: Findings): AccountCounters {
  const counters = new Map<string, { readonly shard: unknown; readonly position: number }>()
  for (const { account_id: id, shard, position } of folder.rows('accounts.ndjson')) {
    // Whoever counts twice could have one of the two looked at.
    if (counters.has(String(id))) findings.add('counter', String(id), 'It is counted twice.')
    counters.set(String(id), { shard, position: typeof position === 'number' ? position : Number.NaN })
  }
  return {
    countOf: (accountId) => counters.get(accountId)?.position ?? 0,
    check(fold) {
      for (const [id, position] of fold.accounts) {
        const counter = counters.get(id)
        counters.delete(id)
        const isExplained = fold.missing > 0 && (counter?.position ?? 0) >= position
        if (counter === undefined) findings.add('counter', id, 'It has events, and is not counted.')
        else if ((counter.position !== position && !isExplained) || counter.shard !== fold.shard)
          findings.add('counter', id, 'Its counter says otherwise than its events.')
      }
      // Of an account all of whose events are missing there is nothing else to say.
      if (fold.missing > 0) for (const [id, { shard }] of counters) if (shard === fold.shard) counters.delete(id)
    },
    end() {
      for (const id of counters.keys()) findings.add('counter', id, 'It is counted, and has no events.')
    },
  }
}
