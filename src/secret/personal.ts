// Personal data: encrypted with a key of each person's own (AES-256-GCM), which is kept sealed under a secret of the server. To
// forget somebody, it is enough to lose their key. Events hold only the hash of the ciphertext.
import { createCipheriv, createDecipheriv, createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { invariant } from '#domain/invariant.ts'
import type { Keyring } from './keyring.ts'
import { SealBrokenError } from './seal.ts'

/** One person's key. */
export type PersonalKey = { readonly userId: string; readonly key: KeyObject }

/** The key as it is stored, and the secret of the server that it is sealed under. */
export type SealedKey = { readonly secretId: string; readonly sealed: Buffer }

/** Values by name; null where there is none, which is encrypted too, so that nobody can tell. */
export type PersonalValues = Readonly<Record<string, string | null>>

/** Which value of whose event it is: a ciphertext that was put in another one's place does not open. */
export type PersonalPlace = { readonly userId: string; readonly version: number; readonly name: string }

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** A new key, and how to store it: sealed under the newest secret of the server. */
export function newPersonalKey(keyring: Keyring, userId: string): PersonalKey & SealedKey {
  const made = { userId, key: createSecretKey(randomBytes(KEY_BYTES)) }
  return { ...made, ...sealPersonalKey(keyring, made) }
}

/** How to store a key from now on: sealed under the newest secret of the server. */
export function sealPersonalKey({ newest }: Keyring, { userId, key }: PersonalKey): SealedKey {
  return { secretId: newest.id, sealed: encrypt(newest.seal, key.export(), sealContext(userId)) }
}

/** Throws SealBrokenError where its secret is not configured, or it is not what was stored. */
export function openPersonalKey(keyring: Keyring, userId: string, { secretId, sealed }: SealedKey): PersonalKey {
  const entry = keyring.byId(secretId)
  if (entry === undefined) throw new SealBrokenError(`The secret ${secretId} of the key of ${userId} is not configured`)
  return { userId, key: createSecretKey(decrypt(entry.seal, sealed, sealContext(userId))) }
}

export function encryptPersonal({ key }: PersonalKey, place: PersonalPlace, value: string | null): Buffer {
  return encrypt(key, Buffer.from(JSON.stringify(value), 'utf8'), contextOf(place))
}

/** Throws SealBrokenError where it is not what was stored in this place. */
export function decryptPersonal({ key }: PersonalKey, place: PersonalPlace, ciphertext: Buffer): string | null {
  return JSON.parse(decrypt(key, ciphertext, contextOf(place)).toString('utf8')) as string | null
}

/** What an event holds of a personal value: SHA-256 of the ciphertext, in lower-case hex. */
export function hashOfCiphertext(ciphertext: Buffer): string {
  return createHash('sha256').update(ciphertext).digest('hex')
}

function sealContext(userId: string): string {
  return `user-key ${userId}`
}

function contextOf({ userId, version, name }: PersonalPlace): string {
  return `personal ${userId} ${version} ${name}`
}

/** Nonce, ciphertext, tag. A random nonce is safe here: each key encrypts few values. */
function encrypt(key: KeyObject, plaintext: Buffer, context: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(context, 'utf8'))
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: KeyObject, stored: Buffer, context: string): Buffer {
  invariant(stored.length >= NONCE_BYTES + TAG_BYTES, 'a ciphertext is whole')
  const nonce = stored.subarray(0, NONCE_BYTES)
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(context, 'utf8'))
    .setAuthTag(stored.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(stored.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    // Without the cause: it knows no more than this.
    throw new SealBrokenError(`The ${context} was not encrypted by this server`)
  }
}
