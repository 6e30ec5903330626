// The audit log: RFC 6962 Merkle trees over the events, in the order in which they were sealed. What stands here proves nothing by
// itself (the owner of the database can write it anew); the signed checkpoints that have left the database do.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE SCHEMA audit`.execute(db)

  // One row a log; the one that is not closed grows. A second one is opened only after a restore that lost sealed events.
  // owner, epoch and lease_until: which sealer may write. refusal: why it will not, where it will not.
  await sql`
    CREATE TABLE audit.log (
      log_number  smallint         NOT NULL CHECK (log_number > 0),
      origin      text COLLATE "C" NOT NULL,
      vkeys       text[]           NOT NULL,
      size        bigint           NOT NULL CHECK (size > 0),
      root        bytea            NOT NULL CHECK (octet_length(root) = 32),
      refusal     text,
      owner       text COLLATE "C" NOT NULL DEFAULT '',
      epoch       bigint           NOT NULL DEFAULT 0,
      lease_until timestamptz      NOT NULL DEFAULT '-infinity',
      opened_at   timestamptz      NOT NULL DEFAULT clock_timestamp(),
      closed_at   timestamptz,
      CONSTRAINT log_pkey PRIMARY KEY (log_number),
      CONSTRAINT log_origin_key UNIQUE (origin)
    ) WITH (fillfactor = 50)`.execute(db)
  await sql`CREATE UNIQUE INDEX log_open ON audit.log ((true)) WHERE closed_at IS NULL`.execute(db)

  // Sealed up to here, in each feed shard.
  await sql`
    CREATE TABLE audit.cursor (
      log_number     smallint         NOT NULL,
      shard          smallint         NOT NULL,
      shard_position bigint           NOT NULL,
      event_id       text COLLATE "C" NOT NULL,
      CONSTRAINT cursor_pkey PRIMARY KEY (log_number, shard)
    ) WITH (fillfactor = 50)`.execute(db)

  // Which event is which leaf; entry: the bytes of a leaf that is no event but says something of the log itself.
  await sql`
    CREATE TABLE audit.leaf (
      log_number     smallint NOT NULL,
      leaf_index     bigint   NOT NULL,
      shard          smallint,
      shard_position bigint,
      entry          bytea,
      CONSTRAINT leaf_pkey PRIMARY KEY (log_number, leaf_index),
      CONSTRAINT leaf_event_key UNIQUE (log_number, shard, shard_position),
      CHECK (num_nulls(shard, shard_position) = CASE WHEN entry IS NULL THEN 0 ELSE 2 END)
    )`.execute(db)
  await sql`CREATE INDEX leaf_entry ON audit.leaf (log_number) WHERE entry IS NOT NULL`.execute(db)

  // https://c2sp.org/tlog-tiles: up to 256 hashes; a partial tile is a prefix of what it will be, so one row serves every width.
  await sql`
    CREATE TABLE audit.tile (
      log_number smallint NOT NULL,
      level      smallint NOT NULL,
      tile_index bigint   NOT NULL,
      hashes     bytea    NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
      CONSTRAINT tile_pkey PRIMARY KEY (log_number, level, tile_index)
    )`.execute(db)
  // Hashes do not compress, and proofs read a few of them.
  await sql`ALTER TABLE audit.tile ALTER COLUMN hashes SET STORAGE EXTERNAL`.execute(db)

  // Every checkpoint that was signed, as a note: https://c2sp.org/tlog-checkpoint
  await sql`
    CREATE TABLE audit.checkpoint (
      log_number smallint         NOT NULL,
      size       bigint           NOT NULL,
      root       bytea            NOT NULL CHECK (octet_length(root) = 32),
      note       text COLLATE "C" NOT NULL,
      sealed_at  timestamptz      NOT NULL DEFAULT clock_timestamp(),
      CONSTRAINT checkpoint_pkey PRIMARY KEY (log_number, size)
    )`.execute(db)

  await refuseChanges(db)
}

/** Against mistakes: against the owner of the database nothing here helps but what is kept elsewhere. */
async function refuseChanges(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
    BEGIN
      RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = '42501';
    END $$`.execute(db)
  for (const table of ['leaf', 'checkpoint']) {
    await sql`
      CREATE TRIGGER ${sql.ref(`${table}_append_only`)} BEFORE UPDATE OR DELETE ON audit.${sql.ref(table)}
        FOR EACH ROW EXECUTE FUNCTION audit.refuse_change()`.execute(db)
    await sql`
      CREATE TRIGGER ${sql.ref(`${table}_no_truncate`)} BEFORE TRUNCATE ON audit.${sql.ref(table)}
        FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()`.execute(db)
  }
  await sql`
    CREATE TRIGGER tile_grows BEFORE UPDATE ON audit.tile FOR EACH ROW
      WHEN (substring(NEW.hashes FROM 1 FOR octet_length(OLD.hashes)) IS DISTINCT FROM OLD.hashes)
      EXECUTE FUNCTION audit.refuse_change()`.execute(db)
  await sql`
    CREATE TRIGGER tile_stays BEFORE DELETE ON audit.tile FOR EACH ROW EXECUTE FUNCTION audit.refuse_change()`.execute(
    db,
  )
  await sql`
    CREATE TRIGGER log_grows BEFORE UPDATE ON audit.log FOR EACH ROW
      WHEN (NEW.size < OLD.size OR OLD.closed_at IS NOT NULL) EXECUTE FUNCTION audit.refuse_change()`.execute(db)
}
