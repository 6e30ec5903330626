// The database in three spellings that must say the same: what the migrations make, the text that people review, and the
// types that the code is checked with.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeSchema } from '#database/describe-schema.ts'
import type { Tables } from '#database/tables.ts'
import type { Json } from '#domain/key/events.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import { stateTables } from '#state/project.ts'
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts'
import { testServices } from '#test/support/services.ts'
import { runEveryMutation } from './every-mutation.ts'

let database: TestDatabase
/** To be changed. */
let other: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  other = await createTestDatabase()
})
afterAll(async () => {
  await database.drop()
  await other.drop()
})

describe('schema/database.sql', () => {
  test('is what the migrations make (after a change: npm run codegen)', async () => {
    const text = await readFile(join(import.meta.dirname, '../../schema/database.sql'), 'utf8')
    expect(text).toBe(await describeSchema(database.owner))
  })

  test.each([
    ['a column', 'ALTER TABLE state.code ADD COLUMN more text'],
    ['the type of a column', 'ALTER TABLE state.code ALTER COLUMN ordinal TYPE bigint'],
    ['a collation', 'ALTER TABLE state.account ALTER COLUMN name TYPE text COLLATE "C"'],
    ['a default', 'ALTER TABLE state.code ALTER COLUMN enabled SET DEFAULT true'],
    ['NOT NULL', 'ALTER TABLE state.code ALTER COLUMN hint DROP NOT NULL'],
    ['a check', 'ALTER TABLE log.event DROP CONSTRAINT event_body_check'],
    ['a unique key', 'ALTER TABLE log.event DROP CONSTRAINT event_id_key'],
    ['an index', 'DROP INDEX state.code_by_digest'],
    ['a storage parameter', 'ALTER TABLE log.feed_shard RESET (fillfactor)'],
    ['a trigger', 'DROP TRIGGER event_no_truncate ON log.event'],
    ['a trigger that is only switched off', 'ALTER TABLE log.event DISABLE TRIGGER event_append_only'],
    [
      'a function',
      `CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'`,
    ],
    ['how a function runs', 'ALTER FUNCTION log.append SECURITY INVOKER'],
    ['a right on a table', 'GRANT DELETE ON log.event TO keyledger_serving'],
    ['a right of everyone', 'GRANT EXECUTE ON FUNCTION log.append TO PUBLIC'],
    ['a right on a schema', 'GRANT CREATE ON SCHEMA log TO keyledger_serving'],
  ])('would tell a change of %s', async (_what, change) => {
    const before = await describeSchema(other.owner)
    await other.owner.pool.query(change)
    expect(await describeSchema(other.owner)).not.toBe(before)
  })

  test.each([
    ['a view', 'CREATE VIEW state.v AS SELECT 1', 'DROP VIEW state.v'],
    ['a sequence', 'CREATE SEQUENCE log.s', 'DROP SEQUENCE log.s'],
    ['a type', `CREATE TYPE vault.t AS ENUM ('a')`, 'DROP TYPE vault.t'],
    [
      'a right on a column',
      'GRANT UPDATE (type) ON log.event TO keyledger_serving',
      'REVOKE UPDATE (type) ON log.event FROM keyledger_serving',
    ],
  ])('is not written without %s in it', async (_what, change, undo) => {
    await other.owner.pool.query(change)
    await expect(describeSchema(other.owner)).rejects.toThrow('describeSchema can describe')
    await other.owner.pool.query(undo)
    expect(await describeSchema(other.owner)).not.toBe('')
  })
})

type Scalar<T> = [Json] extends [T]
  ? 'jsonb'
  : T extends boolean
    ? 'boolean'
    : T extends bigint
      ? 'bigint'
      : T extends number
        ? 'smallint' | 'integer'
        : T extends Buffer
          ? 'bytea'
          : T extends readonly string[]
            ? 'text[]'
            : T extends KeyspaceRules | readonly object[]
              ? 'jsonb'
              : T extends string
                ? 'text' | 'timestamptz' | 'date'
                : never

