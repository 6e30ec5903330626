// What the log implies: every row folds exactly one stream, and the whole schema may be dropped and rebuilt from the log.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE SCHEMA state`.execute(db)

  // Raised when a rebuild swaps new tables in, so that whoever remembers rows knows to forget them.
  await sql`
    CREATE TABLE state.generation (
      single     boolean NOT NULL DEFAULT true CHECK (single),
      generation bigint  NOT NULL,
      CONSTRAINT generation_pkey PRIMARY KEY (single)
    )`.execute(db)
  await sql`INSERT INTO state.generation (generation) VALUES (1)`.execute(db)
  await sql`ANALYZE state.generation`.execute(db)

  await sql`
    CREATE TABLE state.account (
      shard                  smallint         NOT NULL,
      account_id             text COLLATE "C" NOT NULL,
      name                   text             NOT NULL,
      management_keyspace_id text COLLATE "C" NOT NULL,
      created_at             timestamptz      NOT NULL,
      version                integer          NOT NULL,
      CONSTRAINT account_pkey PRIMARY KEY (shard, account_id)
    )`.execute(db)
  await sql`CREATE INDEX account_by_creation ON state.account (created_at, account_id)`.execute(db)

  await sql`
    CREATE TABLE state.keyspace (
      shard       smallint         NOT NULL,
      keyspace_id text COLLATE "C" NOT NULL,
      account_id  text COLLATE "C" NOT NULL,
      name        text COLLATE "C" NOT NULL,
      management  boolean          NOT NULL,
      rules       jsonb            NOT NULL,
      created_at  timestamptz      NOT NULL,
      deleted_at  timestamptz,
      version     integer          NOT NULL,
      CONSTRAINT keyspace_pkey PRIMARY KEY (shard, keyspace_id)
    )`.execute(db)
  // A backstop: the account's lock and the decider keep names unique.
  await sql`
    CREATE UNIQUE INDEX keyspace_name_key ON state.keyspace (shard, account_id, name)
      WHERE deleted_at IS NULL`.execute(db)
  await sql`
    CREATE INDEX keyspace_by_creation ON state.keyspace (shard, account_id, created_at, keyspace_id)
      WHERE deleted_at IS NULL`.execute(db)
  // The few that whoever adds a user, and whoever looks for users without a default key, asks for.
  await sql`
    CREATE INDEX keyspace_with_default_keys ON state.keyspace (shard, account_id)
      WHERE rules ->> 'defaultKeys' = 'true' AND deleted_at IS NULL`.execute(db)

  await keys(db)
  await codes(db)
  await links(db)
  await policies(db)
  await users(db)
}

