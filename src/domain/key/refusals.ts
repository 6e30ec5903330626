// The expected "no" answers of a key.
import type { Instant } from '../instant.ts'
import type { CodeSlot } from './events.ts'

export type KeyRefusal =
  | { readonly code: 'KEY_LIMIT_REACHED'; readonly activeKeysMax: number }
  | { readonly code: 'CODE_LIMIT_REACHED'; readonly liveCodesMax: number }
  | { readonly code: 'KEY_REVOKED' }
  | { readonly code: 'KEY_DELETED' }
  | { readonly code: 'CODE_NOT_LIVE' }
  | { readonly code: 'CODE_ENABLED' }
  | { readonly code: 'SLOT_EMPTY'; readonly slot: CodeSlot }
  /** `latest` is null where the instant only has to lie in the future. */
  | { readonly code: 'EXPIRY_OUT_OF_RANGE'; readonly latest: Instant | null }
  | { readonly code: 'EXPIRY_REQUIRED' }
  | { readonly code: 'SECRET_NOT_ALLOWED' }
  | { readonly code: 'SECRET_TOO_WEAK' }
  /** Without saying whose. */
  | { readonly code: 'SECRET_IN_USE' }
  | { readonly code: 'SECRET_NOT_REVEALABLE' }
  | { readonly code: 'POLICY_REQUIRED' }
  | { readonly code: 'AUTHORIZATIONS_FROZEN' }
  /** A default key is its user's for good. */
  | { readonly code: 'DEFAULT_KEY'; readonly field: 'ownerId' | 'actsAs' }
