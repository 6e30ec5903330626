// How the server recognises its own secrets: a value per secret id is stored with the data, and a start with a missing or
// a wrong secret is refused before it could answer NOT_FOUND to keys that are good.
import { createHmac } from 'node:crypto'
import type { KeyringEntry } from './keyring.ts'

/** 32 bytes, the same at every start; made under a key of its own, it reveals nothing of the others. Compare with sameDigest. */
export function checkValueOf(entry: KeyringEntry): Buffer {
  return createHmac('sha256', entry.check).update(entry.id, 'utf8').digest()
}
