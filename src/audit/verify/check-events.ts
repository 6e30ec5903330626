// The events against the leaves. An event is as it was sealed if its entry's hash is a leaf's: so that what was changed is found
// whatever else was changed with it. Those after the last sealed one of their shard can only be looked at in themselves.
import { leafHash } from '../tree/hash.ts'
import type { Claims } from './claims.ts'
import { type EventRow, entryOf, eventRowOf, readBody, type SaidRow } from './event-row.ts'
import type { Findings } from './findings.ts'
import type { Folder } from './folder.ts'
import type { LeafSet } from './leaf-set.ts'
import { factOf, follow, newShardFold, type ShardFold } from './shard.ts'

export type EventsContext = {
  readonly folder: Folder
  readonly findings: Findings
  readonly leaves: LeafSet
  readonly claims: Claims
  readonly counted: { events: number; pending: number }
  /** What an account's counter says. */
  readonly countOf: (accountId: string) => number
  /** Told each event that is as it was sealed. */
  readonly onSealed?: (row: EventRow, leaf: number) => void
}

type Sealed =
  | { readonly kind: 'sealed'; readonly leaf: number }
  | { readonly kind: 'pending' }
  | { readonly kind: 'changed' }
  | { readonly kind: 'inserted'; readonly why: string }

type Walk = ShardFold & { readonly counted: number; readonly pending: string[] }

/** Reads one shard's events, and answers what they fold to. `counted`: how many the shard's counter knows of. */
export function checkEvents(context: EventsContext, shard: number, counted = Number.POSITIVE_INFINITY): ShardFold {
  const { folder, findings } = context
  const path = `events/${shard}.ndjson`
  const walk: Walk = { ...newShardFold(shard), counted, pending: [] }
  for (const raw of folder.rows(path)) {
    const row = eventRowOf(raw)
    if (row === undefined) findings.add('unreadable', path, 'It has a row that is no event.')
    else if (row.shard !== shard)
      findings.add('event-inserted', row.event_id, `It stands among those of shard ${shard}.`)
    else checkEvent(context, walk, row)
  }
  context.counted.pending += walk.pending.length
  return walk
}

function checkEvent(context: EventsContext, walk: Walk, row: EventRow): void {
  const { findings } = context
  context.counted.events++
  const { said, columns } = readBody(row)
  const sealed = sealOf(context, walk, row)
  const differs = columns.length === 0 ? '' : `Its body says otherwise than ${columns.join(', ')}.`
  if (sealed.kind === 'inserted') {
    findings.add('event-inserted', row.event_id, `${sealed.why} ${differs}`.trim())
    if (row.shard_position === walk.head + 1 && row.shard_position <= walk.counted) walk.head++
  } else if (sealed.kind === 'changed' || said === undefined) {
    findings.add('event-changed', row.event_id, `It is not as it was sealed. ${differs}`.trim())
    advance(findings, walk, row)
    walk.broken.add(row.stream_id).add(said?.stream_id ?? row.stream_id)
  } else if (sealed.kind === 'sealed') {
    // What was sealed is its body: that is gone on with, whatever the columns beside it say.
    if (columns.length > 0) findings.add('event-changed', said.event_id, differs)
    context.onSealed?.(said, sealed.leaf)
    followOn(findings, walk, said, 'event-order')
  } else {
    if (columns.length > 0) findings.add('pending', row.event_id, differs)
    if (columns.length > 0) walk.broken.add(row.stream_id).add(said.stream_id)
    followOn(findings, walk, { ...said, ...row }, 'pending')
  }
}

