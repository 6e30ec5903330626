// What is stored of a secret: HMAC-SHA-256 under a pepper that is not in the database, so that a stolen database verifies
// nothing. Fast on purpose: 190 random bits need no slow hash, and a slow one would only bound how often we can verify.
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Keyring } from './keyring.ts'

/** Names the secret of the server that it was made under. 32 bytes. */
export type Digest = { readonly secretId: string; readonly digest: Buffer }

/** The digest to store: under the newest secret of the server. */
export function digestSecret(keyring: Keyring, plaintext: string): Digest {
  return digestUnder(keyring.newest, plaintext)
}

/**
 * The digests by which to look a presented secret up: under every secret of the server, newest first. All are always
 * made, so that a known and an unknown secret cost the same. The caller bounds the length by SECRET_LENGTH_MAX.
 */
export function digestsOf(keyring: Keyring, plaintext: string): readonly Digest[] {
  return keyring.all.map((entry) => digestUnder(entry, plaintext))
}

/** The same in hexadecimal, by which memory is searched. */
export function hexDigestsOf(keyring: Keyring, plaintext: string): readonly string[] {
  return keyring.all.map(({ presented }) => presented(plaintext))
}

/** Compares bytes in a time that does not tell where they differ; false where the lengths do. */
export function sameDigest(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function digestUnder(entry: { readonly id: string; readonly pepper: KeyObject }, plaintext: string): Digest {
  return { secretId: entry.id, digest: createHmac('sha256', entry.pepper).update(plaintext, 'utf8').digest() }
}
