// What the fields of one request ask for by id, gathered into one statement for each kind of thing. What belongs to another
// account than the caller's answers exactly like what does not exist, and so do keys that are not a MEMBER's own, and an ill-formed
// id, without a statement.
import DataLoader from 'dataloader'
import type { CompiledQuery } from 'kysely'
import { statement } from '#database/connect.ts'
import type { Caller } from '#domain/caller.ts'
import type { Change } from '#domain/changes.ts'
import type { IdKind } from '#domain/ids.ts'
import type { Instant } from '#domain/instant.ts'
import { confinedTo, sees } from '#domain/member.ts'
import type { AccessLogRow } from './access-log.ts'
import type { AccountRow } from './accounts.ts'
import { readChanges } from './changes.ts'
import type { CodeDay } from './code-uses.ts'
import { CODE_COLUMNS, type CodeRow, parametersOf, RETIRED_MAX, readNewestCodes, readShownCodes } from './codes.ts'
import { type EndedOverlap, readEndedOverlaps } from './ended-overlaps.ts'
import { EVENT_COLUMNS, type EventRow } from './events.ts'
import { type Inclusion, readInclusionProofs } from './inclusion-proofs.ts'
import type { KeyRow } from './keys.ts'
import type { KeyspaceRow } from './keyspaces.ts'
import { type LinkedKey, type LinkRow, readLinkedKeys } from './links.ts'
import { NAMELESS, type NamesThen, readNamesThen } from './names-then.ts'
import { readPersonalNames } from './personal-names.ts'
import type { PolicyRow } from './policies.ts'
import { type Reader, runNamed } from './reader.ts'
import { type RotationRow, readOpenRotations } from './rotations.ts'
import { locate, type Place } from './shard.ts'
import { type Profile, readProfiles, type UserRow } from './users.ts'
import { lastAccess, recentDays } from './uses.ts'

export type Loader<Value> = { load(id: string): Promise<Value> }
type EventLoader<Value> = { load(event: EventRow): Promise<Value> }

export type Loaders = {
  readonly account: Loader<AccountRow | null>
  /** Deleted ones too: keys that were in it, and its history, still lead there. */
  readonly keyspace: Loader<KeyspaceRow | null>
  /** Deleted ones too. */
  readonly key: Loader<KeyRow | null>
  readonly code: Loader<CodeRow | null>
  /** By the key's id: when a code of it was last used; null for never. Some seconds behind. */
  readonly lastUseOfKey: Loader<Instant | null>
  /** By the code's id. */
  readonly lastUseOfCode: Loader<Instant | null>
  /** By the code's id: how often it was found VALID on each of the last days, the earliest first. */
  readonly recentDaysOfCode: Loader<readonly CodeDay[]>
  /** By the code's id: the last entry of it in the access log. */
  readonly lastAccessOfCode: Loader<AccessLogRow | null>
  /** By the link's id: the same of its key, as the linking account recorded it. */
  readonly lastAccessOfLink: Loader<AccessLogRow | null>
  readonly rotation: Loader<RotationRow | null>
  /** By the key's id: those whose overlap runs, the newest first. */
  readonly openRotations: Loader<readonly RotationRow[]>
  /** Ended ones too. */
  readonly link: Loader<LinkRow | null>
  /** By the link's id: all that may be told of its key, which is another account's. */
  readonly linkedKey: Loader<LinkedKey | null>
  /** Deleted ones too. */
  readonly policy: Loader<PolicyRow | null>
  /** Removed ones too. To a MEMBER nobody but themselves. */
  readonly user: Loader<UserRow | null>
  /** By the user's id: who they are; null for those who were erased. */
  readonly profile: Loader<Profile | null>
  readonly event: Loader<EventRow | null>
  /** What an event changed that is at hand, and so may be read. */
  readonly changes: EventLoader<readonly Change[]>
  /** What the subject of such an event was called. */
  readonly namesThen: EventLoader<NamesThen>
  /** The code beside the retired one that such an event ended; null for none. */
  readonly endedOverlap: EventLoader<EndedOverlap | null>
  /** That such an event is in the audit log, against the checkpoint of a size, or the newest; null where it is not sealed then. */
  readonly inclusionProof: (size: bigint | null) => EventLoader<Inclusion | null>
  /** Which personal values such an event told, by name. */
  readonly personalNames: EventLoader<readonly string[]>
  /** By the key's id: each slot's newest code unless deleted, PRIMARY first, then those in overlap. */
  readonly codesOfKey: Loader<readonly CodeRow[]>
  /** By the key's id: up to 100 other codes, newest first. */
  readonly retiredCodesOfKey: Loader<readonly CodeRow[]>
  /** By the keyspace's id: its keys that are neither revoked, deleted nor past their expiry, and there for the reader. */
  readonly activeKeyCount: Loader<number | null>
  /** By the account's id: the position of its last event. */
  readonly accountPosition: Loader<bigint | null>
  /** By the key's id: what to call it where it acted. */
  readonly keyName: Loader<string | null>
  /** Forgets what was read: for what is asked after a change within the same request. */
  clear(): void
}

