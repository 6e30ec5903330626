// Secrets that are to be shown again: encrypted under a key that is not in the database, and bound to their code, so that
// whoever can write to the database can't have one shown as another's.
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'
import type { Keyring, KeyringEntry } from './keyring.ts'
import { Secret } from './secret.ts'

/** `ciphertext` ends with the 16 bytes of the tag; `secretId` is the secret of the server that it was made under. */
export type Seal = { readonly secretId: string; readonly nonce: Buffer; readonly ciphertext: Buffer }

const ALGORITHM = 'aes-256-gcm'
/** Random: the chance that two of 4 thousand million seals under one key have the same is below 2^-32. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Under the newest secret of the server. */
export function seal({ newest }: Keyring, secret: Secret, codeId: string): Seal {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, newest.seal, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(codeId, 'utf8'))
  const ciphertext = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final(), cipher.getAuthTag()])
  return { secretId: newest.id, nonce, ciphertext }
}

/** Throws SealBrokenError where it was not made by this server for this code, or its secret is not configured. */
export function unseal(keyring: Keyring, { secretId, nonce, ciphertext }: Seal, codeId: string): Secret {
  const entry = keyring.byId(secretId)
  if (entry === undefined)
    throw new SealBrokenError(`The secret ${secretId} of the seal of ${codeId} is not configured`)
  return decrypt(entry, nonce, ciphertext, codeId)
}

/** The database holds a seal, or what is encrypted, that is not ours. */
export class SealBrokenError extends Error {
  override readonly name = 'SealBrokenError'
}

function decrypt(entry: KeyringEntry, nonce: Buffer, ciphertext: Buffer, codeId: string): Secret {
  const key: KeyObject = entry.seal
  try {
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(codeId, 'utf8'))
    decipher.setAuthTag(ciphertext.subarray(-TAG_BYTES))
    const text = Buffer.concat([decipher.update(ciphertext.subarray(0, -TAG_BYTES)), decipher.final()])
    return new Secret(text.toString('utf8'))
  } catch {
    // Without the cause: it knows no more than this.
    throw new SealBrokenError(`The seal of ${codeId} was not made by this server for this code`)
  }
}
