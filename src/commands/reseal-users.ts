// What is kept of users under a secret of the server: the keys of their personal data, and the digests by which their external ids
// are found, which can be made anew only while their data can be read.
import { statement } from '#database/connect.ts'
import { invariant } from '#domain/invariant.ts'
import type { Digest } from '#secret/digest.ts'
import { identityOf } from '#secret/identity.ts'
import type { Keyring } from '#secret/keyring.ts'
import { decryptPersonal, openPersonalKey, type SealedKey, sealPersonalKey } from '#secret/personal.ts'
import type { Kind, Place } from './renew.ts'

type KeyRow = Place & { readonly secret_id: string; readonly sealed: Buffer }

/** Of removed users too: their history still tells who they were. */
export function userKeys(keyring: Keyring): Kind<KeyRow, SealedKey> {
  return {
    select: `SELECT shard, user_id AS id, secret_id, sealed FROM vault.user_key
              WHERE secret_id <> $1 AND (shard, user_id) > ($2, $3) ORDER BY shard, user_id LIMIT $4`,
    renew: ({ id, secret_id: secretId, sealed }) =>
      sealPersonalKey(keyring, openPersonalKey(keyring, id, { secretId, sealed })),
    replace: (renewed) =>
      statement(
        `WITH held AS (
           SELECT k.shard, k.user_id, u.secret_id, u.sealed
             FROM unnest($1::smallint[], $2::text[], $3::bytea[], $4::text[], $5::bytea[])
                  AS u (shard, user_id, old_sealed, secret_id, sealed)
             JOIN vault.user_key k ON k.shard = u.shard AND k.user_id = u.user_id AND k.sealed = u.old_sealed
              FOR UPDATE OF k SKIP LOCKED)
         UPDATE vault.user_key k SET secret_id = h.secret_id, sealed = h.sealed
           FROM held h WHERE k.shard = h.shard AND k.user_id = h.user_id RETURNING 1`,
        [
          renewed.map(({ before }) => before.shard),
          renewed.map(({ before }) => before.id),
          renewed.map(({ before }) => before.sealed),
          renewed.map(({ after }) => after.secretId),
          renewed.map(({ after }) => after.sealed),
        ],
      ),
  }
}

type IdentityRow = KeyRow & {
  readonly account_id: string
  readonly digest: Buffer
  readonly version: number
  readonly ciphertext: Buffer
}

/**
 * Removed users have none, and those who were erased can't be read any more. One takes the other's place, in the same row: whoever
 * removes the user meanwhile waits for it and meets the new one, where one beside the old would outlive its user and keep their
 * external id taken.
 */
export function identities(keyring: Keyring): Kind<IdentityRow, Digest> {
  return {
    // An external id is told once, when its user is added.
    select: `SELECT i.shard, i.user_id AS id, i.account_id, i.digest, k.secret_id, k.sealed, p.version, p.ciphertext
               FROM vault.identity i
               JOIN vault.user_key k ON k.shard = i.shard AND k.user_id = i.user_id
               JOIN vault.personal p ON p.shard = i.shard AND p.user_id = i.user_id AND p.name = 'externalId'
              WHERE i.secret_id <> $1 AND (i.shard, i.user_id) > ($2, $3) ORDER BY i.shard, i.user_id LIMIT $4`,
    renew({ id: userId, account_id: accountId, secret_id: secretId, sealed, version, ciphertext }) {
      const key = openPersonalKey(keyring, userId, { secretId, sealed })
      const externalId = decryptPersonal(key, { userId, version, name: 'externalId' }, ciphertext)
      invariant(externalId !== null, 'every user has an external id')
      return identityOf(keyring, accountId, externalId)
    },
    // One that another user has already is left, for the unique index would end the run.
    replace: (renewed) =>
      statement(
        `WITH held AS (
           SELECT i.shard, i.user_id, u.secret_id, u.digest
             FROM unnest($1::smallint[], $2::text[], $3::bytea[], $4::text[], $5::bytea[])
                  AS u (shard, user_id, old_digest, secret_id, digest)
             JOIN vault.identity i ON i.shard = u.shard AND i.user_id = u.user_id AND i.digest = u.old_digest
            WHERE NOT EXISTS (SELECT FROM vault.identity o
              WHERE o.shard = i.shard AND o.account_id = i.account_id AND o.digest = u.digest)
              FOR UPDATE OF i SKIP LOCKED)
         UPDATE vault.identity i SET secret_id = h.secret_id, digest = h.digest
           FROM held h WHERE i.shard = h.shard AND i.user_id = h.user_id RETURNING 1`,
        [
          renewed.map(({ before }) => before.shard),
          renewed.map(({ before }) => before.id),
          renewed.map(({ before }) => before.digest),
          renewed.map(({ after }) => after.secretId),
          renewed.map(({ after }) => after.digest),
        ],
      ),
  }
}
