// Telemetry: when and how often codes were used, and the access log. Losable: no verdict reads it, no rebuild makes it anew,
// and a move leaves it behind.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE SCHEMA usage`.execute(db)
  await lastUse(db)
  await accessLog(db)
  await keepAccessLog(db)
  await forgetAccesses(db)
}

async function lastUse(db: Kysely<unknown>): Promise<void> {
  // A row of its own, though it follows from those of the codes: lists are ordered by it, and filtered.
  await sql`
    CREATE TABLE usage.key_use (
      shard        smallint         NOT NULL,
      key_id       text COLLATE "C" NOT NULL,
      account_id   text COLLATE "C" NOT NULL,
      keyspace_id  text COLLATE "C" NOT NULL,
      last_used_at timestamptz      NOT NULL,
      CONSTRAINT key_use_pkey PRIMARY KEY (shard, key_id)
    ) WITH (fillfactor = 70)`.execute(db)
  for (const [scope, column] of [
    ['account', 'account_id'],
    ['keyspace', 'keyspace_id'],
  ] as const)
    await sql`
      CREATE INDEX ${sql.id(`key_use_of_${scope}`)}
        ON usage.key_use (shard, ${sql.id(column)}, last_used_at, key_id)`.execute(db)

  // Half empty and without further indexes, so that the update of a row leaves indexes alone.
  await sql`
    CREATE TABLE usage.code_use (
      shard        smallint         NOT NULL,
      code_id      text COLLATE "C" NOT NULL,
      account_id   text COLLATE "C" NOT NULL,
      key_id       text COLLATE "C" NOT NULL,
      last_used_at timestamptz      NOT NULL,
      CONSTRAINT code_use_pkey PRIMARY KEY (shard, code_id)
    ) WITH (fillfactor = 50)`.execute(db)

  // Days are UTC's.
  await sql`
    CREATE TABLE usage.code_day (
      shard   smallint         NOT NULL,
      code_id text COLLATE "C" NOT NULL,
      day     date             NOT NULL,
      uses    bigint           NOT NULL,
      CONSTRAINT code_day_pkey PRIMARY KEY (shard, code_id, day)
    ) WITH (fillfactor = 50)`.execute(db)
  await sql`CREATE INDEX code_day_by_day ON usage.code_day (day)`.execute(db)
}

async function accessLog(db: Kysely<unknown>): Promise<void> {
  // key_name: what it was called then. One partition a UTC day: what has aged out goes with its table, not row by row.
  await sql`
    CREATE TABLE usage.access_log (
      shard         smallint         NOT NULL,
      account_id    text COLLATE "C" NOT NULL,
      at            timestamptz      NOT NULL,
      entry_id      text COLLATE "C" NOT NULL,
      key_id        text COLLATE "C" NOT NULL,
      key_name      text             NOT NULL,
      code_id       text COLLATE "C",
      verdict       text COLLATE "C" NOT NULL,
      method        text,
      path          text,
      status        smallint,
      duration_ms   integer,
      client_ip     text,
      user_agent    text,
      request_body  text,
      response_body text,
      CONSTRAINT access_log_pkey PRIMARY KEY (shard, account_id, at, entry_id)
    ) PARTITION BY RANGE (at)`.execute(db)
  await sql`CREATE INDEX access_log_of_key ON usage.access_log (shard, key_id, at, entry_id)`.execute(db)
}

/**
 * Makes the partitions from a week ago (entries may come late) to a week ahead, and drops those of which every entry is older
 * than `p_days` days. Runs with the rights of the owner, as servers may make no tables. Attaching leaves readers and writers
 * alone; dropping needs the whole log for a moment, and is left to the next run where it does not get it soon.
 */
async function keepAccessLog(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION usage.keep_access_log(p_now timestamptz, p_days integer, OUT made integer, OUT dropped integer)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '1s' AS $$
    DECLARE
      today date := p_now::date;
      wanted date;
      partition_name text;
    BEGIN
      IF p_days < 1 THEN
        RAISE EXCEPTION 'the access log is kept for a day at least' USING ERRCODE = '22023';
      END IF;
      -- One at a time: two would make the same table.
      PERFORM pg_advisory_xact_lock(1801812328);
      made := 0;
      dropped := 0;
      FOR wanted IN SELECT today + n FROM generate_series(-least(p_days, 7), 7) AS n LOOP
        partition_name := 'access_log_' || to_char(wanted, 'YYYYMMDD');
        IF to_regclass('usage.' || partition_name) IS NULL THEN
          EXECUTE format('CREATE TABLE usage.%I (LIKE usage.access_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                         partition_name);
          EXECUTE format('ALTER TABLE usage.access_log ATTACH PARTITION usage.%I FOR VALUES FROM (%L) TO (%L)',
                         partition_name, wanted::timestamptz, (wanted + 1)::timestamptz);
          made := made + 1;
        END IF;
      END LOOP;
      FOR partition_name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'usage.access_log'::regclass
           AND c.relname ~ '^access_log_[0-9]{8}$'
           AND c.relname < 'access_log_' || to_char(today - p_days, 'YYYYMMDD')
         ORDER BY c.relname LOOP
        BEGIN
          EXECUTE format('DROP TABLE usage.%I', partition_name);
          dropped := dropped + 1;
        EXCEPTION WHEN lock_not_available THEN
          EXIT;
        END;
      END LOOP;
    END $$`.execute(db)
}

/**
 * Empties, of up to so many entries of these keys, each in a time of its own (since `p_since`, before `p_until`, null being never), what
 * tells from where, by what and for what they were used. Runs with the rights of the owner: servers may change no entry in any other way.
 */
async function forgetAccesses(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION usage.forget_accesses(
      p_shard smallint, p_key_ids text[], p_since timestamptz[], p_until timestamptz[], p_entries integer, OUT forgotten integer)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
      WITH told AS (
        SELECT e.shard, e.account_id, e.at, e.entry_id
          FROM usage.access_log e
         WHERE e.shard = p_shard AND e.key_id = ANY (p_key_ids)
           AND num_nonnulls(e.path, e.client_ip, e.user_agent, e.request_body, e.response_body) > 0
           AND EXISTS (
             SELECT 1 FROM unnest(p_key_ids, p_since, p_until) AS held (key_id, since, until)
              WHERE held.key_id = e.key_id AND e.at >= held.since AND (held.until IS NULL OR e.at < held.until))
         LIMIT p_entries)
      UPDATE usage.access_log e
         SET path = NULL, client_ip = NULL, user_agent = NULL, request_body = NULL, response_body = NULL
        FROM told
       WHERE e.shard = told.shard AND e.account_id = told.account_id AND e.at = told.at AND e.entry_id = told.entry_id;
      GET DIAGNOSTICS forgotten = ROW_COUNT;
    END $$`.execute(db)
}
