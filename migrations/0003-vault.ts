// Truth that must be forgettable, and so is kept out of the log; a rebuild does not touch it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE SCHEMA vault`.execute(db)

  // A derived value of each configured secret, by which a server notices that one is missing or not the same.
  await sql`
    CREATE TABLE vault.secret_check (
      secret_id   text COLLATE "C" NOT NULL,
      check_value bytea            NOT NULL CHECK (octet_length(check_value) = 32),
      CONSTRAINT secret_check_pkey PRIMARY KEY (secret_id)
    )`.execute(db)

  await sql`
    CREATE TABLE vault.root_key (
      single     boolean          NOT NULL DEFAULT true CHECK (single),
      digest     bytea            NOT NULL CHECK (octet_length(digest) = 32),
      secret_id  text COLLATE "C" NOT NULL,
      created_at timestamptz      NOT NULL DEFAULT clock_timestamp(),
      CONSTRAINT root_key_pkey PRIMARY KEY (single)
    )`.execute(db)

  // Outcomes of mutations by idempotency key, kept 48 h. Key and input are there as HMACs only: the input may hold a secret.
  // outcome is null only inside the transaction that claims the row.
  await sql`
    CREATE TABLE vault.idempotency (
      shard       smallint         NOT NULL,
      caller      text COLLATE "C" NOT NULL,
      mutation    text COLLATE "C" NOT NULL,
      key_digest  bytea            NOT NULL CHECK (octet_length(key_digest) = 32),
      secret_id   text COLLATE "C" NOT NULL,
      fingerprint bytea            NOT NULL CHECK (octet_length(fingerprint) = 32),
      outcome     jsonb,
      created_at  timestamptz      NOT NULL DEFAULT clock_timestamp(),
      CONSTRAINT idempotency_pkey PRIMARY KEY (shard, caller, mutation, key_digest)
    )`.execute(db)
  await sql`CREATE INDEX idempotency_by_age ON vault.idempotency (created_at)`.execute(db)

  // Secrets that can be shown again, each until its code is retired: AES-256-GCM under a key that is not in the database, with
  // the code's id as associated data and the tag at the end.
  await sql`
    CREATE TABLE vault.sealed_secret (
      shard       smallint         NOT NULL,
      code_id     text COLLATE "C" NOT NULL,
      keyspace_id text COLLATE "C" NOT NULL,
      secret_id   text COLLATE "C" NOT NULL,
      nonce       bytea            NOT NULL CHECK (octet_length(nonce) = 12),
      ciphertext  bytea            NOT NULL CHECK (octet_length(ciphertext) > 16),
      CONSTRAINT sealed_secret_pkey PRIMARY KEY (shard, code_id)
    )`.execute(db)
  await sql`CREATE INDEX sealed_secret_of_keyspace ON vault.sealed_secret (shard, keyspace_id)`.execute(db)

  await people(db)
}

async function people(db: Kysely<unknown>): Promise<void> {
  // The key that a user's personal data is encrypted with, sealed. Without it all that was ever kept of them is noise.
  await sql`
    CREATE TABLE vault.user_key (
      shard      smallint         NOT NULL,
      user_id    text COLLATE "C" NOT NULL,
      account_id text COLLATE "C" NOT NULL,
      sealed     bytea            NOT NULL CHECK (octet_length(sealed) = 60),
      secret_id  text COLLATE "C" NOT NULL,
      CONSTRAINT user_key_pkey PRIMARY KEY (shard, user_id)
    )`.execute(db)

  // What an event says about a person, by the event's place in the user's stream and a name; the event holds its hash.
  await sql`
    CREATE TABLE vault.personal (
      shard      smallint         NOT NULL,
      user_id    text COLLATE "C" NOT NULL,
      name       text COLLATE "C" NOT NULL,
      version    integer          NOT NULL,
      ciphertext bytea            NOT NULL,
      CONSTRAINT personal_pkey PRIMARY KEY (shard, user_id, name, version)
    )`.execute(db)

  // Who has which external id now: a digest, so that the account's directory can be asked for a name and not read. One a user, and
  // no two alike, whoever wrote it.
  await sql`
    CREATE TABLE vault.identity (
      shard      smallint         NOT NULL,
      account_id text COLLATE "C" NOT NULL,
      digest     bytea            NOT NULL CHECK (octet_length(digest) = 32),
      secret_id  text COLLATE "C" NOT NULL,
      user_id    text COLLATE "C" NOT NULL,
      CONSTRAINT identity_pkey PRIMARY KEY (shard, account_id, digest)
    )`.execute(db)
  await sql`CREATE UNIQUE INDEX identity_by_user ON vault.identity (shard, user_id)`.execute(db)
}
