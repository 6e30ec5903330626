// Rows put straight into the tables, as the owner: for tests of reads, which need many rows or unlikely ones and do not
// care which commands make them.
import { sql } from 'kysely'
import type { Database } from '#database/connect.ts'
import type { CodeTable, KeyspaceTable, KeyTable, LinkTable, PolicyTable } from '#database/tables.ts'
import { toBase62 } from '#domain/base62.ts'
import { foldName } from '#domain/fold-name.ts'
import { ID_SHARD_DIGITS, type IdKind, knownShardOf } from '#domain/ids.ts'
import { DEFAULT_RULES, MANAGEMENT_RULES } from '#domain/keyspace/rules.ts'

export type SeededAccount = {
  readonly shard: number
  readonly accountId: string
  readonly managementKeyspaceId: string
  readonly keyspaceId: string
  readonly otherKeyspaceId: string
}

const EPOCH = '2026-01-01T00:00:00.000Z'

/** A well-formed id that says which one it is. */
export function seedId(kind: IdKind, shard: number, n: number): string {
  return `${kind}_${toBase62(shard, ID_SHARD_DIGITS)}${String(n).padStart(20, '0')}`
}

/** Account `n` in shard `n % 16`, with its management keyspace and two others. */
export async function seedAccount(owner: Database, n: number): Promise<SeededAccount> {
  const shard = n % 16
  const accountId = seedId('acct', shard, n)
  const keyspaceIds = [1, 2, 3].map((i) => seedId('ks', shard, 10 * n + i))
  const [managementKeyspaceId, keyspaceId, otherKeyspaceId] = keyspaceIds as [string, string, string]
  await owner.kysely
    .insertInto('state.account')
    .values({
      shard,
      account_id: accountId,
      name: `Account ${n}`,
      management_keyspace_id: managementKeyspaceId,
      created_at: EPOCH,
      version: 1,
    })
    .execute()
  const keyspaces = [
    keyspaceRow(shard, accountId, managementKeyspaceId, {
      name: 'management',
      management: true,
      rules: MANAGEMENT_RULES,
    }),
    keyspaceRow(shard, accountId, keyspaceId, { name: 'api' }),
    keyspaceRow(shard, accountId, otherKeyspaceId, { name: 'reports' }),
  ]
  await owner.kysely.insertInto('state.keyspace').values(keyspaces).execute()
  return { shard, accountId, managementKeyspaceId, keyspaceId, otherKeyspaceId }
}

export function keyspaceRow(
  shard: number,
  accountId: string,
  keyspaceId: string,
  given: Partial<KeyspaceTable> = {},
): KeyspaceTable {
  return {
    shard,
    keyspace_id: keyspaceId,
    account_id: accountId,
    name: keyspaceId,
    management: false,
    rules: DEFAULT_RULES,
    created_at: EPOCH,
    deleted_at: null,
    version: 1,
    ...given,
  }
}

/** An active key without codes in the account's first keyspace. */
export function keyRow(account: SeededAccount, n: number, given: Partial<KeyTable> = {}): KeyTable {
  const name = given.name ?? `Key ${n}`
  return {
    shard: account.shard,
    key_id: seedId('key', account.shard, n),
    account_id: account.accountId,
    keyspace_id: account.keyspaceId,
    name,
    name_folded: foldName(name),
    description: null,
    tags: [],
    metadata: {},
    policy_ids: [],
    frozen_policies: null,
    permissions: [],
    owner_id: null,
    acts_as_id: null,
    enabled: true,
    is_default: false,
    expires_at: null,
    log_request: false,
    log_response: false,
    created_at: EPOCH,
    created_by_kind: 'ROOT',
    created_by_id: null,
    updated_at: EPOCH,
    revoked_at: null,
    revoked_by_kind: null,
    revoked_by_id: null,
    revocation_reason: null,
    revocation_note: null,
    deleted_at: null,
    version: 1,
    ...given,
  }
}

/** A policy that grants nothing; `endpoints` as the driver takes jsonb. */
export function policyRow(account: SeededAccount, n: number, given: Partial<PolicyTable> = {}): PolicyTable {
  return {
    shard: account.shard,
    policy_id: seedId('pol', account.shard, n),
    account_id: account.accountId,
    name: `Policy ${n}`,
    description: 'what it is for',
    permissions: [],
    endpoints: JSON.stringify([]) as never,
    created_at: EPOCH,
    deleted_at: null,
    version: 1,
    ...given,
  }
}

/** A link of another account's key into all of the account, without policies. */
export function linkRow(account: SeededAccount, n: number, keyId: string, given: Partial<LinkTable> = {}): LinkTable {
  return {
    shard: account.shard,
    link_id: seedId('lnk', account.shard, n),
    account_id: account.accountId,
    keyspace_id: null,
    key_id: keyId,
    key_shard: knownShardOf(keyId),
    policy_ids: [],
    linked_at: EPOCH,
    linked_by_kind: 'ROOT',
    linked_by_id: null,
    unlinked_at: null,
    version: 1,
    ...given,
  }
}

