// Rotation: a new secret in a slot, the old one stopping at once or after an overlap. It may shorten the life of the old
// secret and never lengthen it; otherwise rotating would be a way to keep a leaked one alive.
import { accept, type Decision, refuse } from '../event.ts'
import { earlier, type Instant, plusMs, reached, SECOND_MS } from '../instant.ts'
import { expiryOfCode } from './code-expiry.ts'
import { isLive, newestOfSlot } from './code-status.ts'
import type { RotateKey } from './commands.ts'
import { liveCount, newCode, refuseForLimit, slotsOf } from './decide-issue.ts'
import type { KeyRotated } from './events.ts'
import { refusalForSecret } from './own-secret.ts'
import type { KeyRefusal } from './refusals.ts'
import type { ActiveKey, Code } from './state.ts'

export function decideRotate(command: RotateKey, key: ActiveKey): Decision<KeyRotated, KeyRefusal> {
  const { rotationId, slot, code, overlapSeconds, now, rules } = command
  const retired = newestOfSlot(key.codes, slot)
  if (retired === undefined || retired.deletedAt !== null) return refuse({ code: 'SLOT_EMPTY', slot })
  // One that takes a live code's place adds none, so it passes even where the limit has been lowered since: a leaked
  // secret can always be replaced.
  const adds = !isLive(retired, now)
  const full = !slotsOf(rules).includes(slot) || liveCount(key.codes, now) >= rules.liveCodesMax
  if (adds && full) return refuseForLimit(rules)
  const expiry = expiryOfCode(code.expiresAt, now, rules)
  if ('refusal' in expiry) return refuse(expiry.refusal)
  const unfit = refusalForSecret(code, rules)
  if (unfit !== undefined) return refuse(unfit)
  return accept({
    type: 'key.rotated',
    data: {
      rotationId,
      retiredCodeId: retired.codeId,
      overlapEndsAt: overlapEnd(retired, overlapSeconds, now),
      replacement: newCode(code, slot, expiry.expiresAt),
    },
  })
}

/** Null where the old code opens nothing now: disabled or expired, it has nothing to overlap with. */
function overlapEnd(retired: Code, overlapSeconds: number, now: Instant): Instant | null {
  if (overlapSeconds === 0 || !retired.enabled || reached(retired.expiresAt, now)) return null
  return earlier(plusMs(now, overlapSeconds * SECOND_MS), retired.expiresAt)
}
