// Which keys a list shows, as conditions on `state.key AS key`. They come as branches, which no key is in two of and each
// of which one index can answer: an OR across tables would make the database look at every key.
import { type Expression, type SqlBool, sql } from 'kysely'
import { type ArgumentIssue, BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { foldName } from '#domain/fold-name.ts'
import type { Instant } from '#domain/instant.ts'
import { unreachable } from '#domain/invariant.ts'
import type { KeyStatus } from '#domain/key/key-status.ts'
import { instantIssues, textIssues, textsIssues } from './filter-check.ts'
import { searchHints } from './hint-search.ts'
import type { Reader } from './reader.ts'
import { locate, type Place } from './shard.ts'

/** All that an account has but its management keyspace's; all of a keyspace; all that a user owns, wherever. */
export type KeyScope = { readonly accountId: string; readonly ownerId?: string } | { readonly keyspaceId: string }

/** What is absent, null or empty filters nothing. */
export type KeyFilter = {
  readonly keyspaceId?: string | null | undefined
  readonly statuses?: readonly KeyStatus[] | null | undefined
  /** Keys that this user owns. */
  readonly ownerId?: string | null | undefined
  /** Keys that have all of them. */
  readonly tags?: readonly string[] | null | undefined
  /** Keys that hold it. */
  readonly policyId?: string | null | undefined
  /** A part of the name, in any case. */
  readonly name?: string | null | undefined
  /** The head of a secret: of any code that the key ever had. */
  readonly hint?: string | null | undefined
  /** Keys whose own expiry lies before then, or of which a code that is live now expires before then. */
  readonly expiresBefore?: Instant | null | undefined
  /** Keys that were last used before then, or never and were created before then. */
  readonly unusedSince?: Instant | null | undefined
  /** Keys of which a replaced code still verifies; false: keys of which none does. */
  readonly rotationOpen?: boolean | null | undefined
}

type Condition = Expression<SqlBool>
/** Conditions that must all be met. */
export type Branch = readonly Condition[]

const TAGS_MAX = 50
const STATUSES_MAX = 5

/** Throws BadQueryArgumentError for values that no key could have. */
export function checkKeyFilter(filter: KeyFilter): void {
  const issues: readonly ArgumentIssue[] = [
    ...textsIssues('statuses', filter.statuses, STATUSES_MAX),
    ...textsIssues('tags', filter.tags, TAGS_MAX),
    ...textIssues('name', filter.name),
    ...textIssues('hint', filter.hint),
    ...instantIssues('expiresBefore', filter.expiresBefore),
    ...instantIssues('unusedSince', filter.unusedSince),
  ]
  if (issues.length > 0) throw new BadQueryArgumentError(issues)
}

/** The branches of a list of keys, as the reader may see them; none where nothing can match. The filter has been checked. */
export function branchesOf(scope: KeyScope, filter: KeyFilter, { now, memberId }: Reader): readonly Branch[] {
  const place = placeOf(scope, filter)
  if (place === undefined) return []
  const { ownerId, tags, policyId, name, hint } = filter
  const common: Branch = [
    ...place.conditions,
    ...(memberId === null ? [] : theirs(memberId, place)),
    ...(ownerId == null ? [] : [ownedBy(ownerId)]),
    ...(tags?.length ? [sql<SqlBool>`key.tags @> ${tags}::text[]`] : []),
    ...(policyId == null ? [] : [sql<SqlBool>`key.policy_ids @> ARRAY[${locate('pol', policyId).id}::text]`]),
    // Not LIKE: there is no pattern in it that could be abused, and no index that it could use.
    ...(name ? [sql<SqlBool>`strpos(key.name_folded, ${foldName(name)}) > 0`] : []),
    ...(hint && hint !== '…' ? [hasHint(place, hint)] : []),
    ...(filter.unusedSince == null ? [] : unusedSince(scope, filter, filter.unusedSince)),
    ...(filter.rotationOpen == null ? [] : [rotationOpen(place, filter.rotationOpen, now)]),
  ]
  return statusBranches(filter.statuses ?? [], now).flatMap((status) =>
    expiryBranches(place, status, filter.expiresBefore, now).map((expiry) => [...common, ...status, ...expiry]),
  )
}

/** The keys of a branch. */
export function keysWhere(reader: Reader, branch: Branch) {
  const keys = reader.database.kysely.selectFrom('state.key as key')
  return branch.reduce((query, condition) => query.where(condition), keys)
}

/** `accountId` is SQL for the account's id, to look its codes up with. */
type KeyPlace = { readonly shard: number; readonly accountId: Expression<string>; readonly conditions: Branch }

function placeOf(scope: KeyScope, filter: KeyFilter): KeyPlace | undefined {
  const filtered = filter.keyspaceId == null ? undefined : locate('ks', filter.keyspaceId)
  if ('keyspaceId' in scope) {
    const keyspace = locate('ks', scope.keyspaceId)
    if (filtered !== undefined && filtered.id !== keyspace.id) return undefined
    const { shard, id } = keyspace
    const accountId = sql<string>`(SELECT account_id FROM state.keyspace WHERE shard = ${shard} AND keyspace_id = ${id})`
    return { shard, accountId, conditions: inKeyspace(keyspace) }
  }
  const { shard, id } = locate('acct', scope.accountId)
  const accountId = sql<string>`${id}`
  const inAccount = sql<SqlBool>`key.shard = ${shard} AND key.account_id = ${id}`
  if (filtered === undefined && scope.ownerId !== undefined)
    return { shard, accountId, conditions: [inAccount, ownedBy(scope.ownerId)] }
  if (filtered === undefined) {
    const notManagement = sql<SqlBool>`key.keyspace_id <>
      (SELECT management_keyspace_id FROM state.account WHERE shard = ${shard} AND account_id = ${id})`
    return { shard, accountId, conditions: [inAccount, notManagement] }
  }
  // Asked once, before any key is looked at: another account's keyspace would otherwise be read to its end.
  const ownKeyspace = sql<SqlBool>`EXISTS (SELECT FROM state.keyspace
    WHERE shard = ${filtered.shard} AND keyspace_id = ${filtered.id} AND account_id = ${id})`
  return { shard, accountId, conditions: [...inKeyspace(filtered), ownKeyspace] }
}

/** The keys that are there at all for a MEMBER. Which keyspaces owners manage is asked once, not for each key. */
function theirs(memberId: string, { shard, accountId }: KeyPlace): Branch {
  const managedByOwners = sql<SqlBool>`key.keyspace_id = ANY (ARRAY(SELECT managed.keyspace_id FROM state.keyspace AS managed
    WHERE managed.shard = ${shard} AND managed.account_id = ${accountId} AND managed.rules ->> 'managedBy' = 'OWNERS'))`
  return [ownedBy(memberId), managedByOwners]
}

function ownedBy(userId: string): Condition {
  const { shard, id } = locate('usr', userId)
  return sql<SqlBool>`key.shard = ${shard} AND key.owner_id = ${id}`
}

/** Narrows rows of usage.key_use, called `alias`, to those of the keys in the place; in the words of an index. */
export function usesIn(alias: string, scope: KeyScope, filter: KeyFilter): Condition {
  const keyspaceId = 'keyspaceId' in scope ? scope.keyspaceId : filter.keyspaceId
  if (keyspaceId != null) return inPlace('keyspace_id', locate('ks', keyspaceId))
  return inPlace('account_id', locate('acct', 'accountId' in scope ? scope.accountId : ''))

  function inPlace(column: string, { shard, id }: Place): Condition {
    return sql<SqlBool>`${sql.ref(`${alias}.shard`)} = ${shard} AND ${sql.ref(`${alias}.${column}`)} = ${id}`
  }
}

/** No key is used before it is created, so that one comparison tells both kinds. */
function unusedSince(scope: KeyScope, filter: KeyFilter, instant: Instant): Branch {
  return [
    sql<SqlBool>`key.created_at < ${instant}::timestamptz`,
    sql<SqlBool>`NOT EXISTS (SELECT FROM usage.key_use AS used WHERE used.key_id = key.key_id
      AND ${usesIn('used', scope, filter)} AND used.last_used_at >= ${instant}::timestamptz)`,
  ]
}

function inKeyspace({ shard, id }: Place): Branch {
  return [sql<SqlBool>`key.shard = ${shard} AND key.keyspace_id = ${id}`]
}

/** Deleted keys have indexes of their own, hence a branch of their own; they are shown only where they are named. */
function statusBranches(statuses: readonly KeyStatus[], now: Instant): readonly Branch[] {
  const deleted = statuses.includes('DELETED') ? [[sql<SqlBool>`key.deleted_at IS NOT NULL`]] : []
  const wanted = [...new Set(statuses)].filter((status) => status !== 'DELETED')
  const live = sql<SqlBool>`key.deleted_at IS NULL`
  if (wanted.length === 0) return deleted.length > 0 ? deleted : [[live]]
  if (wanted.length === 1 && wanted[0] === 'ACTIVE')
    return [...deleted, ...unexpiredBranches(now).map((unexpired) => [live, usable, unexpired])]
  const isWanted = sql<SqlBool>`(${sql.join(
    wanted.map((status) => liveStatus(status, now)),
    sql` OR `,
  )})`
  return [...deleted, [live, isWanted]]
}

const usable = sql<SqlBool>`key.revoked_at IS NULL AND key.enabled`

const unexpiring = sql<SqlBool>`key.expires_at IS NULL`

/** Apart, so that a list of active keys by expiry begins at `now` instead of passing by all that have expired before. */
function unexpiredBranches(now: Instant): Branch {
  return [unexpiring, sql<SqlBool>`key.expires_at > ${now}::timestamptz`]
}

/** As `keyStatus` in the domain judges a key that is not deleted. */
function liveStatus(status: Exclude<KeyStatus, 'DELETED'>, now: Instant): Condition {
  switch (status) {
    case 'REVOKED':
      return sql<SqlBool>`key.revoked_at IS NOT NULL`
    case 'DISABLED':
      return sql<SqlBool>`key.revoked_at IS NULL AND NOT key.enabled`
    case 'EXPIRED':
      return sql<SqlBool>`${usable} AND key.expires_at <= ${now}::timestamptz`
    case 'ACTIVE':
      return sql<SqlBool>`${usable} AND (${sql.join(unexpiredBranches(now), sql` OR `)})`
    default:
      return unreachable(status)
  }
}

/** Keys that expire by themselves, and those that do not but have a code that is live, as the domain judges it, and does. */
function expiryBranches(
  { shard, accountId }: KeyPlace,
  status: Branch,
  before: Instant | null | undefined,
  now: Instant,
): readonly Branch[] {
  if (before == null) return [[]]
  // Materialised, or the codes of key after key might be asked for: the oldest keys expire first, and lists begin with the newest.
  const codeExpires = sql<SqlBool>`key.key_id IN (WITH expiring AS MATERIALIZED (SELECT code.key_id FROM state.code
    WHERE code.shard = ${shard} AND code.account_id = ${accountId}
      AND code.expires_at > ${now}::timestamptz AND code.expires_at < ${before}::timestamptz
      AND code.replaced_at IS NULL AND code.deleted_at IS NULL) SELECT key_id FROM expiring)`
  const notByItself = sql<SqlBool>`(key.expires_at IS NULL OR key.expires_at >= ${before}::timestamptz)`
  // Revoked keys have no live codes; deleted ones are revoked.
  const mayHaveLiveCodes = sql<SqlBool>`key.revoked_at IS NULL`
  const byCode: Branch = [notByItself, mayHaveLiveCodes, codeExpires]
  // The database does not see the contradiction, and would look for such keys to the end of the list.
  if (status.includes(unexpiring)) return [byCode]
  return [[sql<SqlBool>`key.expires_at < ${before}::timestamptz`], byCode]
}

/** As `inOverlap` in the domain judges a code, and not revoked with its key: that ends an overlap without moving its end. */
function rotationOpen({ shard, accountId }: KeyPlace, open: boolean, now: Instant): Condition {
  const overlapping = sql`WITH overlapping AS MATERIALIZED (SELECT code.key_id FROM state.code
    WHERE code.shard = ${shard} AND code.account_id = ${accountId}
      AND code.overlap_ends_at > ${now}::timestamptz AND code.deleted_at IS NULL) SELECT key_id FROM overlapping`
  if (open) return sql<SqlBool>`key.revoked_at IS NULL AND key.key_id IN (${overlapping})`
  return sql<SqlBool>`(key.revoked_at IS NOT NULL OR key.key_id NOT IN (${overlapping}))`
}

function hasHint({ shard, accountId }: KeyPlace, hint: string): Condition {
  const { exactly, range } = searchHints(hint)
  const matches = [
    ...(exactly.length > 0 ? [sql<SqlBool>`code.hint = ANY (${exactly}::text[])`] : []),
    ...(range === null ? [] : [sql<SqlBool>`code.hint >= ${range.from} AND code.hint < ${range.to}`]),
  ]
  if (matches.length === 0) return sql<SqlBool>`false`
  return sql<SqlBool>`key.key_id IN (SELECT code.key_id FROM state.code
    WHERE code.shard = ${shard} AND code.account_id = ${accountId} AND (${sql.join(matches, sql` OR `)}))`
}