async function keys(db: Kysely<unknown>): Promise<void> {
  // frozen_policies: what the policies grant for good; null where they grant what they are at any time.
  // name_folded: the name as lists are ordered and searched by it, folded by the application so that every server agrees.
  await sql`
    CREATE TABLE state.key (
      shard             smallint         NOT NULL,
      key_id            text COLLATE "C" NOT NULL,
      account_id        text COLLATE "C" NOT NULL,
      keyspace_id       text COLLATE "C" NOT NULL,
      name              text             NOT NULL,
      name_folded       text COLLATE "C" NOT NULL,
      description       text,
      tags              text[] COLLATE "C" NOT NULL,
      metadata          jsonb            NOT NULL,
      policy_ids        text[] COLLATE "C" NOT NULL,
      frozen_policies   jsonb,
      permissions       text[] COLLATE "C" NOT NULL,
      owner_id          text COLLATE "C",
      acts_as_id        text COLLATE "C",
      enabled           boolean          NOT NULL,
      is_default        boolean          NOT NULL,
      expires_at        timestamptz,
      log_request       boolean          NOT NULL,
      log_response      boolean          NOT NULL,
      created_at        timestamptz      NOT NULL,
      created_by_kind   text COLLATE "C" NOT NULL,
      created_by_id     text COLLATE "C",
      updated_at        timestamptz      NOT NULL,
      revoked_at        timestamptz,
      revoked_by_kind   text COLLATE "C",
      revoked_by_id     text COLLATE "C",
      revocation_reason text COLLATE "C",
      revocation_note   text,
      deleted_at        timestamptz,
      version           integer          NOT NULL,
      CONSTRAINT key_pkey PRIMARY KEY (shard, key_id)
    ) WITH (fillfactor = 85)`.execute(db)
  // Every order of a list, of deleted keys too (asked for by name only), so that none has to sort or to skip the other kind.
  for (const [scope, column] of [
    ['account', 'account_id'],
    ['keyspace', 'keyspace_id'],
  ] as const)
    for (const [order, by] of [
      ['creation', 'created_at'],
      ['name', 'name_folded'],
      ['expiry', 'expires_at'],
    ] as const)
      for (const [prefix, are] of [
        ['key', 'NULL'],
        ['deleted_key', 'NOT NULL'],
      ] as const)
        await sql`
          CREATE INDEX ${sql.id(`${prefix}_of_${scope}_by_${order}`)}
            ON state.key (shard, ${sql.id(column)}, ${sql.id(by)}, key_id)
            WHERE deleted_at IS ${sql.raw(are)}`.execute(db)
  // Counts towards activeKeysMax without reading what was revoked.
  await sql`
    CREATE INDEX key_active ON state.key (shard, keyspace_id, expires_at)
      WHERE revoked_at IS NULL AND deleted_at IS NULL`.execute(db)
  // Those from before their keyspace was frozen are looked for after every change of it, and hourly; usually there are none.
  await sql`
    CREATE INDEX key_not_frozen ON state.key (shard, keyspace_id, key_id)
      WHERE frozen_policies IS NULL AND revoked_at IS NULL`.execute(db)
  await sql`CREATE INDEX key_by_tag ON state.key USING gin (tags)`.execute(db)
  await sql`CREATE INDEX key_by_policy ON state.key USING gin (policy_ids)`.execute(db)
  // What somebody has, and what goes with them. The list of it is short, whatever its order.
  await sql`
    CREATE INDEX key_by_owner ON state.key (shard, owner_id, created_at, key_id)
      WHERE owner_id IS NOT NULL`.execute(db)
  await sql`
    CREATE INDEX key_by_acts_as ON state.key (shard, acts_as_id)
      WHERE acts_as_id IS NOT NULL`.execute(db)
  // A backstop: the locks of users and keys keep one default key for each user and keyspace. What is revoked is none.
  await sql`
    CREATE UNIQUE INDEX key_default ON state.key (shard, keyspace_id, owner_id)
      WHERE is_default`.execute(db)
}

async function codes(db: Kysely<unknown>): Promise<void> {
  // ordinal: the order of issue within the key, from 1.
  await sql`
    CREATE TABLE state.code (
      shard            smallint         NOT NULL,
      code_id          text COLLATE "C" NOT NULL,
      account_id       text COLLATE "C" NOT NULL,
      keyspace_id      text COLLATE "C" NOT NULL,
      key_id           text COLLATE "C" NOT NULL,
      ordinal          integer          NOT NULL,
      slot             text COLLATE "C" NOT NULL,
      hint             text COLLATE "C" NOT NULL,
      description      text,
      digest           bytea            NOT NULL CHECK (octet_length(digest) = 32),
      digest_secret_id text COLLATE "C" NOT NULL,
      enabled          boolean          NOT NULL,
      issued_at        timestamptz      NOT NULL,
      issued_by_kind   text COLLATE "C" NOT NULL,
      issued_by_id     text COLLATE "C",
      expires_at       timestamptz,
      replaced_at      timestamptz,
      replaced_by_id   text COLLATE "C",
      overlap_ends_at  timestamptz,
      deleted_at       timestamptz,
      CONSTRAINT code_pkey PRIMARY KEY (shard, code_id),
      CONSTRAINT code_ordinal_key UNIQUE (shard, key_id, ordinal)
    ) WITH (fillfactor = 85)`.execute(db)
  // Bytes, never collated text. Without the shard: a presented secret does not say where it lives.
  await sql`CREATE INDEX code_by_digest ON state.code (digest)`.execute(db)
  // Each slot's newest code, however long the chain of replaced ones has become.
  await sql`CREATE INDEX code_by_slot ON state.code (shard, key_id, slot, ordinal)`.execute(db)
  await sql`CREATE INDEX code_by_hint ON state.code (shard, account_id, hint)`.execute(db)
  await sql`
    CREATE INDEX code_by_expiry ON state.code (shard, account_id, expires_at)
      WHERE replaced_at IS NULL AND deleted_at IS NULL AND expires_at IS NOT NULL`.execute(db)
  // Those still in overlap are at its end.
  await sql`
    CREATE INDEX code_by_overlap ON state.code (shard, account_id, overlap_ends_at)
      WHERE overlap_ends_at IS NOT NULL AND deleted_at IS NULL`.execute(db)

  await sql`
    CREATE TABLE state.rotation (
      shard               smallint         NOT NULL,
      rotation_id         text COLLATE "C" NOT NULL,
      account_id          text COLLATE "C" NOT NULL,
      key_id              text COLLATE "C" NOT NULL,
      ordinal             integer          NOT NULL,
      slot                text COLLATE "C" NOT NULL,
      retired_code_id     text COLLATE "C" NOT NULL,
      replacement_code_id text COLLATE "C" NOT NULL,
      rotated_at          timestamptz      NOT NULL,
      rotated_by_kind     text COLLATE "C" NOT NULL,
      rotated_by_id       text COLLATE "C",
      CONSTRAINT rotation_pkey PRIMARY KEY (shard, rotation_id),
      CONSTRAINT rotation_ordinal_key UNIQUE (shard, key_id, ordinal)
    )`.execute(db)
}

