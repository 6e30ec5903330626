// The mark that an event was written by this server: whoever can write to the database, but lacks its secrets, can't make
// one.
import { createHmac, type KeyObject } from 'node:crypto'
import { sameDigest } from './digest.ts'
import type { Keyring } from './keyring.ts'

/** HMAC-SHA-256, 32 bytes, and the secret of the server that it was made under. */
export type Mac = { readonly secretId: string; readonly mac: Buffer }

/** The MAC of an event's exact bytes, under the newest secret of the server. */
export function macOf(keyring: Keyring, body: Buffer): Mac {
  return { secretId: keyring.newest.id, mac: macUnder(keyring.newest.mac, body) }
}

/** Whether a stored MAC is right for these bytes; false too where its secret is not configured. */
export function checkMac(keyring: Keyring, secretId: string, body: Buffer, mac: Buffer): boolean {
  const entry = keyring.byId(secretId)
  return entry !== undefined && sameDigest(macUnder(entry.mac, body), mac)
}

function macUnder(key: KeyObject, body: Buffer): Buffer {
  return createHmac('sha256', key).update(body).digest()
}