/** Bounds the arrays of one statement. */
const BATCH_MAX = 1_000

/** Values by id for the ids that are well-formed; what is missing is absent. `tenant`: null for any account. */
type Read<Value> = (places: readonly Place[], tenant: string | null) => Promise<ReadonlyMap<string, Value>>

/** For one request of one caller; without a caller there is nothing to see. */
export function createLoaders(reader: Reader, caller: Caller | undefined): Loaders {
  const clears: (() => void)[] = []
  const loader = <Value, Missing>(kind: IdKind, missing: Missing, read: Read<Value>): Loader<Value | Missing> => {
    const batch = async (ids: readonly string[]) => {
      const places = ids.map((id) => locate(kind, id)).filter((place) => place.id !== '')
      const found = caller === undefined || places.length === 0 ? undefined : await read(places, tenantOf(caller))
      return ids.map((id) => found?.get(id) ?? missing)
    }
    // Made when it is first asked: most requests need few of them.
    let made: DataLoader<string, Value | Missing> | undefined
    clears.push(() => made?.clearAll())
    return {
      load(id) {
        made ??= new DataLoader<string, Value | Missing>(batch, { maxBatchSize: BATCH_MAX })
        return made.load(id)
      },
    }
  }
  const rows = <Row>(kind: IdKind, table: string, id: string & keyof Row, columns = 'row.*') =>
    loader<Row, null>(kind, null, rowsById(reader, table, id, columns))
  /** The same for a MEMBER, to whom what is not theirs does not exist. */
  const own = <Row>(isTheirs: IsTheirs<Row>, kind: IdKind, table: string, id: string & keyof Row, columns = 'row.*') =>
    loader<Row, null>(kind, null, onlyTheirs(caller, isTheirs, rowsById(reader, table, id, columns)))

  const ask = <Row>(query: CompiledQuery<Row>) => runNamed(reader, query)
  const keyspace = rows<KeyspaceRow>('ks', 'state.keyspace', 'keyspace_id')
  const key = own<KeyRow>(keyIsTheirs(keyspace), 'key', 'state.key', 'key_id')
  const ofTheirKey = async (_caller: Caller, row: { readonly key_id: string }) => (await key.load(row.key_id)) !== null
  const codesOfKey = loader<readonly CodeRow[], readonly never[]>('key', [], (places, tenant) =>
    readShownCodes(reader, places, tenant),
  )
  return {
    account: rows<AccountRow>('acct', 'state.account', 'account_id'),
    keyspace,
    key,
    code: own<CodeRow>(ofTheirKey, 'code', 'state.code', 'code_id', CODE_COLUMNS),
    lastUseOfKey: loader<Instant, null>('key', null, lastUses(reader, 'usage.key_use', 'key_id')),
    lastUseOfCode: loader<Instant, null>('code', null, lastUses(reader, 'usage.code_use', 'code_id')),
    recentDaysOfCode: loader<readonly CodeDay[], readonly never[]>('code', [], recentDays(reader)),
    lastAccessOfCode: loader<AccessLogRow, null>('code', null, lastAccess(reader, 'code')),
    lastAccessOfLink: loader<AccessLogRow, null>('lnk', null, lastAccess(reader, 'link')),
    rotation: own<RotationRow>(ofTheirKey, 'rot', 'state.rotation', 'rotation_id'),
    openRotations: loader<readonly RotationRow[], readonly never[]>('key', [], (places, tenant) =>
      readOpenRotations(reader, places, tenant),
    ),
    link: rows<LinkRow>('lnk', 'state.link', 'link_id'),
    linkedKey: loader<LinkedKey, null>('lnk', null, (places, tenant) => readLinkedKeys(reader, places, tenant)),
    policy: rows<PolicyRow>('pol', 'state.policy', 'policy_id'),
    user: own<UserRow>(isThemselves, 'usr', 'state.user', 'user_id'),
    profile: loader<Profile, null>('usr', null, (places, tenant) => readProfiles(reader, places, tenant)),
    event: rows<EventRow>('evt', 'log.event', 'event_id', EVENT_COLUMNS.map((column) => `row.${column}`).join(', ')),
    changes: eventLoader<readonly Change[]>(clears, [], (events) => readChanges(ask, events)),
    namesThen: eventLoader(clears, NAMELESS, (events) => readNamesThen(reader, events)),
    endedOverlap: eventLoader<EndedOverlap | null>(clears, null, (events) => readEndedOverlaps(reader, events)),
    inclusionProof: bySize((size) =>
      eventLoader<Inclusion | null>(clears, null, (events) => readInclusionProofs(reader, events, size)),
    ),
    personalNames: eventLoader<readonly string[]>(clears, [], (events) => readPersonalNames(ask, events)),
    codesOfKey,
    retiredCodesOfKey: loader<readonly CodeRow[], readonly never[]>('key', [], async (places, tenant) => {
      const newest = await readNewestCodes(reader, places, tenant)
      const shown = await Promise.all([...newest.keys()].map((id) => codesOfKey.load(id)))
      const shownIds = new Set(shown.flat().map((code) => code.code_id))
      return mapValues(newest, (codes) => codes.filter((code) => !shownIds.has(code.code_id)).slice(0, RETIRED_MAX))
    }),
    activeKeyCount: loader<number, null>('ks', null, activeKeyCounts(reader)),
    accountPosition: loader<bigint, null>('acct', null, accountPositions(reader)),
    keyName: { load: async (id) => (await key.load(id))?.name ?? null },
    clear: () => {
      for (const clear of clears) clear()
    },
  }
}