async function links(db: Kysely<unknown>): Promise<void> {
  // key_shard: the key is another account's, and lies where that one does.
  await sql`
    CREATE TABLE state.link (
      shard          smallint         NOT NULL,
      link_id        text COLLATE "C" NOT NULL,
      account_id     text COLLATE "C" NOT NULL,
      keyspace_id    text COLLATE "C",
      key_id         text COLLATE "C" NOT NULL,
      key_shard      smallint         NOT NULL,
      policy_ids     text[] COLLATE "C" NOT NULL,
      linked_at      timestamptz      NOT NULL,
      linked_by_kind text COLLATE "C" NOT NULL,
      linked_by_id   text COLLATE "C",
      unlinked_at    timestamptz,
      version        integer          NOT NULL,
      CONSTRAINT link_pkey PRIMARY KEY (shard, link_id)
    )`.execute(db)
  // What a verification looks links up by, and a backstop: the account's lock and the decider keep a key's link the only one.
  await sql`
    CREATE UNIQUE INDEX link_key_key ON state.link (shard, account_id, key_id)
      WHERE unlinked_at IS NULL`.execute(db)
  // Ended ones too: what a key opened at a moment of the past, wherever that was.
  await sql`CREATE INDEX link_by_key ON state.link (key_id)`.execute(db)
  await sql`
    CREATE INDEX link_by_creation ON state.link (shard, account_id, linked_at, link_id)
      WHERE unlinked_at IS NULL`.execute(db)
  // Whether a keyspace or a policy may be deleted.
  await sql`
    CREATE INDEX link_by_keyspace ON state.link (shard, keyspace_id)
      WHERE unlinked_at IS NULL AND keyspace_id IS NOT NULL`.execute(db)
  await sql`CREATE INDEX link_by_policy ON state.link USING gin (policy_ids)`.execute(db)
}

async function policies(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE state.policy (
      shard       smallint         NOT NULL,
      policy_id   text COLLATE "C" NOT NULL,
      account_id  text COLLATE "C" NOT NULL,
      name        text COLLATE "C" NOT NULL,
      description text             NOT NULL,
      permissions text[] COLLATE "C" NOT NULL,
      endpoints   jsonb            NOT NULL,
      created_at  timestamptz      NOT NULL,
      deleted_at  timestamptz,
      version     integer          NOT NULL,
      CONSTRAINT policy_pkey PRIMARY KEY (shard, policy_id)
    )`.execute(db)
  // A backstop: the account's lock and the decider keep names unique.
  await sql`
    CREATE UNIQUE INDEX policy_name_key ON state.policy (shard, account_id, name)
      WHERE deleted_at IS NULL`.execute(db)
  await sql`
    CREATE INDEX policy_by_creation ON state.policy (shard, account_id, created_at, policy_id)
      WHERE deleted_at IS NULL`.execute(db)
}

// Nothing in here tells who somebody is: that lies in the vault.
async function users(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE state.user (
      shard       smallint         NOT NULL,
      user_id     text COLLATE "C" NOT NULL,
      account_id  text COLLATE "C" NOT NULL,
      role        text COLLATE "C" NOT NULL,
      permissions text[] COLLATE "C" NOT NULL,
      created_at  timestamptz      NOT NULL,
      removed_at  timestamptz,
      erased_at   timestamptz,
      version     integer          NOT NULL,
      CONSTRAINT user_pkey PRIMARY KEY (shard, user_id)
    )`.execute(db)
  await sql`
    CREATE INDEX user_by_creation ON state.user (shard, account_id, created_at, user_id)
      WHERE removed_at IS NULL`.execute(db)
  // Of whom the access log may come to know more than it should.
  await sql`CREATE INDEX user_by_erasure ON state.user (erased_at) WHERE erased_at IS NOT NULL`.execute(db)
}
