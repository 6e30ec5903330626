// How a user is found by an external id that is stored nowhere in the open: by its HMAC, under a key that is not in the database.
import { createHmac } from 'node:crypto'
import type { Digest } from './digest.ts'
import type { Keyring } from './keyring.ts'

/**
 * The digests of an external id in an account, under every secret of the server, newest first: to be stored and looked up
 * under all of them, so that instances meet while a newer secret is being introduced. Exact, case included.
 */
export function identitiesOf(keyring: Keyring, accountId: string, externalId: string): readonly Digest[] {
  return keyring.all.map((entry) => ({
    secretId: entry.id,
    // With the account, so that nobody sees who is in two of them.
    digest: createHmac('sha256', entry.identity).update(`${accountId} ${externalId}`, 'utf8').digest(),
  }))
}
