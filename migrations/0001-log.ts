// The truth: an append-only log of events. Order is decided by dense counters that an append locks last and holds until it
// commits, never by sequences, clocks or transaction ids: positions become visible in commit order, without holes.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE SCHEMA log`.execute(db)

  // One row a feed shard: the last lock of every append. The id of its last event tells readers whether the history they have
  // read is the one that is there. Each row has a page of its own and stays HOT (fillfactor 10).
  await sql`
    CREATE TABLE log.feed_shard (
      shard         smallint         NOT NULL CHECK (shard BETWEEN 0 AND 3843),
      head          bigint           NOT NULL DEFAULT 0,
      last_at       timestamptz      NOT NULL DEFAULT '-infinity',
      last_event_id text COLLATE "C" NOT NULL DEFAULT '',
      CONSTRAINT feed_shard_pkey PRIMARY KEY (shard)
    ) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200,
            autovacuum_vacuum_cost_delay = 0)`.execute(db)
  await sql`INSERT INTO log.feed_shard (shard) SELECT generate_series(0, 15)`.execute(db)
  // Too few rows for autovacuum ever to look, and without statistics the planner takes its pages for a thousand rows: every
  // poll of the feed would then seem dear enough to be compiled first, which takes longer than a second.
  await sql`ANALYZE log.feed_shard`.execute(db)

  // An account is pinned to one shard for ever; position is its dense sequence of events.
  await sql`
    CREATE TABLE log.account (
      shard      smallint         NOT NULL,
      account_id text COLLATE "C" NOT NULL,
      position   bigint           NOT NULL,
      CONSTRAINT account_pkey PRIMARY KEY (shard, account_id)
    ) WITH (fillfactor = 50)`.execute(db)

  // A stream's row is what commands lock.
  await sql`
    CREATE TABLE log.stream (
      shard      smallint         NOT NULL,
      stream_id  text COLLATE "C" NOT NULL,
      account_id text COLLATE "C" NOT NULL,
      kind       text COLLATE "C" NOT NULL,
      version    integer          NOT NULL CHECK (version > 0),
      CONSTRAINT stream_pkey PRIMARY KEY (shard, stream_id)
    ) WITH (fillfactor = 80)`.execute(db)

  // body: the RFC 8785 bytes that auditors hash; the columns beside it repeat parts of it for readers in SQL, and hold what
  // only the append decides (both positions, occurred_at). 60 000: an entry of a public log must stay below 65 536 bytes.
  await sql`
    CREATE TABLE log.event (
      shard          smallint         NOT NULL,
      shard_position bigint           NOT NULL,
      account_id     text COLLATE "C" NOT NULL,
      position       bigint           NOT NULL,
      event_id       text COLLATE "C" NOT NULL,
      stream_id      text COLLATE "C" NOT NULL,
      stream_kind    text COLLATE "C" NOT NULL,
      version        integer          NOT NULL,
      type           text COLLATE "C" NOT NULL,
      schema_version smallint         NOT NULL,
      actor_kind     text COLLATE "C" NOT NULL,
      actor_id       text COLLATE "C",
      credential_key_id  text COLLATE "C",
      credential_code_id text COLLATE "C",
      correlation_id text COLLATE "C" NOT NULL,
      decided_at     timestamptz      NOT NULL,
      occurred_at    timestamptz      NOT NULL,
      body           bytea            NOT NULL CHECK (octet_length(body) <= 60000),
      data           jsonb            NOT NULL,
      mac            bytea            NOT NULL CHECK (octet_length(mac) = 32),
      mac_secret_id  text COLLATE "C" NOT NULL,
      CONSTRAINT event_pkey PRIMARY KEY (shard, shard_position),
      CONSTRAINT event_account_position_key UNIQUE (shard, account_id, position),
      CONSTRAINT event_stream_version_key UNIQUE (shard, stream_id, version),
      CONSTRAINT event_id_key UNIQUE (shard, event_id)
    )`.execute(db)

  // What history is filtered by, each in the order of positions within one account; every index costs every append. Those of the
  // root key and the system have no actor's id to ask for, but a kind: there are four, and so one index has types by all of them.
  await sql`CREATE INDEX event_by_type ON log.event (shard, account_id, type, actor_kind, position)`.execute(db)
  await sql`
    CREATE INDEX event_by_actor ON log.event (shard, account_id, actor_id, type, position)
      WHERE actor_id IS NOT NULL`.execute(db)
  await sql`
    CREATE INDEX event_by_credential ON log.event (shard, account_id, credential_code_id, type, position)
      WHERE credential_code_id IS NOT NULL`.execute(db)
  await sql`CREATE INDEX event_by_request ON log.event (shard, account_id, correlation_id, position)`.execute(db)

  // What things were called then: those that are made, and what is renamed.
  await sql`CREATE INDEX event_of_name ON log.event (shard, stream_id, version) WHERE data ? 'name'`.execute(db)
  // Whose keys were whose: what is to be forgotten of people who are erased is found by it, when the keys have long been others'.
  await sql`
    CREATE INDEX event_of_owner ON log.event (shard, (data ->> 'ownerId'))
      WHERE data ->> 'ownerId' IS NOT NULL`.execute(db)
  await sql`
    CREATE INDEX event_of_acted_as ON log.event (shard, (data ->> 'actsAsId'))
      WHERE data ->> 'actsAsId' IS NOT NULL`.execute(db)

  await sql`
    CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
    BEGIN
      RAISE EXCEPTION 'log.event is append-only' USING ERRCODE = '42501';
    END $$`.execute(db)
  await sql`
    CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON log.event
      FOR EACH ROW EXECUTE FUNCTION log.refuse_change()`.execute(db)
  await sql`
    CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON log.event
      FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change()`.execute(db)

  await lockStreams(db)
  await append(db)
}

