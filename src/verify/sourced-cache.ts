// What verdicts need, kept in memory and kept current by the feed. An entry has what was found for a question, and the sources it
// was read from: streams, and the digest itself. Any event about a source ends the entry, whatever it says: to forget is always
// right, and what is needed is read again.
import { invariant } from '#domain/invariant.ts'
import type { Feed } from '#log/feed.ts'
import type { FeedEvent } from '#log/poll.ts'
import { createScale, type Held } from './scale.ts'
import type { Weight } from './weight.ts'

/** What was found, and the ids of all that it was read from: digest, key, keyspaces, policies, users, links, accounts. */
export type Loaded<Found> = {
  readonly found: Found
  readonly sources: readonly string[]
  /** Undefined: less than a unit. */
  readonly weight?: Weight | undefined
}

/** What something was loaded in. */
export type Snapshot = {
  /** Of the state tables: a rebuild raises it. */
  readonly generation: bigint
  readonly heads: ReadonlyMap<number, bigint>
}

export type SourcedCache<Found> = {
  get(key: string): Found | undefined
  /**
   * Keeps what was loaded, unless the feed has handed on more than the snapshot had seen, or all was forgotten since `epoch`; or it
   * alone is more than there is room for.
   */
  put(key: string, loaded: Loaded<Found>, snapshot: Snapshot, epoch: number): void
  /** Whether this digest was nobody's a moment ago, and no code has been issued with it since. */
  isUnknown(digest: string): boolean
  putUnknown(digest: string, snapshot: Snapshot, epoch: number): void
  /** Changes when what was being loaded meanwhile must not be kept any more. */
  epoch(): number
  /**
   * Up to here the feed has handed on the account's events, and so ended what they ended; 0 where it has handed on none since
   * something of the account is kept.
   */
  positionOf(accountId: string): bigint
  size(): number
  /** Of all that is kept, as it was estimated. */
  bytes(): number
  stop(): void
}

export type SourcedCacheParts = {
  readonly feed: Pick<Feed, 'follow' | 'cursors' | 'surroundings'>
  /** Of a unit each (see scale.ts); fewer, where some take more. */
  readonly entriesMax: number
}

/** Shared by all entries that were read from it; not alive any more once it has changed. `position`: an account's. */
type Source = { readonly id: string; alive: boolean; entries: number; position: bigint }
type Entry<Found> = { readonly found: Found; readonly sources: readonly Source[]; readonly held: Held; used: boolean }

const SMALL: Weight = { bytes: 0, parts: [] }

/** Where all are in use, to look for one that is not would take as long as there are entries. */
const PASSED_OVER_MAX = 16

/**
 * Digests that are nobody's, remembered so that a client that keeps on trying costs no statement each time. Few, and apart from
 * the others: whoever makes secrets up must not push out those that are used.
 */
const UNKNOWN_MAX = 10_000
const UNKNOWN_FOR_MS = 5_000

