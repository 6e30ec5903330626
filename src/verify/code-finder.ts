// Finds the codes that presented secrets belong to: in the cache, or else in the database, whose answers go into the cache. It is
// as current as the feed is when it is asked; see view.ts for what that has to be.
import type { WatchedConnection } from '#database/watched-connection.ts'
import { invariant } from '#domain/invariant.ts'
import type { Feed } from '#log/feed.ts'
import { hexDigestsOf } from '#secret/digest.ts'
import type { Keyring } from '#secret/keyring.ts'
import { type LinkPlace, matchCodes, type Presented, readMatches } from './candidates.ts'
import type { Deadline } from './deadline.ts'
import { createLoader } from './loader.ts'
import type { MatchedCode } from './matched-code.ts'
import { LOAD_MAX_MS } from './snapshot.ts'
import { createSourcedCache, type SourcedCache } from './sourced-cache.ts'

export type PresentedSecret = {
  readonly secret: string
  /** Null: as a key of its own account only. */
  readonly place: LinkPlace | null
}

export type CodeFinder = {
  /**
   * The codes that the secret belongs to, once as such and once for each link; none for an unknown one. What is known is given at
   * once, in the turn that asks; what is not is loaded together with what others ask for at that time. Rejects with UnavailableError
   * where the database does not answer in time.
   */
  find(presented: PresentedSecret, deadline: Deadline): readonly MatchedCode[] | Promise<readonly MatchedCode[]>
  stop(): void
}

export type CodeFinderParts = {
  /** Over which all that verification does not know yet is loaded; the caller's to close. */
  readonly loading: Pick<WatchedConnection, 'ask'>
  readonly keyring: Keyring
  readonly feed: Feed
  readonly cacheCodes: number
}

/**
 * What is known of secrets where they open nothing, in places that whoever holds one key can make up without end. Few, and apart from
 * the others: they must not push out those that are used.
 */
const ELSEWHERE_MAX = 10_000

type Wanted = Presented & { readonly key: string }
type Found = readonly MatchedCode[]

export function createCodeFinder({ loading, keyring, feed, cacheCodes }: CodeFinderParts): CodeFinder {
  const cache = createSourcedCache<Found>({ feed, entriesMax: cacheCodes })
  const elsewhere = createSourcedCache<Found>({ feed, entriesMax: Math.min(cacheCodes, ELSEWHERE_MAX) })
  const loader = createLoader(load)

  async function load(wanted: readonly Wanted[]): Promise<readonly Found[]> {
    const inUse = { cache, epoch: cache.epoch() }
    const notInUse = { cache: elsewhere, epoch: elsewhere.epoch() }
    const since = feed.cursors()
    const rows = await loading.ask(matchCodes(wanted), LOAD_MAX_MS)
    const { snapshot, loaded } = readMatches(keyring, wanted, rows, since)
    return wanted.map(({ key, digests, place }, index) => {
      const { found = [], sources = [], weight } = loaded[index] ?? {}
      const kept = found.some((code) => isThere(code, place)) ? inUse : notInUse
      if (found.length > 0) kept.cache.put(key, { found, sources, weight }, snapshot, kept.epoch)
      else for (const digest of digests) cache.putUnknown(digest, snapshot, inUse.epoch)
      return found
    })
  }

  function known({ key, digests }: Wanted): Found | undefined {
    return knownTo(cache, key) ?? knownTo(elsewhere, key) ?? (digests.every(cache.isUnknown) ? [] : undefined)
  }

  function knownTo(kept: SourcedCache<Found>, key: string): Found | undefined {
    return kept.get(key)?.map((code) => upToNow(kept, code))
  }

  /** Events that did not end it have been taken into account, too. */
  function upToNow(kept: SourcedCache<Found>, code: MatchedCode): MatchedCode {
    const { accountId, position: read } = code.link ?? code
    const position = kept.positionOf(accountId)
    if (position <= read) return code
    return code.link === null ? { ...code, position } : { ...code, link: { ...code.link, position } }
  }

  return {
    find({ secret, place }, deadline) {
      const wanted = wantedOf(keyring, secret, place)
      return known(wanted) ?? loader.load(wanted, deadline)
    },
    stop() {
      cache.stop()
      elsewhere.stop()
    },
  }
}

/** Whether the place is one that the code is of, or is let in to by a link. */
function isThere({ accountId, keyspaceId, link }: MatchedCode, place: LinkPlace | null): boolean {
  if (place === null || link !== null) return true
  return (place.accountId ?? accountId) === accountId && (place.keyspaceId ?? keyspaceId) === keyspaceId
}

function wantedOf(keyring: Keyring, secret: string, place: LinkPlace | null): Wanted {
  const digests = hexDigestsOf(keyring, secret)
  const [newest] = digests
  invariant(newest !== undefined, 'a keyring is never empty')
  // Nothing is joined where there is no need to: a text that was has to be made one before it is found.
  return {
    digests,
    place,
    key: place === null ? newest : `${newest} ${place.accountId ?? ''} ${place.keyspaceId ?? ''}`,
  }
}