/** An event that is as it was written, or says so: it follows those before it in its shard, its account and its stream. */
function followOn(findings: Findings, walk: Walk, row: SaidRow, kind: 'event-order' | 'pending'): void {
  const { event_id: eventId, stream_id: streamId, account_id: accountId } = row
  if (row.shard_position <= walk.head)
    return void findings.add(
      kind,
      eventId,
      `It stands at position ${row.shard_position}, behind position ${walk.head}.`,
    )
  const before = walk.accounts.get(accountId) ?? 0
  const lastOccurredAt = walk.lastOccurredAt
  advance(findings, walk, row)
  if (row.occurred_at <= lastOccurredAt) findings.add(kind, eventId, 'It occurred no later than the event before it.')
  walk.lastOccurredAt = row.occurred_at
  // Where events are missing, those after them can't follow: that has been said.
  const isNext = row.position === before + 1 || (row.position > before && walk.missing > 0)
  walk.accounts.set(accountId, Math.max(before, row.position))
  if (!isNext) findings.add(kind, eventId, `It has not the position that follows in ${accountId}.`)
  if (walk.broken.has(streamId)) return
  const fact = factOf(row)
  if (fact !== undefined && follow(walk, row, fact)) return
  walk.broken.add(streamId)
  if (fact === undefined)
    findings.add('unreadable', eventId, `This verifier does not know version ${row.schema_version} of ${row.type}.`)
  else if (walk.missing === 0) findings.add(kind, eventId, `It does not follow the events of ${streamId} before it.`)
}

/** Goes on to a row's position, and notes what is missing before it. */
function advance(findings: Findings, walk: Walk, row: EventRow): void {
  missing(findings, walk, row.shard_position - 1)
  walk.accounts.set(row.account_id, (walk.accounts.get(row.account_id) ?? 0) + 1)
  walk.head = Math.max(walk.head, row.shard_position)
  walk.lastEventId = row.event_id
}

function sealOf(context: EventsContext, walk: Walk, row: EventRow): Sealed {
  const { leaves, claims, findings } = context
  const entry = entryOf(row)
  const leaf = entry === undefined ? undefined : leaves.indexOf(leafHash(entry))
  if (leaf !== undefined) {
    if (!leaves.take(leaf)) return { kind: 'inserted', why: 'It is there twice.' }
    // What stood before it was sealed before it: none of that is pending.
    for (const eventId of walk.pending.splice(0)) findings.add('event-changed', eventId, 'It is not as it was sealed.')
    return { kind: 'sealed', leaf }
  }
  const claimed = claims.leafOf(walk.shard, row.shard_position)
  if (claimed !== undefined)
    return leaves.take(claimed)
      ? { kind: 'changed' }
      : { kind: 'inserted', why: 'Another event was sealed in its place.' }
  if (row.shard_position <= claims.headOf(walk.shard)) return { kind: 'inserted', why: 'It was never sealed.' }
  // Unless it is the shard's counter that is wrong: the account's then counts the event.
  const isCounted =
    row.position === (walk.accounts.get(row.account_id) ?? 0) + 1 && row.position <= context.countOf(row.account_id)
  if (row.shard_position > walk.counted && !isCounted)
    return { kind: 'inserted', why: 'Its shard never came to its position.' }
  walk.pending.push(row.event_id)
  return { kind: 'pending' }
}

/** Notes that the events up to position `to` are not there. */
export function missing(findings: Findings, fold: ShardFold, to: number): void {
  const from = fold.head + 1
  if (from > to) return
  const positions = from === to ? `position ${from}` : `positions ${from} to ${to}`
  findings.add(
    'event-missing',
    `shard ${fold.shard}, ${positions}`,
    from === to ? 'It is missing.' : 'They are missing.',
  )
  fold.missing += to - from + 1
  fold.head = to
}

/** After all shards: leaves that no event was found for. `isOwn`: leaves of the log itself. */
export function checkLeaves(
  findings: Findings,
  number: number,
  leaves: LeafSet,
  isOwn: (leaf: number) => boolean,
): void {
  for (let leaf = 0; leaf < leaves.size; leaf++)
    if (!leaves.isTaken(leaf) && !isOwn(leaf))
      findings.add('event-missing', `audit/${number} leaf ${leaf}`, 'The event that was sealed here is not there.')
}
