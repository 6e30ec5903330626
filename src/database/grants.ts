// What a serving connection may do. Owner and server are apart where the installation has two roles: then even a server
// that was taken over can only append to the log, through the functions made for it.
import type pg from 'pg'

/** Cluster-wide and without login: login roles are made members of it. */
export const SERVING_ROLE = 'keyledger_serving'

/**
 * Grants the serving role what it needs, and makes the role where it is missing and may be made. Idempotent; may run inside
 * a transaction.
 */
export async function grantServing(owner: pg.ClientBase | pg.Pool): Promise<void> {
  await owner.query(`
    DO $$
    BEGIN
      CREATE ROLE ${SERVING_ROLE} NOLOGIN;
    EXCEPTION
      WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
    END $$`)
  await owner.query('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA log FROM PUBLIC')
  const { rows } = await owner.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [SERVING_ROLE])
  if (rows.length === 0) return
  for (const grant of [
    'USAGE ON SCHEMA log, state, vault, migration',
    'SELECT ON ALL TABLES IN SCHEMA log, migration',
    'EXECUTE ON ALL FUNCTIONS IN SCHEMA log',
    'SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA state',
    'SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vault',
  ])
    await owner.query(`GRANT ${grant} TO ${SERVING_ROLE}`)
}