function eventLoader<Value>(
  clears: (() => void)[],
  missing: Value,
  read: (events: readonly EventRow[]) => Promise<ReadonlyMap<string, Value>>,
): EventLoader<Value> {
  const batch = async (events: readonly EventRow[]) => {
    const found = await read(events)
    return events.map(({ event_id: id }) => found.get(id) ?? missing)
  }
  let made: DataLoader<EventRow, Value, string> | undefined
  clears.push(() => made?.clearAll())
  return {
    load(event) {
      made ??= new DataLoader(batch, { maxBatchSize: BATCH_MAX, cacheKeyFn: ({ event_id: id }) => id })
      return made.load(event)
    },
  }
}

function bySize<Made>(make: (size: bigint | null) => Made): (size: bigint | null) => Made {
  const made = new Map<bigint | null, Made>()
  return (size) => {
    const known = made.get(size) ?? make(size)
    made.set(size, known)
    return known
  }
}

function tenantOf(caller: Caller): string | null {
  return caller.kind === 'ROOT' ? null : caller.accountId
}

type IsTheirs<Row> = (caller: Caller, row: Row) => Promise<boolean>

function onlyTheirs<Row>(caller: Caller | undefined, isTheirs: IsTheirs<Row>, read: Read<Row>): Read<Row> {
  if (caller === undefined || confinedTo(caller) === null) return read
  return async (places, tenant) => {
    const rows = [...(await read(places, tenant))]
    const theirs = await Promise.all(rows.map(([, row]) => isTheirs(caller, row)))
    return new Map(rows.filter((_, index) => theirs[index]))
  }
}

function keyIsTheirs(keyspaces: Loader<KeyspaceRow | null>): IsTheirs<KeyRow> {
  return async (caller, { owner_id: ownerId, keyspace_id: keyspaceId }) => {
    const keyspace = await keyspaces.load(keyspaceId)
    return keyspace !== null && sees(caller, ownerId, keyspace.rules)
  }
}

const isThemselves: IsTheirs<UserRow> = async (caller, { user_id }) => confinedTo(caller) === user_id

/** Ids come as arrays, so that however many they are, the text is the same and has one plan. */
function rowsById<Row>(reader: Reader, table: string, idColumn: string & keyof Row, columns: string): Read<Row> {
  const text = `
    SELECT ${columns}
      FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
      JOIN ${table} AS row ON row.shard = wanted.shard AND row.${idColumn} = wanted.id
     WHERE $3::text IS NULL OR row.account_id = $3`
  return async (places, tenant) => {
    const rows = await runNamed(reader, statement<Row>(text, parametersOf(places, tenant)))
    return new Map(rows.map((row) => [String(row[idColumn]), row]))
  }
}

function activeKeyCounts(reader: Reader): Read<number> {
  const { memberId } = reader
  const theirs = memberId === null ? '' : `AND key.owner_id = $5 AND row.rules ->> 'managedBy' = 'OWNERS'`
  const text = `
    SELECT row.keyspace_id AS id,
           (SELECT count(*)::integer FROM state.key
             WHERE key.shard = row.shard AND key.keyspace_id = row.keyspace_id AND key.revoked_at IS NULL
               AND key.deleted_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > $4) ${theirs}) AS count
      FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id)
      JOIN state.keyspace AS row ON row.shard = wanted.shard AND row.keyspace_id = wanted.id
     WHERE $3::text IS NULL OR row.account_id = $3`
  return async (places, tenant) => {
    const parameters = [...parametersOf(places, tenant), reader.now, ...(memberId === null ? [] : [memberId])]
    const rows = await runNamed(reader, statement<{ id: string; count: number }>(text, parameters))
    return new Map(rows.map(({ id, count }) => [id, count]))
  }
}

function accountPositions(reader: Reader): Read<bigint> {
  const read = rowsById<{ account_id: string; position: bigint }>(reader, 'log.account', 'account_id', 'row.*')
  return async (places, tenant) => mapValues(await read(places, tenant), (row) => row.position)
}

function lastUses<Id extends 'key_id' | 'code_id'>(reader: Reader, table: string, id: Id): Read<Instant> {
  const read = rowsById<{ readonly [Column in Id]: string } & { readonly last_used_at: Instant }>(
    reader,
    table,
    id,
    `row.${id}, row.last_used_at`,
  )
  return async (places, tenant) => mapValues(await read(places, tenant), (row) => row.last_used_at)
}

function mapValues<From, To>(map: ReadonlyMap<string, From>, to: (value: From) => To): ReadonlyMap<string, To> {
  return new Map([...map].map(([key, value]) => [key, to(value)]))
}