/** A valid code of the key in slot PRIMARY. */
export function codeRow(key: KeyTable, ordinal: number, given: Partial<CodeTable> = {}): CodeTable {
  const digits = `${key.key_id.slice(-8)}${String(ordinal).padStart(2, '0')}`
  return {
    shard: key.shard,
    code_id: `code_${toBase62(key.shard, ID_SHARD_DIGITS)}${key.key_id.slice(-12)}${String(ordinal).padStart(8, '0')}`,
    account_id: key.account_id,
    keyspace_id: key.keyspace_id,
    key_id: key.key_id,
    ordinal,
    slot: 'PRIMARY',
    hint: `key_${digits}`,
    description: null,
    digest: Buffer.alloc(32, digits),
    digest_secret_id: 's1',
    enabled: true,
    issued_at: EPOCH,
    issued_by_kind: 'ROOT',
    issued_by_id: null,
    expires_at: null,
    replaced_at: null,
    replaced_by_id: null,
    overlap_ends_at: null,
    deleted_at: null,
    ...given,
  }
}

export async function insertKeys(owner: Database, rows: readonly KeyTable[]): Promise<void> {
  await owner.kysely
    .insertInto('state.key')
    .values([...rows])
    .execute()
}

export async function insertCodes(owner: Database, rows: readonly CodeTable[]): Promise<void> {
  await owner.kysely
    .insertInto('state.code')
    .values([...rows])
    .execute()
}

export async function insertKeyUses(
  owner: Database,
  uses: readonly { readonly key: KeyTable; readonly at: string }[],
): Promise<void> {
  const rows = uses.map(({ key: { shard, key_id, account_id, keyspace_id }, at: last_used_at }) => ({
    shard,
    key_id,
    account_id,
    keyspace_id,
    last_used_at,
  }))
  await owner.kysely.insertInto('usage.key_use').values(rows).execute()
}

/** Of five keys four were used, in the two years before 2026, all of them at instants of their own. */
export async function seedKeyUses(owner: Database, { shard, accountId }: SeededAccount): Promise<void> {
  await sql`
    INSERT INTO usage.key_use (shard, key_id, account_id, keyspace_id, last_used_at)
    SELECT shard, key_id, account_id, keyspace_id,
           greatest(created_at, timestamptz '2026-01-01' - abs(hashtext(key_id)) % 1000000 * interval '1 minute')
      FROM state.key WHERE shard = ${shard} AND account_id = ${accountId} AND abs(hashtext(key_id)) % 5 > 0`.execute(
    owner.kysely,
  )
  await owner.pool.query('ANALYZE usage.key_use')
}

/**
 * Many keys as years of use leave them, around 2026: a tenth deleted, a tenth revoked, two fifths that expire; a code each,
 * and for a fortieth of them a second one; tags from `rare-…` (ten keys) to `common` (every second key);
 * a ten-thousandth holds policy 1, a third policy 2. Every 50th is in
 * the other keyspace, every 500th in the management keyspace.
 */
export async function seedManyKeys(owner: Database, account: SeededAccount, count: number): Promise<void> {
  const { shard, accountId, keyspaceId, otherKeyspaceId, managementKeyspaceId } = account
  const digits = toBase62(shard, ID_SHARD_DIGITS)
  const keys = sql`
    INSERT INTO state.key (shard, key_id, account_id, keyspace_id, name, name_folded, tags, metadata, policy_ids,
                           permissions, owner_id, enabled, is_default, expires_at, log_request, log_response, created_at, created_by_kind, updated_at, revoked_at, revoked_by_kind,
                           revocation_reason, deleted_at, version)
    SELECT ${shard}::smallint, 'key_' || ${digits} || substr(md5('key' || ${accountId} || i), 1, 20), ${accountId},
           CASE WHEN i % 500 = 3 THEN ${managementKeyspaceId} WHEN i % 50 = 7 THEN ${otherKeyspaceId}
                ELSE ${keyspaceId} END,
           'Service ' || i % 5000, 'service ' || i % 5000,
           ARRAY['team-' || i % 40, 'rare-' || i / 10] || CASE WHEN i % 2 = 0 THEN ARRAY['common'] END,
           '{}', CASE WHEN i % 10000 = 5 THEN ARRAY[${seedId('pol', shard, 1)}] WHEN i % 3 = 0 THEN ARRAY[${seedId('pol', shard, 2)}]
                      ELSE '{}' END, ARRAY['ads.read'],
           CASE WHEN i % 10000 = 6 THEN ${seedId('usr', shard, 1)} WHEN i % 3 = 1 THEN ${seedId('usr', shard, 2)} END, i % 20 <> 0, false,
           CASE WHEN i % 5 < 2 THEN timestamptz '2026-01-01' + (i * 7919 % 200000 - 100000) * interval '10 minutes' END,
           false, false, timestamptz '2024-01-01' + i * 7 % ${count}::integer * interval '10 minutes', 'ROOT', timestamptz '2026-01-01',
           CASE WHEN i % 10 < 2 THEN timestamptz '2026-01-01' END, CASE WHEN i % 10 < 2 THEN 'ROOT' END,
           CASE WHEN i % 10 < 2 THEN 'UNSPECIFIED' END, CASE WHEN i % 10 = 0 THEN timestamptz '2026-01-01' END, 3
      FROM generate_series(1, ${count}::integer) AS i`
  const codes = sql`
    INSERT INTO state.code (shard, code_id, account_id, keyspace_id, key_id, ordinal, slot, hint, digest, digest_secret_id,
                            enabled, issued_at, issued_by_kind, expires_at)
    SELECT key.shard, 'code_' || ${digits} || substr(md5(key_id || n), 1, 20), account_id, keyspace_id, key_id, n,
           CASE n WHEN 1 THEN 'PRIMARY' ELSE 'SECONDARY' END, 'bss_' || substr(md5('hint' || key_id || n), 1, 10),
           sha256((key_id || n)::bytea), 's1', true, created_at, 'ROOT',
           CASE WHEN n = 1 THEN created_at + interval '3 years' END
      FROM state.key CROSS JOIN generate_series(1, 2) AS n
     WHERE (n = 1 OR 'team-1' = ANY (tags)) AND key.shard = ${shard} AND account_id = ${accountId}`
  await withoutIndexes(owner, async () => {
    await keys.execute(owner.kysely)
    await codes.execute(owner.kysely)
  })
  await owner.pool.query('ANALYZE state.key, state.code, state.account, state.keyspace')
}

