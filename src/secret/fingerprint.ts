// How an idempotent request is recognised without keeping it: its idempotency key and its input as HMACs, because an input
// may hold a caller's own secret, which a plain hash would let a thief of the database guess at.
//
// A record names the secret of the server that both were made under, and is looked up under every configured one, so that
// a retry still matches after a newer secret was put in front. While that is rolled out two instances may call different
// ones newest: whoever claims a key writes a row for each of `idempotencyKeysOf`, in the order of their bytes, unique by
// secret and key, and then meets the other's claim under whichever secret both know.
import { createHmac } from 'node:crypto'
import { invariant } from '#domain/invariant.ts'
import type { Keyring } from './keyring.ts'

export type IdempotencyKey = { readonly secretId: string; readonly key: Buffer }

/** The names, 32 bytes each, by which to look up and claim a client's idempotency key: newest secret first. */
export function idempotencyKeysOf(keyring: Keyring, clientKey: string): readonly IdempotencyKey[] {
  return keyring.all.map((entry) => ({
    secretId: entry.id,
    key: createHmac('sha256', entry.idempotency).update(clientKey, 'utf8').digest(),
  }))
}

/**
 * The fingerprint, 32 bytes, of an input in canonical form, under the secret that the record names; compare with
 * sameDigest. Records are found by configured secrets only: an id that is not configured is a defect.
 */
export function fingerprint(keyring: Keyring, secretId: string, canonicalText: string): Buffer {
  const entry = keyring.byId(secretId)
  invariant(entry !== undefined, 'an idempotency record is found under a configured secret')
  return createHmac('sha256', entry.fingerprint).update(canonicalText, 'utf8').digest()
}
