// The events of an account that come after a position, a page at a time: how whoever follows an account catches up. Positions are
// dense and become visible in the order of commits, so that a page leaves nothing out that could come later.
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import { EVENT_COLUMNS, type EventRow } from './events.ts'
import { locate } from './shard.ts'

export type EventsAfter =
  | { readonly kind: 'page'; readonly events: readonly EventRow[]; readonly upTo: bigint; readonly isLast: boolean }
  /** The log holds less than was read from it before, or something else: a restore, a failover that lost commits. */
  | { readonly kind: 'rewound' }

/** Few enough to be read ahead for each of many readers. */
const PAGE_SIZE = 50
/** Bounds what a statement walks through where hardly any event is of the types that are wanted. */
const WINDOW = 5_000n

// One statement, one snapshot: `head` is what the events are complete up to.
const AFTER = `
  SELECT a.position AS head, e.*
    FROM log.account a
    LEFT JOIN LATERAL (
      SELECT ${EVENT_COLUMNS.join(', ')} FROM log.event
       WHERE shard = a.shard AND account_id = a.account_id AND position > $3 AND position <= $4
         AND ($5::text[] IS NULL OR type = ANY ($5))
       ORDER BY position LIMIT $6) AS e ON true
   WHERE a.shard = $1 AND a.account_id = $2
   ORDER BY e.position`

type Row = { readonly head: bigint } & (EventRow | { readonly [Column in keyof EventRow]: null })

/** `types`: null for all. Every event of them up to `upTo` is in this page or one before it. */
export async function readEventsAfter(
  ask: (query: CompiledQuery<Row>) => Promise<readonly Row[]>,
  accountId: string,
  after: bigint,
  types: readonly string[] | null,
): Promise<EventsAfter> {
  const { shard, id } = locate('acct', accountId)
  const end = after + WINDOW
  const rows = await ask(statement<Row>(AFTER, [shard, id, after, end, types, PAGE_SIZE]))
  const head = rows[0]?.head
  if (head === undefined || head < after) return { kind: 'rewound' }
  const events = rows.filter(isEvent)
  const last = events.length === PAGE_SIZE ? events.at(-1)?.position : undefined
  const upTo = last ?? (end < head ? end : head)
  // Dense: of all types there are as many as positions.
  if (types === null && BigInt(events.length) !== upTo - after) return { kind: 'rewound' }
  return { kind: 'page', events, upTo, isLast: upTo === head }
}

const isEvent = (row: Row): row is { readonly head: bigint } & EventRow => row.position !== null
