// The root key as the database knows it: a digest, which every instance reads at every use of it.
import { type Database, statement } from '#database/connect.ts'
import { digestSecret } from '#secret/digest.ts'
import { newRootKey } from '#secret/ids.ts'
import type { Keyring } from '#secret/keyring.ts'
import type { Secret } from '#secret/secret.ts'

type Where = { readonly database: Database; readonly keyring: Keyring }

/** Puts this root key in the place of the one before it, which stops at once, on every instance. */
export async function replaceRootKey({ database, keyring }: Where, rootKey: Secret): Promise<void> {
  const { digest, secretId } = digestSecret(keyring, rootKey.reveal())
  await database.kysely.executeQuery(
    statement(
      `INSERT INTO vault.root_key (digest, secret_id) VALUES ($1, $2)
       ON CONFLICT (single) DO UPDATE SET digest = excluded.digest, secret_id = excluded.secret_id, created_at = excluded.created_at
         WHERE root_key.digest <> excluded.digest`,
      [digest, secretId],
    ),
  )
}

/** A new root key, in force already; undefined where there is one, also where another instance was first to make it. */
export async function makeFirstRootKey({ database, keyring }: Where): Promise<Secret | undefined> {
  const rootKey = newRootKey()
  const { digest, secretId } = digestSecret(keyring, rootKey.reveal())
  const { rows } = await database.kysely.executeQuery(
    statement(
      'INSERT INTO vault.root_key (digest, secret_id) VALUES ($1, $2) ON CONFLICT (single) DO NOTHING RETURNING single',
      [digest, secretId],
    ),
  )
  return rows.length > 0 ? rootKey : undefined
}
