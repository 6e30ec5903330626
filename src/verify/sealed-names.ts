// Who the owner of a key is, and the user it acts as: read sealed together with the key, and opened only for a verdict that tells it.
import { ERASED } from '#domain/user/state.ts'
import type { Keyring } from '#secret/keyring.ts'
import { decryptPersonal, openPersonalKey } from '#secret/personal.ts'

/** A user's external id, sealed. Bytes are in base64. */
export type SealedName = {
  readonly userId: string
  readonly secretId: string
  readonly key: string
  readonly version: number
  readonly ciphertext: string
}

/** SQL: the names of both, for a key that is called `k`. An external id is told once, when its user is added. */
export const SEALED_NAMES = `
  SELECT jsonb_agg(jsonb_build_object('userId', v.user_id, 'secretId', v.secret_id, 'key', encode(v.sealed, 'base64'),
                                      'version', p.version, 'ciphertext', encode(p.ciphertext, 'base64'))) AS names
    FROM vault.user_key v
    JOIN vault.personal p ON p.shard = v.shard AND p.user_id = v.user_id AND p.name = 'externalId'
   WHERE v.shard = k.shard AND v.user_id IN (k.owner_id, k.acts_as_id)`

/** The external id of a user among the names, ERASED for who has none there any more; null for nobody. */
export function nameOf(keyring: Keyring, names: readonly SealedName[], userId: string | null): string | null {
  if (userId === null) return null
  const told = names.find((name) => name.userId === userId)
  if (told === undefined) return ERASED
  const { secretId, version } = told
  const key = openPersonalKey(keyring, told.userId, { secretId, sealed: Buffer.from(told.key, 'base64') })
  const place = { userId: told.userId, version, name: 'externalId' }
  return decryptPersonal(key, place, Buffer.from(told.ciphertext, 'base64'))
}