/** Making indexes of rows that are there takes a tenth of the time of keeping them while rows come. */
async function withoutIndexes(owner: Database, insert: () => Promise<void>): Promise<void> {
  const { rows: indexes } = await owner.pool.query<{ name: string; definition: string }>(`
    SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS definition
      FROM pg_index WHERE indrelid IN ('state.key'::regclass, 'state.code'::regclass) AND NOT indisunique`)
  for (const { name } of indexes) await owner.pool.query(`DROP INDEX ${name}`)
  await insert()
  for (const { definition } of indexes) await owner.pool.query(definition)
}

export type SeededEvents = {
  /** The first event's instant; each is a second later than the one before. */
  readonly from: string
  readonly count: number
  /** Streams take turns, each event being the next of its stream. */
  readonly streamIds: readonly string[]
  /** Types take turns. */
  readonly types: readonly string[]
  /** What the data tells of owners, by turns, and of each stream's first event a name, too; else it tells nothing. */
  readonly ownerIds?: readonly string[]
}

/** All events of an account that has none yet, at positions 1 to `count`. Every tenth has the correlation id `c-<n / 10>`. */
export async function seedEvents(owner: Database, account: SeededAccount, events: SeededEvents): Promise<void> {
  const { shard, accountId } = account
  const { from, count, streamIds, types, ownerIds } = events
  const data = ownerIds
    ? sql`jsonb_build_object('ownerId', (${ownerIds}::text[])[1 + i % ${ownerIds.length}::integer])
            || CASE WHEN i <= ${streamIds.length}::integer THEN jsonb_build_object('name', 'name ' || i) ELSE '{}' END`
    : sql`'{}'`
  await sql`
    INSERT INTO log.event (shard, shard_position, account_id, position, event_id, stream_id, stream_kind, version, type,
                           schema_version, actor_kind, actor_id, credential_key_id, credential_code_id, correlation_id,
                           decided_at, occurred_at, body, data, mac, mac_secret_id)
    SELECT ${shard}::smallint, head + i, ${accountId}, i,
           'evt_' || ${toBase62(shard, ID_SHARD_DIGITS)} || lpad((head + i)::text, 20, '0'),
           (${streamIds}::text[])[1 + i % ${streamIds.length}::integer], 'key', 1 + (i - 1) / ${streamIds.length}::integer,
           (${types}::text[])[1 + i % ${types.length}::integer], 1, 'KEY', 'key_' || i % 7, 'key_' || i % 7,
           'code_' || i % 14,
           CASE WHEN i % 10 = 0 THEN 'c-' || i / 10 ELSE 'r-' || i END, at.instant, at.instant, 'x', ${data},
           decode(repeat('00', 32), 'hex'), 's1'
      FROM log.feed_shard CROSS JOIN generate_series(1, ${count}::integer) AS i
     CROSS JOIN LATERAL (SELECT ${from}::timestamptz + i * interval '1 second') AS at (instant)
     WHERE feed_shard.shard = ${shard}`.execute(owner.kysely)
  await sql`
    INSERT INTO log.stream (shard, stream_id, account_id, kind, version)
    SELECT shard, stream_id, account_id, 'key', max(version) FROM log.event
     WHERE account_id = ${accountId} GROUP BY shard, stream_id, account_id`.execute(owner.kysely)
  await owner.kysely
    .insertInto('log.account')
    .values({ shard, account_id: accountId, position: BigInt(count) })
    .execute()
  await owner.kysely
    .updateTable('log.feed_shard')
    .set((row) => ({
      head: row('head', '+', BigInt(count)),
      last_event_id: sql`'evt_' || ${toBase62(shard, ID_SHARD_DIGITS)} || lpad((head + ${count})::text, 20, '0')`,
    }))
    .where('shard', '=', shard)
    .execute()
  await owner.pool.query('ANALYZE log.event')
}