/**
 * Locks the streams a command depends on, in the order of their ids so that no two commands wait for each other in a
 * circle, and only then reads them: each statement in here has a snapshot of its own, taken after the wait.
 */
async function lockStreams(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION log.lock_streams(p_shard smallint, p_stream_ids text[], p_exclusive boolean[])
    RETURNS TABLE (stream_id text, stream_kind text, account_id text, version integer, type text, schema_version smallint,
                   actor_kind text, actor_id text, decided_at timestamptz, data jsonb)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    #variable_conflict use_column
    DECLARE
      wanted text;
    BEGIN
      FOR i IN 1 .. cardinality(p_stream_ids) LOOP
        IF i > 1 AND p_stream_ids[i] <= p_stream_ids[i - 1] COLLATE "C" THEN
          RAISE EXCEPTION 'streams are locked in the order of their ids';
        END IF;
        IF p_exclusive[i] THEN
          PERFORM 1 FROM log.stream s WHERE s.shard = p_shard AND s.stream_id = p_stream_ids[i] FOR UPDATE;
        ELSE
          PERFORM 1 FROM log.stream s WHERE s.shard = p_shard AND s.stream_id = p_stream_ids[i] FOR SHARE;
        END IF;
      END LOOP;
      -- One by one: a list of unknown length would be planned anew at every call, which takes longer than all the rest.
      FOREACH wanted IN ARRAY p_stream_ids LOOP
        RETURN QUERY
          SELECT e.stream_id, e.stream_kind, e.account_id, e.version, e.type, e.schema_version, e.actor_kind, e.actor_id,
                 e.decided_at, e.data
            FROM log.event e WHERE e.shard = p_shard AND e.stream_id = wanted ORDER BY e.version;
      END LOOP;
    END $$`.execute(db)
}

/**
 * Appends the events of one command, all of one account. It must be the last statement of its transaction: it takes the
 * account's and then the shard's counter, which every other append of the shard waits for.
 * KL001: a stream is not at the version the events follow. KL002: unknown account or shard.
 */
async function append(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION log.append(
      p_shard smallint, p_account_id text, p_actor_kind text, p_actor_id text, p_credential_key_id text,
      p_credential_code_id text, p_correlation_id text, p_decided_at timestamptz, p_stream_ids text[],
      p_stream_kinds text[], p_versions integer[], p_event_ids text[], p_types text[], p_schema_versions smallint[], p_bodies bytea[], p_macs bytea[], p_mac_secret_id text)
    RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    DECLARE
      n        integer := cardinality(p_event_ids);
      first    integer := 1;
      at_version integer;
      last_position bigint;
      last_shard_position bigint;
      last_occurred_at timestamptz;
    BEGIN
      -- Each run of consecutive versions of a stream moves its row once.
      FOR i IN 1 .. n LOOP
        CONTINUE WHEN i < n AND p_stream_ids[i + 1] = p_stream_ids[i] AND p_versions[i + 1] = p_versions[i] + 1;
        IF p_versions[first] = 1 THEN
          INSERT INTO log.stream (shard, stream_id, account_id, kind, version)
          VALUES (p_shard, p_stream_ids[i], p_account_id, p_stream_kinds[i], p_versions[i]) ON CONFLICT DO NOTHING;
        ELSE
          UPDATE log.stream s SET version = p_versions[i]
           WHERE s.shard = p_shard AND s.stream_id = p_stream_ids[i] AND s.account_id = p_account_id
             AND s.version = p_versions[first] - 1;
        END IF;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'a stream has moved on' USING ERRCODE = 'KL001';
        END IF;
        first := i + 1;
      END LOOP;

      UPDATE log.account a SET position = a.position + n
       WHERE a.shard = p_shard AND a.account_id = p_account_id RETURNING a.position INTO last_position;
      IF NOT FOUND THEN
        SELECT u.version INTO at_version FROM unnest(p_stream_ids, p_versions) AS u (id, version)
         WHERE u.id = p_account_id ORDER BY u.version LIMIT 1;
        IF at_version IS DISTINCT FROM 1 THEN
          RAISE EXCEPTION 'unknown account' USING ERRCODE = 'KL002';
        END IF;
        INSERT INTO log.account (shard, account_id, position) VALUES (p_shard, p_account_id, n);
        last_position := n;
      END IF;

      UPDATE log.feed_shard f
         SET head = f.head + n,
             last_at = greatest(p_decided_at + (n - 1) * interval '1 microsecond', f.last_at + n * interval '1 microsecond'),
             last_event_id = p_event_ids[n]
       WHERE f.shard = p_shard RETURNING f.head, f.last_at INTO last_shard_position, last_occurred_at;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown shard' USING ERRCODE = 'KL002';
      END IF;

      INSERT INTO log.event (shard, shard_position, account_id, position, event_id, stream_id, stream_kind, version, type,
                             schema_version, actor_kind, actor_id, credential_key_id, credential_code_id, correlation_id,
                             decided_at, occurred_at, body, data, mac, mac_secret_id)
      SELECT p_shard, last_shard_position - n + u.i, p_account_id, last_position - n + u.i, u.event_id, u.stream_id,
             u.stream_kind, u.version, u.type, u.schema_version, p_actor_kind, p_actor_id, p_credential_key_id, p_credential_code_id,
             p_correlation_id, p_decided_at, last_occurred_at - (n - u.i) * interval '1 microsecond', u.body, convert_from(u.body, 'UTF8')::jsonb -> 'data',
             u.mac, p_mac_secret_id
        FROM unnest(p_stream_ids, p_stream_kinds, p_versions, p_event_ids, p_types, p_schema_versions, p_bodies, p_macs)
             WITH ORDINALITY AS u (stream_id, stream_kind, version, event_id, type, schema_version, body, mac, i);
      RETURN last_position;
    END $$`.execute(db)
}
