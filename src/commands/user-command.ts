// What the commands about users have in common: their input rules, how a user is found, by id and by external id, and their
// personal data in the vault.
import type { CompiledQuery } from 'kysely'
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import { ROLES } from '#domain/user/roles.ts'
import { identitiesOf, identityOf } from '#secret/identity.ts'
import { decryptPersonal, openPersonalKey, type PersonalKey, type SealedKey } from '#secret/personal.ts'
import { type CommandServices, type DecideStep, type LocateStep, streamOf } from './command.ts'

export const roleInput = z.enum(ROLES, `must be one of ${ROLES.join(', ')}`)

/** The account a user belongs to, which never changes. */
export async function accountOfUser({ transaction }: LocateStep, userId: string): Promise<string | undefined> {
  if (kindOf(userId) !== 'usr') return undefined
  const [row] = await transaction.run(
    statement<{ account_id: string }>('SELECT account_id FROM log.stream WHERE shard = $1 AND stream_id = $2', [
      shardOf(userId),
      userId,
    ]),
  )
  return row?.account_id
}

export function userStreamOf(step: DecideStep, userId: string): Stream<'user'> {
  const stream = streamOf(step, 'user', userId)
  invariant(stream !== undefined, 'a located user is locked')
  return stream
}

/**
 * The id of the account's user with this very external id, as far as has been committed: exact under the account's lock, which
 * whoever adds a user holds.
 */
export async function findIdentity(
  { services, transaction }: Pick<LocateStep, 'services' | 'transaction'>,
  accountId: string,
  externalId: string,
): Promise<string | undefined> {
  const digests = identitiesOf(services.keyring, accountId, externalId).map(({ digest }) => digest)
  const [row] = await transaction.run(
    statement<{ user_id: string }>(
      'SELECT user_id FROM vault.identity WHERE shard = $1 AND account_id = $2 AND digest = ANY ($3) LIMIT 1',
      [shardOf(accountId), accountId, digests],
    ),
  )
  return row?.user_id
}

export function insertIdentity(
  { keyring }: CommandServices,
  { shard, accountId }: DecideStep,
  userId: string,
  externalId: string,
): CompiledQuery {
  const { digest, secretId } = identityOf(keyring, accountId, externalId)
  return statement(
    'INSERT INTO vault.identity (shard, account_id, user_id, digest, secret_id) VALUES ($1, $2, $3, $4, $5)',
    [shard, accountId, userId, digest, secretId],
  )
}

export function deleteIdentity({ shard }: DecideStep, userId: string): CompiledQuery {
  return statement('DELETE FROM vault.identity WHERE shard = $1 AND user_id = $2', [shard, userId])
}

/** All that was ever told of them, and the key that it was encrypted with. */
export function deletePersonal({ shard }: DecideStep, userId: string): readonly CompiledQuery[] {
  return [
    statement('DELETE FROM vault.user_key WHERE shard = $1 AND user_id = $2', [shard, userId]),
    statement('DELETE FROM vault.personal WHERE shard = $1 AND user_id = $2', [shard, userId]),
  ]
}

export function insertUserKey(
  { shard, accountId }: DecideStep,
  userId: string,
  { secretId, sealed }: SealedKey,
): CompiledQuery {
  return statement(
    'INSERT INTO vault.user_key (shard, user_id, account_id, sealed, secret_id) VALUES ($1, $2, $3, $4, $5)',
    [shard, userId, accountId, sealed, secretId],
  )
}

/** The user's key and display name; undefined where both have been erased. Under the user's lock. */
export async function readDisplayName(
  { services, transaction, shard }: DecideStep,
  userId: string,
): Promise<{ readonly key: PersonalKey; readonly displayName: string | null } | undefined> {
  const [row] = await transaction.run(
    statement<{ sealed: Buffer; secret_id: string; version: number; ciphertext: Buffer }>(
      `SELECT k.sealed, k.secret_id, p.version, p.ciphertext
         FROM vault.user_key k JOIN vault.personal p USING (shard, user_id)
        WHERE k.shard = $1 AND k.user_id = $2 AND p.name = 'displayName' ORDER BY p.version DESC LIMIT 1`,
      [shard, userId],
    ),
  )
  if (row === undefined) return undefined
  const key = openPersonalKey(services.keyring, userId, { sealed: row.sealed, secretId: row.secret_id })
  const place = { userId, version: row.version, name: 'displayName' }
  return { key, displayName: decryptPersonal(key, place, row.ciphertext) }
}