/** What a column of that type may be: the compiler refuses a name, type or NULL that the types don't have. */
type Columns = {
  readonly [Table in keyof Tables]: {
    readonly [Column in keyof Tables[Table]]: unknown extends Tables[Table][Column]
      ? 'jsonb' | 'jsonb?'
      : [Json] extends [Tables[Table][Column]]
        ? 'jsonb'
        : null extends Tables[Table][Column]
          ? `${Scalar<NonNullable<Tables[Table][Column]>>}?`
          : Scalar<Tables[Table][Column]>
  }
}

const columns: Columns = {
  'log.feed_shard': { shard: 'smallint', head: 'bigint', last_at: 'timestamptz', last_event_id: 'text' },
  'log.account': { shard: 'smallint', account_id: 'text', position: 'bigint' },
  'log.stream': { shard: 'smallint', stream_id: 'text', account_id: 'text', kind: 'text', version: 'integer' },
  'log.event': {
    shard: 'smallint',
    shard_position: 'bigint',
    account_id: 'text',
    position: 'bigint',
    event_id: 'text',
    stream_id: 'text',
    stream_kind: 'text',
    version: 'integer',
    type: 'text',
    schema_version: 'smallint',
    actor_kind: 'text',
    actor_id: 'text?',
    credential_key_id: 'text?',
    credential_code_id: 'text?',
    correlation_id: 'text',
    decided_at: 'timestamptz',
    occurred_at: 'timestamptz',
    body: 'bytea',
    data: 'jsonb',
    mac: 'bytea',
    mac_secret_id: 'text',
  },
  'state.generation': { single: 'boolean', generation: 'bigint' },
  'state.account': {
    shard: 'smallint',
    account_id: 'text',
    name: 'text',
    management_keyspace_id: 'text',
    created_at: 'timestamptz',
    version: 'integer',
  },
  'state.keyspace': {
    shard: 'smallint',
    keyspace_id: 'text',
    account_id: 'text',
    name: 'text',
    management: 'boolean',
    rules: 'jsonb',
    created_at: 'timestamptz',
    deleted_at: 'timestamptz?',
    version: 'integer',
  },
  'state.key': {
    shard: 'smallint',
    key_id: 'text',
    account_id: 'text',
    keyspace_id: 'text',
    name: 'text',
    name_folded: 'text',
    description: 'text?',
    tags: 'text[]',
    metadata: 'jsonb',
    policy_ids: 'text[]',
    frozen_policies: 'jsonb?',
    permissions: 'text[]',
    owner_id: 'text?',
    acts_as_id: 'text?',
    enabled: 'boolean',
    is_default: 'boolean',
    expires_at: 'timestamptz?',
    log_request: 'boolean',
    log_response: 'boolean',
    created_at: 'timestamptz',
    created_by_kind: 'text',
    created_by_id: 'text?',
    updated_at: 'timestamptz',
    revoked_at: 'timestamptz?',
    revoked_by_kind: 'text?',
    revoked_by_id: 'text?',
    revocation_reason: 'text?',
    revocation_note: 'text?',
    deleted_at: 'timestamptz?',
    version: 'integer',
  },
  'state.code': {
    shard: 'smallint',
    code_id: 'text',
    account_id: 'text',
    keyspace_id: 'text',
    key_id: 'text',
    ordinal: 'integer',
    slot: 'text',
    hint: 'text',
    description: 'text?',
    digest: 'bytea',
    digest_secret_id: 'text',
    enabled: 'boolean',
    issued_at: 'timestamptz',
    issued_by_kind: 'text',
    issued_by_id: 'text?',
    expires_at: 'timestamptz?',
    replaced_at: 'timestamptz?',
    replaced_by_id: 'text?',
    overlap_ends_at: 'timestamptz?',
    deleted_at: 'timestamptz?',
  },
  'state.rotation': {
    shard: 'smallint',
    rotation_id: 'text',
    account_id: 'text',
    key_id: 'text',
    ordinal: 'integer',
    slot: 'text',
    retired_code_id: 'text',
    replacement_code_id: 'text',
    rotated_at: 'timestamptz',
    rotated_by_kind: 'text',
    rotated_by_id: 'text?',
  },
  'state.link': {
    shard: 'smallint',
    link_id: 'text',
    account_id: 'text',
    keyspace_id: 'text?',
    key_id: 'text',
    key_shard: 'smallint',
    policy_ids: 'text[]',
    linked_at: 'timestamptz',
    linked_by_kind: 'text',
    linked_by_id: 'text?',
    unlinked_at: 'timestamptz?',
    version: 'integer',
  },
  'state.policy': {
    shard: 'smallint',
    policy_id: 'text',
    account_id: 'text',
    name: 'text',
    description: 'text',
    permissions: 'text[]',
    endpoints: 'jsonb',
    created_at: 'timestamptz',
    deleted_at: 'timestamptz?',
    version: 'integer',
  },
  'state.user': {
    shard: 'smallint',
    user_id: 'text',
    account_id: 'text',
    role: 'text',
    permissions: 'text[]',
    created_at: 'timestamptz',
    removed_at: 'timestamptz?',
    erased_at: 'timestamptz?',
    version: 'integer',
  },
  'vault.secret_check': { secret_id: 'text', check_value: 'bytea' },
  'vault.root_key': { single: 'boolean', digest: 'bytea', secret_id: 'text', created_at: 'timestamptz' },
  'vault.idempotency': {
    shard: 'smallint',
    caller: 'text',
    mutation: 'text',
    key_digest: 'bytea',
    secret_id: 'text',
    fingerprint: 'bytea',
    outcome: 'jsonb?',
    created_at: 'timestamptz',
  },
  'vault.sealed_secret': {
    shard: 'smallint',
    code_id: 'text',
    keyspace_id: 'text',
    secret_id: 'text',
    nonce: 'bytea',
    ciphertext: 'bytea',
  },
  'usage.key_use': {
    shard: 'smallint',
    key_id: 'text',
    account_id: 'text',
    keyspace_id: 'text',
    last_used_at: 'timestamptz',
  },
  'usage.code_use': {
    shard: 'smallint',
    code_id: 'text',
    account_id: 'text',
    key_id: 'text',
    last_used_at: 'timestamptz',
  },
  'usage.code_day': { shard: 'smallint', code_id: 'text', day: 'date', uses: 'bigint' },
  'usage.access_log': {
    shard: 'smallint',
    account_id: 'text',
    at: 'timestamptz',
    entry_id: 'text',
    key_id: 'text',
    key_name: 'text',
    code_id: 'text?',
    verdict: 'text',
    method: 'text?',
    path: 'text?',
    status: 'smallint?',
    duration_ms: 'integer?',
    client_ip: 'text?',
    user_agent: 'text?',
    request_body: 'text?',
    response_body: 'text?',
  },
  'vault.user_key': {
    shard: 'smallint',
    user_id: 'text',
    account_id: 'text',
    sealed: 'bytea',
    secret_id: 'text',
  },
  'vault.personal': {
    shard: 'smallint',
    user_id: 'text',
    name: 'text',
    version: 'integer',
    ciphertext: 'bytea',
  },
  'vault.identity': {
    shard: 'smallint',
    account_id: 'text',
    digest: 'bytea',
    secret_id: 'text',
    user_id: 'text',
  },
  'audit.log': {
    log_number: 'smallint',
    origin: 'text',
    vkeys: 'text[]',
    size: 'bigint',
    root: 'bytea',
    refusal: 'text?',
    owner: 'text',
    epoch: 'bigint',
    lease_until: 'timestamptz',
    opened_at: 'timestamptz',
    closed_at: 'timestamptz?',
  },
  'audit.cursor': { log_number: 'smallint', shard: 'smallint', shard_position: 'bigint', event_id: 'text' },
  'audit.leaf': {
    log_number: 'smallint',
    leaf_index: 'bigint',
    shard: 'smallint?',
    shard_position: 'bigint?',
    entry: 'bytea?',
  },
  'audit.tile': { log_number: 'smallint', level: 'smallint', tile_index: 'bigint', hashes: 'bytea' },
  'audit.checkpoint': {
    log_number: 'smallint',
    size: 'bigint',
    root: 'bytea',
    note: 'text',
    sealed_at: 'timestamptz',
  },
}

