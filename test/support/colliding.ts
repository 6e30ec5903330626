// Commands that collide as if others came first, so often and with no luck involved.
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
