// What is made under which secret of the server: as long as there is anything, the secret can't be dropped.
import { type Database, send, statement } from '#database/connect.ts'
import { UNFINISHED_MOVE } from '#log/copy.ts'
import type { Keyring } from '#secret/keyring.ts'

/** By the secret's id, in words: `3 codes`. */
export type SecretUses = ReadonlyMap<string, readonly string[]>

// Retired codes too: they verify as REPLACED or REVOKED, and keep an own secret from being used again.
const COUNTS = `
  SELECT secret_id, what, count(*) AS count FROM (
    SELECT secret_id, 1 AS rank, 'seals' AS what FROM vault.sealed_secret
    UNION ALL SELECT digest_secret_id, 2, 'codes (digests of their secrets)' FROM state.code
    UNION ALL SELECT mac_secret_id, 3, 'events (their MACs)' FROM log.event
    UNION ALL SELECT secret_id, 4, 'root key (its digest)' FROM vault.root_key
    UNION ALL SELECT secret_id, 5, 'idempotency keys (forgotten after 48 hours)' FROM vault.idempotency
    UNION ALL SELECT secret_id, 6, 'users (the keys of their personal data)' FROM vault.user_key
    UNION ALL SELECT i.secret_id, 7 + (k.user_id IS NULL)::int, CASE WHEN k.user_id IS NULL
        THEN 'erased users (digests of their external ids, until the users are removed)'
        ELSE 'users (digests of their external ids)' END
      FROM vault.identity i LEFT JOIN vault.user_key k ON k.shard = i.shard AND k.user_id = i.user_id
  ) AS made GROUP BY secret_id, rank, what ORDER BY secret_id COLLATE "C", rank`

/** Counts everything, which takes as long as reading the log once. */
export async function countSecretUses(database: Database): Promise<SecretUses> {
  const rows = await send(database.pool, statement<{ secret_id: string; what: string; count: bigint }>(COUNTS, []))
  return new Map(
    [...Map.groupBy(rows, (row) => row.secret_id)].map(([id, counts]) => [
      id,
      counts.map(({ count, what }) => `${count} ${what}`),
    ]),
  )
}

/** Strikes secrets off that are no longer configured and that nothing is made under; a server can start without them then. */
export async function forgetUnusedSecrets(database: Database, keyring: Keyring): Promise<readonly string[]> {
  const registered = await database.kysely.selectFrom('vault.secret_check').select('secret_id').execute()
  const missing = registered
    .map(({ secret_id }) => secret_id)
    .filter((id) => id !== UNFINISHED_MOVE && keyring.byId(id) === undefined)
  if (missing.length === 0) return []
  const uses = await countSecretUses(database)
  const unused = missing.filter((id) => !uses.has(id))
  if (unused.length > 0)
    await database.kysely.deleteFrom('vault.secret_check').where('secret_id', 'in', unused).execute()
  return unused
}
