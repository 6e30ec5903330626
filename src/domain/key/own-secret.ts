// Whether a secret that the caller brought may become a code's, the same for codes made with a key, issued and rotated in.
import type { KeyspaceRules } from '../keyspace/rules.ts'
import type { CodeRequest } from './commands.ts'
import type { KeyRefusal } from './refusals.ts'

/**
 * Undefined where it may, or was generated. `others` are digests of the key's codes so far, those that come into being with it
 * included. Whether it is in use is answered last: who guesses at secrets that are weak learns nothing.
 */
export function refusalForSecret(
  { ownSecret, digest }: CodeRequest,
  { customSecrets }: KeyspaceRules,
  others: readonly string[] = [],
): KeyRefusal | undefined {
  if (ownSecret === undefined) return undefined
  if (!customSecrets) return { code: 'SECRET_NOT_ALLOWED' }
  if (!ownSecret.strong) return { code: 'SECRET_TOO_WEAK' }
  return ownSecret.taken || others.includes(digest) ? { code: 'SECRET_IN_USE' } : undefined
}
