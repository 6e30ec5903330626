// When a new code expires, the same for codes made with a key, issued and rotated in.
import { DAY_MS, type Instant, plusMs } from '../instant.ts'
import type { KeyspaceRules } from '../keyspace/rules.ts'
import type { KeyRefusal } from './refusals.ts'

/**
 * The expiry of a code made at `now`, null for never. `asked` absent takes the keyspace's default; refused with
 * EXPIRY_REQUIRED where there is none to take, EXPIRY_OUT_OF_RANGE where it is past or too late.
 */
export function expiryOfCode(
  asked: Instant | null | undefined,
  now: Instant,
  rules: KeyspaceRules,
): { readonly expiresAt: Instant | null } | { readonly refusal: KeyRefusal } {
  const { codeLifetimeDays, codeLifetimeDaysMax, expiryRequired } = rules
  if (asked === undefined) {
    if (expiryRequired) return { refusal: { code: 'EXPIRY_REQUIRED' } }
    return { expiresAt: plusDays(now, codeLifetimeDays ?? codeLifetimeDaysMax) }
  }
  const latest = plusDays(now, codeLifetimeDaysMax)
  const inRange = asked === null ? latest === null : asked > now && (latest === null || asked <= latest)
  return inRange ? { expiresAt: asked } : { refusal: { code: 'EXPIRY_OUT_OF_RANGE', latest } }
}

function plusDays(now: Instant, days: number | null): Instant | null {
  return days === null ? null : plusMs(now, days * DAY_MS)
}
