// How a user is found by an external id that is stored nowhere in the open: by its HMAC, under a key that is not in the database.
import { createHmac } from 'node:crypto'
import type { Digest } from './digest.ts'
import type { Keyring, KeyringEntry } from './keyring.ts'

/** The digest to store: under the newest secret of the server. Exact, case included. */
export function identityOf({ newest }: Keyring, accountId: string, externalId: string): Digest {
  return identityUnder(newest, accountId, externalId)
}

/** The digests by which to look an external id of an account up: under every secret of the server, newest first. */
export function identitiesOf(keyring: Keyring, accountId: string, externalId: string): readonly Digest[] {
  return keyring.all.map((entry) => identityUnder(entry, accountId, externalId))
}

function identityUnder({ id, identity }: KeyringEntry, accountId: string, externalId: string): Digest {
  // With the account, so that nobody sees who is in two of them.
  return { secretId: id, digest: createHmac('sha256', identity).update(`${accountId} ${externalId}`, 'utf8').digest() }
}