/** A migration may leave a table empty, and commands write no telemetry. */
const UNUSED = [
  'vault.root_key',
  'vault.secret_check',
  'usage.key_use',
  'usage.code_use',
  'usage.code_day',
  'usage.access_log',
  'audit.log',
  'audit.cursor',
  'audit.leaf',
  'audit.tile',
  'audit.checkpoint',
]

async function catalog(): Promise<Record<string, Record<string, string>>> {
  const { rows } = await database.owner.pool.query<{ table: string; name: string; type: string }>(
    `SELECT format('%s.%s', table_schema, table_name) AS table, column_name AS name,
            CASE udt_name WHEN 'int2' THEN 'smallint' WHEN 'int4' THEN 'integer' WHEN 'int8' THEN 'bigint'
                          WHEN 'bool' THEN 'boolean' WHEN '_text' THEN 'text[]' ELSE udt_name END
              || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END AS type
       FROM information_schema.columns WHERE table_schema IN ('log', 'state', 'vault', 'usage', 'audit')
        ORDER BY 1, ordinal_position`,
  )
  const tables: Record<string, Record<string, string>> = {}
  for (const { table, name, type } of rows) tables[table] = { ...tables[table], [name]: type }
  return tables
}

const CHECKS: Record<string, (value: unknown) => boolean> = {
  smallint: Number.isInteger,
  integer: Number.isInteger,
  bigint: (value) => typeof value === 'bigint',
  boolean: (value) => typeof value === 'boolean',
  bytea: Buffer.isBuffer,
  text: (value) => typeof value === 'string',
  timestamptz: (value) =>
    typeof value === 'string' && /^(-infinity|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\d{3})?Z)$/.test(value),
  date: (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value),
  'text[]': (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  jsonb: (value) => value !== undefined,
}

