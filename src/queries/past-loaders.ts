// What a request asks for by id of a moment of the past: the same loaders, of the same rows, filled from the log. Names of people and of
// actors are no part of it, and stay what they are now.
import DataLoader from 'dataloader'
import type { Caller } from '#domain/caller.ts'
import { type IdKind, kindOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import { keyStatus } from '#domain/key/key-status.ts'
import { confinedTo } from '#domain/member.ts'
import type { Stream, StreamKind } from '#domain/streams.ts'
import { endOf, momentAt } from '#history/moment.ts'
import { type AsItWas, pastCodes, pastRotations, pastRow } from '#history/past-rows.ts'
import { readPastStreams } from '#history/past-streams.ts'
import { type CodeRow, RETIRED_MAX, SHOWN_MAX, shownOf } from './codes.ts'
import { firstAt } from './event-search.ts'
import type { Loader, Loaders } from './loaders.ts'
import { type Reader, runNamed } from './reader.ts'
import { locate } from './shard.ts'

/** Streams of one statement, each of which may have thousands of events. */
const BATCH_MAX = 100

/**
 * `reader` is of the past, `present` of the same caller and of now: by it is found which key a code or a rotation is of, which never
 * changes, and whether a link is the caller's. A MEMBER sees nothing: whose a key was then says nothing of whose it is.
 */
export function createPastLoaders(reader: Reader, caller: Caller | undefined, present: Loaders): Loaders {
  const { database, now: at } = reader
  const isAnybody = caller !== undefined && confinedTo(caller) === null
  const streamsOf = (tenant: string | null) =>
    new DataLoader<string, Stream | null>(
      async (ids) => {
        const streams = isAnybody ? await readPastStreams(database, ids, momentAt(at), tenant) : undefined
        return ids.map((id) => streams?.get(id) ?? null)
      },
      { maxBatchSize: BATCH_MAX },
    )
  const streams = streamsOf(caller === undefined || caller.kind === 'ROOT' ? null : caller.accountId)
  /** Keys of other accounts, of which their links tell a little. */
  const linkedStreams = streamsOf(null)

  const rows = <Kind extends StreamKind>(idKind: IdKind, kind: Kind) => ({
    load: async (id: string) => (kindOf(id) === idKind ? pastRow(kind, await streams.load(id), at) : null),
  })
  const key = rows('key', 'key')
  const keyspace = rows('ks', 'keyspace')
  const codes = memoized(async (keyId) => pastCodes(await streams.load(keyId), at))
  const rotations = memoized(async (keyId) => pastRotations(await streams.load(keyId), at))
  const codesOfKey = memoized(async (keyId) => shownOf(await codes.load(keyId), at))

  return {
    account: rows('acct', 'account'),
    keyspace,
    key,
    code: {
      async load(id) {
        const known = await present.code.load(id)
        return known && ((await codes.load(known.key_id)).find(({ code_id }) => code_id === id) ?? null)
      },
    },
    rotation: {
      async load(id) {
        const known = await present.rotation.load(id)
        return known && ((await rotations.load(known.key_id)).find(({ rotation_id }) => rotation_id === id) ?? null)
      },
    },
    link: rows('lnk', 'link'),
    linkedKey: {
      async load(id) {
        const link = pastRow('link', await streams.load(id), at)
        const linked = link && pastRow('key', await linkedStreams.load(link.key_id), at)
        if (linked === null) return null
        // One that had ended by then told no name from its end on.
        if (link?.unlinked_at != null) return present.linkedKey.load(id)
        const { name, enabled, expires_at: expiresAt, revoked_at: revokedAt, deleted_at: deletedAt } = linked
        return { name, active: keyStatus({ enabled, expiresAt, revokedAt, deletedAt }, at) === 'ACTIVE' }
      },
    },
    policy: rows('pol', 'policy'),
    user: rows('usr', 'user'),
    profile: present.profile,
    keyName: present.keyName,
    event: present.event,
    changes: present.changes,
    namesThen: present.namesThen,
    endedOverlap: present.endedOverlap,
    inclusionProof: present.inclusionProof,
    personalNames: present.personalNames,
    codesOfKey,
    retiredCodesOfKey: memoized((keyId) => retiredCodes(codes, codesOfKey, keyId)),
    accountPosition: memoized((accountId) => positionAt(reader, accountId)),
    lastUseOfKey: UNTOLD,
    lastUseOfCode: UNTOLD,
    recentDaysOfCode: UNTOLD,
    lastAccessOfCode: UNTOLD,
    lastAccessOfLink: UNTOLD,
    openRotations: UNTOLD,
    activeKeyCount: UNTOLD,
    clear() {
      for (const loader of [streams, linkedStreams]) loader.clearAll()
      for (const loader of [codes, rotations, codesOfKey]) loader.clear()
    },
  }
}

/** Telemetry, and what follows from more than one thing: no field of the past asks for it. */
const UNTOLD: Loader<never> = {
  async load() {
    invariant(false, 'what is not known of the past is not asked for')
  },
}

type Codes = Loader<readonly AsItWas<CodeRow>[]>

/** The same as of now: up to so many, the newest first. */
async function retiredCodes(codes: Codes, shown: Codes, keyId: string): Promise<readonly AsItWas<CodeRow>[]> {
  const shownIds = new Set((await shown.load(keyId)).map(({ code_id }) => code_id))
  const newest = (await codes.load(keyId)).toReversed().slice(0, RETIRED_MAX + SHOWN_MAX)
  return newest.filter(({ code_id }) => !shownIds.has(code_id)).slice(0, RETIRED_MAX)
}

/** Of the last event of the account by the reader's moment. */
export async function positionAt(reader: Reader, accountId: string): Promise<bigint | null> {
  const first = firstAt('position', locate('acct', accountId), endOf(reader.now))
  const [row] = await runNamed(reader, reader.database.kysely.selectNoFrom(first.as('position')))
  return row?.position == null ? null : row.position - 1n
}

type Memoized<Value> = Loader<Value> & { clear(): void }

function memoized<Value>(load: (id: string) => Promise<Value>): Memoized<Value> {
  const known = new Map<string, Promise<Value>>()
  return {
    load(id) {
      const loading = known.get(id) ?? load(id)
      known.set(id, loading)
      return loading
    },
    clear: () => known.clear(),
  }
}