export function createSourcedCache<Found>({ feed, entriesMax }: SourcedCacheParts): SourcedCache<Found> {
  /** The longest there first, or since it was last passed over. */
  const entries = new Map<string, Entry<Found>>()
  const unknown = createUnknown()
  const sources = createSources()
  const scale = createScale(entriesMax)
  let epoch = 0
  let turns = entries.entries()

  function forget(key: string, entry: Entry<Found>): void {
    entries.delete(key)
    for (const source of entry.sources) sources.release(source)
    scale.remove(entry.held)
  }

  /**
   * Of those that were not used since they were last looked at, the one that is there longest: nearly the least recently used,
   * while reading an entry moves nothing, which would cost more than finding it.
   */
  function makeRoom(): void {
    for (let passedOver = 0; ; passedOver++) {
      const [key, entry] = nextInTurn()
      if (!entry.used || passedOver === PASSED_OVER_MAX) {
        forget(key, entry)
        return
      }
      entry.used = false
      entries.delete(key)
      entries.set(key, entry)
    }
  }

  /** After the one before: who begins with the first each time passes over the places of all that have gone, half a million. */
  function nextInTurn(): [string, Entry<Found>] {
    let next = turns.next()
    if (next.done === true) {
      turns = entries.entries()
      next = turns.next()
    }
    invariant(next.done !== true, 'there is an entry to be forgotten')
    return next.value
  }

  const following = feed.follow({
    onEvents(events) {
      for (const event of events) {
        sources.reached(event.accountId, event.position)
        for (const id of concernedBy(event)) {
          sources.end(id)
          unknown.forget(id)
        }
      }
    },
    onReset: clear,
  })

  function clear(): void {
    epoch += 1
    entries.clear()
    unknown.clear()
    sources.clear()
    scale.clear()
  }

  const mayKeep = (snapshot: Snapshot, since: number) => since === epoch && isCurrent(feed, snapshot)

  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (!entry.sources.every((source) => source.alive)) {
        forget(key, entry)
        return undefined
      }
      entry.used = true
      return entry.found
    },
    put(key, loaded, snapshot, since) {
      const { found, weight = SMALL } = loaded
      if (!mayKeep(snapshot, since)) return
      const before = entries.get(key)
      if (before !== undefined) forget(key, before)
      if (!scale.couldHold(weight)) return
      // What it shares with others is held by it from here on, and it is not there yet to give way itself.
      const held = scale.add(weight)
      while (scale.isOver()) makeRoom()
      entries.set(key, { found, sources: loaded.sources.map(sources.use), held, used: false })
    },
    isUnknown: unknown.has,
    putUnknown(digest, snapshot, since) {
      if (mayKeep(snapshot, since)) unknown.add(digest)
    },
    epoch: () => epoch,
    positionOf: sources.positionOf,
    size: () => entries.size,
    bytes: scale.bytes,
    stop() {
      following.stop()
      clear()
    },
  }
}

/**
 * Whether whatever happens to what was read in this snapshot will still be told by the feed: it has handed on nothing that the
 * snapshot had not seen. Otherwise the event that ends the entry may have come before the entry.
 */
function isCurrent(feed: SourcedCacheParts['feed'], snapshot: Snapshot): boolean {
  const cursors = feed.cursors()
  if (cursors.size === 0 || feed.surroundings()?.generation !== snapshot.generation) return false
  return [...cursors].every(([shard, { position }]) => (snapshot.heads.get(shard) ?? -1n) >= position)
}

function createSources() {
  const sources = new Map<string, Source>()
  return {
    use(id: string): Source {
      const source = sources.get(id) ?? { id, alive: true, entries: 0, position: 0n }
      sources.set(id, source)
      source.entries += 1
      return source
    },
    release(source: Source): void {
      source.entries -= 1
      // One of the same id may have come after it: this one was ended by an event.
      if (source.entries === 0 && sources.get(source.id) === source) sources.delete(source.id)
    },
    end(id: string): void {
      const source = sources.get(id)
      if (source === undefined) return
      source.alive = false
      sources.delete(id)
    },
    reached(accountId: string, position: bigint): void {
      const source = sources.get(accountId)
      if (source !== undefined && source.position < position) source.position = position
    },
    positionOf: (accountId: string) => sources.get(accountId)?.position ?? 0n,
    clear: () => sources.clear(),
  }
}

function createUnknown() {
  const until = new Map<string, number>()
  return {
    has(digest: string): boolean {
      const end = until.get(digest)
      if (end === undefined) return false
      if (performance.now() < end) return true
      until.delete(digest)
      return false
    },
    add(digest: string): void {
      until.set(digest, performance.now() + UNKNOWN_FOR_MS)
      for (const oldest of until.keys()) {
        if (until.size <= UNKNOWN_MAX) break
        until.delete(oldest)
      }
    },
    forget: (digest: string) => void until.delete(digest),
    clear: () => until.clear(),
  }
}

type IssuedCode = { readonly digest: string }

/** The ids of all that an event changes: its stream, and what it relates to that. */
function concernedBy({ streamId, type, data }: FeedEvent): readonly string[] {
  switch (type) {
    // A digest that was nobody's, or comes to belong to one more.
    case 'code.issued':
      return [streamId, (data as IssuedCode).digest]
    case 'key.rotated':
      return [streamId, (data as { readonly replacement: IssuedCode }).replacement.digest]
    // A key that is let in somewhere opens more than it did.
    case 'key.linked':
      return [streamId, (data as { readonly keyId: string }).keyId]
    default:
      return [streamId]
  }
}
