// What a key is at an instant: as shown, and as counted. For folded states and database rows alike.
import { type Instant, reached } from '../instant.ts'
import type { ExistingKey } from './state.ts'

export type KeyStatus = 'ACTIVE' | 'DISABLED' | 'EXPIRED' | 'REVOKED' | 'DELETED'

/** All of a key that its status depends on. */
export type KeyStanding = {
  readonly enabled: boolean
  readonly expiresAt: Instant | null
  readonly revokedAt: Instant | null
  readonly deletedAt: Instant | null
}

export function standingOf(key: ExistingKey): KeyStanding {
  return {
    enabled: key.enabled,
    expiresAt: key.expiresAt,
    revokedAt: key.status === 'active' ? null : key.revocation.at,
    deletedAt: key.status === 'deleted' ? key.deletedAt : null,
  }
}

export function keyStatus(key: KeyStanding, now: Instant): KeyStatus {
  if (key.deletedAt !== null) return 'DELETED'
  if (key.revokedAt !== null) return 'REVOKED'
  if (!key.enabled) return 'DISABLED'
  return reached(key.expiresAt, now) ? 'EXPIRED' : 'ACTIVE'
}

/** Counted by activeKeysMax. Disabled keys count: switching them off and on must not be a way around the limit. */
export function isActive(key: Omit<KeyStanding, 'enabled'>, now: Instant): boolean {
  return key.revokedAt === null && key.deletedAt === null && !reached(key.expiresAt, now)
}