describe('the types of the tables', () => {
  test('agree with the catalog in every table, column, type and NULL', async () => {
    expect(columns).toEqual(await catalog())
  })

  test('are what the driver really gives', async () => {
    await runEveryMutation(testServices(database.serving))
    for (const [table, types] of Object.entries(columns)) {
      const rows = await database.owner.kysely
        .selectFrom(table as keyof Tables)
        .selectAll()
        .execute()
      if (!UNUSED.includes(table)) expect(rows, table).not.toEqual([])
      for (const row of rows)
        for (const [name, type] of Object.entries(types)) {
          const value = (row as Record<string, unknown>)[name]
          const optional = type.endsWith('?') && value === null
          expect(optional || CHECKS[type.replace('?', '')]?.(value), `${table}.${name}: ${String(value)}`).toBe(true)
        }
    }
  })
})

describe('the rows that projections write', () => {
  test.each(stateTables.map((table) => [table.name, table] as const))(
    'fill every column of state.%s',
    async (name, table) => {
      expect(Object.keys((await catalog())[`state.${name}`] ?? {})).toEqual(table.columns)
    },
  )

  test.each(stateTables.map((table) => [table.name, table] as const))(
    'of %s have the key of their table',
    async (name, table) => {
      const { rows } = await database.owner.pool.query<{ columns: string[] }>(
        `SELECT array_agg(a.attname::text ORDER BY array_position(c.conkey, a.attnum)) AS columns
         FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
        WHERE c.conrelid = $1::regclass AND c.contype = 'p'`,
        [`state.${name}`],
      )
      expect(rows[0]?.columns).toEqual(table.key)
    },
  )

  test('are those of every table of state but the generation', async () => {
    const known = stateTables.map(({ name }) => `state.${name}`)
    expect(Object.keys(await catalog()).filter((table) => table.startsWith('state.'))).toEqual(
      [...known, 'state.generation'].sort(),
    )
  })
})
