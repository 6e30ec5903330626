// Which event made a part of a thing what it is: the last one by which that part differs from what it was before. It is read off the
// fold itself, so that nothing here has to know what an event of some type does.
import { sameValue } from '#domain/same-value.ts'
import { evolveStream, newStream, type States, type Stream, type StreamKind } from '#domain/streams.ts'
import { recordedOf } from '#log/load.ts'
import type { PastEvent } from './past-streams.ts'

/** Parts by name: what is compared of a state. */
export type Parts<Kind extends StreamKind, Name extends string> = {
  readonly [Part in Name]: (state: States[Kind]) => unknown
}

export type Folded<Kind extends StreamKind, Name extends string> = {
  readonly stream: Stream<Kind>
  /** Null for what is as it was before there was anything. */
  readonly changedBy: { readonly [Part in Name]: PastEvent | null }
}

/** The stream of these events, which are one thing's in their order, and what made each part as it is; null where there are none. */
export function foldWithChanges<Kind extends StreamKind, Name extends string>(
  kind: Kind,
  events: readonly PastEvent[],
  parts: Parts<Kind, Name>,
): Folded<Kind, Name> | null {
  const [first] = events
  if (first === undefined || first.stream_kind !== kind) return null
  const names = Object.keys(parts) as Name[]
  let stream = newStream(kind, first.stream_id, first.account_id)
  const values = new Map<Name, unknown>(names.map((name) => [name, parts[name](stream.state)]))
  const changedBy = new Map<Name, PastEvent>()
  for (const event of events) {
    stream = evolveStream(stream, recordedOf(event) as never)
    for (const name of names) {
      const value = parts[name](stream.state)
      if (sameValue(value, values.get(name))) continue
      values.set(name, value)
      changedBy.set(name, event)
    }
  }
  const entries = names.map((name) => [name, changedBy.get(name) ?? null])
  return { stream, changedBy: Object.fromEntries(entries) as Folded<Kind, Name>['changedBy'] }
}
