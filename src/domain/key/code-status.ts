// What a code is at an instant. Rows of the database are judged by the same functions as folded states, hence the small
// structural parameters: two copies of these rules would drift apart, and one of them decides who gets in.
import { type Instant, reached } from '../instant.ts'
import type { CodeSlot } from './events.ts'

export type CodeStatus = 'VALID' | 'DISABLED' | 'EXPIRED' | 'REPLACED' | 'REVOKED' | 'DELETED'

/** All that decides whether a code is live. */
export type CodeLife = {
  readonly expiresAt: Instant | null
  readonly replacedAt: Instant | null
  readonly deletedAt: Instant | null
}

/** All of a code that a verdict depends on. */
export type CodeStanding = CodeLife & {
  readonly enabled: boolean
  readonly overlapEndsAt: Instant | null
}

/** Neither replaced, deleted nor past its own expiry, enabled or not: such a code holds its slot and counts. */
export function isLive(code: CodeLife, now: Instant): boolean {
  return code.replacedAt === null && code.deletedAt === null && !reached(code.expiresAt, now)
}

/** Replaced, and not yet past the end of the overlap. */
export function inOverlap(code: Omit<CodeStanding, 'enabled' | 'expiresAt'>, now: Instant): boolean {
  const { replacedAt, deletedAt, overlapEndsAt } = code
  return replacedAt !== null && deletedAt === null && overlapEndsAt !== null && !reached(overlapEndsAt, now)
}

/** `keyRevoked`: the key is revoked or deleted. The key's switch and expiry are the key's status, not its codes'. */
export function codeStatus(
  code: CodeLife & { readonly enabled: boolean },
  keyRevoked: boolean,
  now: Instant,
): CodeStatus {
  if (code.deletedAt !== null) return 'DELETED'
  if (keyRevoked) return 'REVOKED'
  if (code.replacedAt !== null) return 'REPLACED'
  if (!code.enabled) return 'DISABLED'
  return reached(code.expiresAt, now) ? 'EXPIRED' : 'VALID'
}

/** The last issued into the slot, whatever became of it. `codes` in the order of issue, the oldest first. */
export function newestOfSlot<C extends { readonly slot: CodeSlot }>(
  codes: readonly C[],
  slot: CodeSlot,
): C | undefined {
  return codes.findLast((code) => code.slot === slot)
}
