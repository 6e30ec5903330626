// What a serving connection may do. Owner and server are apart where the installation has two roles: then even a server
// that was taken over can only append to the log, through the functions made for it.
import type pg from 'pg'

/** Cluster-wide and without login: login roles are made members of it. */
export const SERVING_ROLE = 'keyledger_serving'

/** Two sessions that grant on the same object at once would fail with "tuple concurrently updated". */
const ADVISORY_LOCK = 1_801_812_327

// Temporary objects are looked up first unless they are named last. Otherwise a type that the caller makes and calls jsonb
// would be used in place of the real one, and its check would run with the rights of the function's owner.
const CLOSE_FUNCTIONS = `
  DO $$
  DECLARE
    open record;
  BEGIN
    FOR open IN SELECT oid::regprocedure AS signature FROM pg_proc
                 WHERE pronamespace IN ('log'::regnamespace, 'usage'::regnamespace) AND prosecdef
                   AND (proconfig @> ARRAY['search_path=pg_catalog, pg_temp']) IS NOT TRUE LOOP
      EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', open.signature);
    END LOOP;
  END $$`

const MAKE_ROLE = `
  DO $$
  BEGIN
    CREATE ROLE ${SERVING_ROLE} NOLOGIN;
  EXCEPTION
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
  END $$`

const GRANT = `
  DO $$
  BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '${SERVING_ROLE}') THEN
      GRANT USAGE ON SCHEMA log, state, vault, usage, audit, migration TO ${SERVING_ROLE};
      GRANT SELECT ON ALL TABLES IN SCHEMA log, audit, migration TO ${SERVING_ROLE};
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA log, usage TO ${SERVING_ROLE};
      GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA state TO ${SERVING_ROLE};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vault TO ${SERVING_ROLE};
      GRANT SELECT, INSERT, UPDATE ON usage.key_use, usage.code_use TO ${SERVING_ROLE};
      GRANT SELECT, INSERT, UPDATE, DELETE ON usage.code_day TO ${SERVING_ROLE};
      GRANT SELECT, INSERT ON usage.access_log TO ${SERVING_ROLE};
      GRANT INSERT ON audit.leaf, audit.checkpoint TO ${SERVING_ROLE};
      GRANT INSERT, UPDATE ON audit.log, audit.cursor, audit.tile TO ${SERVING_ROLE};
    END IF;
  END $$`

/**
 * Grants the serving role what it needs, and makes the role where it is missing and may be made. Idempotent, safe to run by
 * many at once; may run inside a transaction.
 */
export async function grantServing(owner: pg.ClientBase | pg.Pool): Promise<void> {
  // One text without parameters is one transaction, which the lock lasts as long as.
  const statements = [
    `SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})`,
    MAKE_ROLE,
    'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA log, usage, audit FROM PUBLIC',
    CLOSE_FUNCTIONS,
    GRANT,
  ]
  await owner.query(statements.join(';'))
}
