// All that can be made anew under the newest secret of the server: secrets that are kept, keys of personal data, and the digests by
// which users are found. What is left then needs a plaintext that nobody has, or is evidence.
import { type Database, statement } from '#database/connect.ts'
import type { Keyring } from '#secret/keyring.ts'
import { type Seal, seal, unseal } from '#secret/seal.ts'
import { type Kind, type Outcome, type Place, renewAll } from './renew.ts'
import { identities, userKeys } from './reseal-users.ts'

/** Broken ids: of the codes, and of the users, whose things were not made by this server. */
export type Resealed = { readonly seals: Outcome; readonly userKeys: Outcome; readonly identities: Outcome }

export async function resealAll(database: Database, keyring: Keyring): Promise<Resealed> {
  return {
    seals: await renewAll(database, keyring, seals(keyring)),
    userKeys: await renewAll(database, keyring, userKeys(keyring)),
    identities: await renewAll(database, keyring, identities(keyring)),
  }
}

type SealRow = Place & { readonly secret_id: string; readonly nonce: Buffer; readonly ciphertext: Buffer }

/** By the code. */
function seals(keyring: Keyring): Kind<SealRow, Seal> {
  return {
    select: `SELECT shard, code_id AS id, secret_id, nonce, ciphertext FROM vault.sealed_secret
              WHERE secret_id <> $1 AND (shard, code_id) > ($2, $3) ORDER BY shard, code_id LIMIT $4`,
    renew: ({ id, secret_id: secretId, nonce, ciphertext }) =>
      seal(keyring, unseal(keyring, { secretId, nonce, ciphertext }, id), id),
    replace: (renewed) =>
      statement(
        `WITH held AS (
           SELECT s.shard, s.code_id, u.secret_id, u.nonce, u.ciphertext
             FROM unnest($1::smallint[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::bytea[])
                  AS u (shard, code_id, old_nonce, secret_id, nonce, ciphertext)
             JOIN vault.sealed_secret s ON s.shard = u.shard AND s.code_id = u.code_id AND s.nonce = u.old_nonce
              FOR UPDATE OF s SKIP LOCKED)
         UPDATE vault.sealed_secret s SET secret_id = h.secret_id, nonce = h.nonce, ciphertext = h.ciphertext
           FROM held h WHERE s.shard = h.shard AND s.code_id = h.code_id RETURNING 1`,
        [
          renewed.map(({ before }) => before.shard),
          renewed.map(({ before }) => before.id),
          renewed.map(({ before }) => before.nonce),
          renewed.map(({ after }) => after.secretId),
          renewed.map(({ after }) => after.nonce),
          renewed.map(({ after }) => after.ciphertext),
        ],
      ),
  }
}
