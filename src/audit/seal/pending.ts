// The events that are not sealed yet, in the order in which they will be: by the instant of their append, shards merged. One
// statement reads them, so that whoever sees an event sees all that was committed before it: causes are sealed before effects.
import { statement } from '#database/connect.ts'
import { setForCopying, type TextRow } from '#database/copy.ts'
import type { Reading } from '#database/transaction.ts'
import { invariant } from '#domain/invariant.ts'
import { problemOfEvent } from '#log/check-events.ts'
import type { Keyring } from '#secret/keyring.ts'
import type { SealedColumns } from '../entry.ts'
import { EVENT_TEXTS, sealedColumnsOf, withMicroseconds } from '../store/event-rows.ts'

/** Of one shard at a time: bounds what a batch holds to some 4 000 events, and how long it holds its locks. */
const SHARD_PAGE = 256

export type PendingEvent = SealedColumns & { readonly eventId: string }

export type Pending =
  | { readonly kind: 'events'; readonly events: readonly PendingEvent[]; readonly isAll: boolean }
  /** What is there can't be what was appended: nothing of it is sealed. */
  | { readonly kind: 'refused'; readonly why: string }

// From the event at the cursor on: it must still be the one that was sealed there.
const PENDING = `
  SELECT f.shard AS of_shard, f.head, coalesce(c.shard_position, 0) AS after, c.event_id AS anchor_id, ${EVENT_TEXTS}
    FROM log.feed_shard f
    LEFT JOIN audit.cursor c ON c.log_number = $1 AND c.shard = f.shard
    LEFT JOIN LATERAL (
      SELECT * FROM log.event e WHERE e.shard = f.shard AND e.shard_position >= coalesce(c.shard_position, 0)
       ORDER BY e.shard_position LIMIT $2) e ON true
   WHERE f.head IS DISTINCT FROM coalesce(c.shard_position, 0) OR f.last_event_id IS DISTINCT FROM coalesce(c.event_id, '')
   ORDER BY f.shard, e.shard_position`

type ShardColumns = {
  readonly of_shard: number
  readonly head: bigint
  readonly after: bigint
  readonly anchor_id: string | null
}
type PendingRow = ShardColumns & TextRow

/** At most some pages: where more is there, up to the moment that all shards have been read to. */
export async function readPending(reading: Reading, keyring: Keyring, logNumber: number): Promise<Pending> {
  await setForCopying(reading.run)
  const rows = await reading.run(statement<PendingRow>(PENDING, [logNumber, SHARD_PAGE + 1]))
  const shards: Page[] = []
  for (const ofShard of Map.groupBy(rows, ({ of_shard }) => of_shard).values()) {
    const page = pageOf(ofShard)
    if (typeof page === 'string') return { kind: 'refused', why: page }
    shards.push(page)
  }
  // A shard with more than a page may have events that come before what others have later.
  const cut = shards
    .flatMap(({ readUpTo }) => readUpTo ?? [])
    .sort()
    .at(0)
  const events: PendingEvent[] = []
  for (const page of shards) {
    const due = eventsDue(keyring, page, cut)
    if (typeof due === 'string') return { kind: 'refused', why: due }
    events.push(...due)
  }
  return { kind: 'events', events: events.sort(bySealing), isAll: cut === undefined }
}

function bySealing(a: PendingEvent, b: PendingEvent): number {
  if (a.occurredAt !== b.occurredAt) return a.occurredAt < b.occurredAt ? -1 : 1
  return a.shard - b.shard || (a.shardPosition < b.shardPosition ? -1 : 1)
}

/** What was read of a shard behind its cursor. */
type Page = {
  readonly shard: number
  readonly head: bigint
  readonly after: bigint
  /** The event at the cursor. */
  readonly anchor: PendingRow | undefined
  readonly fresh: readonly PendingRow[]
  /** The instant of the last event that is read, where there may be more. */
  readonly readUpTo: string | undefined
  readonly isAll: boolean
}

/** Or why none of it is to be sealed. */
function pageOf(rows: readonly PendingRow[]): Page | string {
  const [first] = rows
  invariant(first !== undefined, 'a group has a row')
  const { of_shard: shard, head, after, anchor_id: anchorId } = first
  const present = rows.filter(({ shard_position: position }) => position !== null)
  const anchored = anchorId !== null && after > 0n
  if (anchored && (present[0]?.shard_position !== String(after) || present[0].event_id !== anchorId))
    return `the event at position ${after} of shard ${shard} is not the one that was sealed`
  const fresh = (anchored ? present.slice(1) : present).slice(0, SHARD_PAGE)
  const last = fresh.length === SHARD_PAGE ? fresh.at(-1) : undefined
  return {
    ...{ shard, head, after, fresh },
    anchor: anchored ? present[0] : undefined,
    readUpTo: last && withMicroseconds(last.occurred_at ?? ''),
    // One row of the page is the anchor where there is one.
    isAll: present.length <= SHARD_PAGE,
  }
}

/**
 * The events up to `cut`, or why they are not to be sealed. Those behind it are looked at when it is their turn: each costs a MAC,
 * and of a backlog each is read many times before.
 */
function eventsDue(
  keyring: Keyring,
  { shard, head, after, anchor, fresh, isAll }: Page,
  cut: string | undefined,
): readonly PendingEvent[] | string {
  const due: PendingEvent[] = []
  const follow = createOrder(anchor)
  for (const row of fresh) {
    const expected = after + BigInt(due.length) + 1n
    if (row.shard_position !== String(expected)) return `the event at position ${expected} of shard ${shard} is missing`
    if (cut !== undefined && withMicroseconds(row.occurred_at ?? '') > cut) return due
    const problem = problemOfEvent(keyring, row) ?? follow(row)
    if (problem !== undefined)
      return `the event ${row.event_id} (position ${row.position} of ${row.account_id}) is not as it was written: ${problem}`
    due.push({ ...sealedColumnsOf(row), eventId: row.event_id ?? '' })
  }
  const last = after + BigInt(due.length)
  return isAll && last !== head ? `the event at position ${last + 1n} of shard ${shard} is missing` : due
}

/**
 * What the append decides is in no body, and so under no MAC; but events that changed places no longer follow each other, as far as
 * what is read at once tells.
 */
function createOrder(anchor: TextRow | undefined): (row: TextRow) => string | undefined {
  const positions = new Map<string, bigint>()
  const versions = new Map<string, bigint>()
  let lastInstant = anchor?.occurred_at == null ? '' : withMicroseconds(anchor.occurred_at)
  return (row) => {
    const instant = withMicroseconds(row.occurred_at ?? '')
    const problems = [
      ...(instant <= lastInstant ? ['it occurred no later than the one before it'] : []),
      ...(follows(positions, row.account_id, row.position) ? [] : ['its position is not the next one of its account']),
      ...(follows(versions, row.stream_id, row.version) ? [] : [`its version is not the next one of ${row.stream_id}`]),
    ]
    lastInstant = instant
    return problems.length === 0 ? undefined : problems.join('; ')
  }
}

/** Of what was not seen yet anything does. */
function follows(seen: Map<string, bigint>, id: string | null | undefined, number: string | null | undefined): boolean {
  const last = seen.get(id ?? '')
  const next = BigInt(number ?? 0)
  seen.set(id ?? '', next)
  return last === undefined || next === last + 1n
}
