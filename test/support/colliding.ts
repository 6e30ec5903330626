// Commands that meet others, with no luck involved: that collide as if others came first, or hang in the middle.
import type { Database } from '#database/connect.ts'

/** `work`, while the first `times` writings of a key that `when` (SQL about `NEW`) is true of end their transactions. */
export async function colliding<Result>(
  { pool }: Database,
  when: string,
  times: number,
  work: () => Promise<Result>,
): Promise<Result> {
  await pool.query(`CREATE SEQUENCE public.collisions; GRANT USAGE ON SEQUENCE public.collisions TO PUBLIC;
    CREATE FUNCTION public.collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('public.collisions') <= ${times} THEN RAISE EXCEPTION 'collided' USING ERRCODE = '40001'; END IF;
      RETURN NEW; END $$;
    CREATE TRIGGER collide BEFORE INSERT ON state.key FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION public.collide()`)
  try {
    return await work()
  } finally {
    await pool.query(
      'DROP TRIGGER collide ON state.key; DROP FUNCTION public.collide(); DROP SEQUENCE public.collisions',
    )
  }
}

/**
 * `work`, with every writing of a key that `when` is true of held in the middle of its transaction until `release`. `waiting`: how
 * many transactions wait for a lock, that one or another.
 */
export async function holding<Result>(
  { pool }: Database,
  when: string,
  work: (held: { waiting(): Promise<number>; release(): Promise<void> }) => Promise<Result>,
): Promise<Result> {
  const holder = await pool.connect()
  await holder.query(`SELECT pg_advisory_lock(1);
    CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
    CREATE TRIGGER hold BEFORE INSERT ON state.key FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION public.hold()`)
  try {
    return await work({
      async waiting() {
        const { rows } = await pool.query<{ count: number }>(
          `SELECT count(*)::integer AS count FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        )
        return rows[0]?.count ?? 0
      },
      async release() {
        await holder.query('SELECT pg_advisory_unlock_all()')
      },
    })
  } finally {
    await holder.query('SELECT pg_advisory_unlock_all(); DROP TRIGGER hold ON state.key; DROP FUNCTION public.hold()')
    holder.release()
  }
}
