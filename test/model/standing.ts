// What keys and codes are at an instant, by themselves: whatever they grant.
import type { Code, Key, Slot, World } from './world.ts'

export const reached = (end: number | null, now: number) => end !== null && now >= end

export function isLive(code: Code, now: number): boolean {
  return code.replacedAt === null && code.deletedAt === null && !reached(code.expiresAt, now)
}

export function overlaps(code: Code, now: number): boolean {
  return code.replacedAt !== null && code.deletedAt === null && code.overlapEndsAt !== null && now < code.overlapEndsAt
}

export function newestIn(key: Key, slot: Slot): Code | undefined {
  return key.codes.findLast((code) => code.slot === slot)
}

export function keyStatus({ end, enabled, expiresAt }: Key, now: number): string {
  if (end !== null) return end
  if (!enabled) return 'DISABLED'
  return reached(expiresAt, now) ? 'EXPIRED' : 'ACTIVE'
}

export function codeStatus(code: Code, key: Key, now: number): string {
  if (code.deletedAt !== null) return 'DELETED'
  if (key.end !== null) return 'REVOKED'
  if (code.replacedAt !== null) return 'REPLACED'
  if (!code.enabled) return 'DISABLED'
  return reached(code.expiresAt, now) ? 'EXPIRED' : 'VALID'
}

/** Each slot's newest code unless deleted, then those in overlap, PRIMARY before SECONDARY in both. */
export function shownCodes(key: Key, now: number): readonly Code[] {
  const slots = ['PRIMARY', 'SECONDARY'] as const
  const newest = slots.flatMap((slot) => newestIn(key, slot) ?? [])
  const overlapping = slots.flatMap((slot) => key.codes.filter((code) => code.slot === slot && overlaps(code, now)))
  return [...newest.filter((code) => code.deletedAt === null), ...overlapping]
}

export function activeKeys(world: World, keyspaceId: string): number {
  const isActive = ({ end, expiresAt }: Key) => end === null && !reached(expiresAt, world.now)
  return [...world.keys.values()].filter((key) => key.keyspaceId === keyspaceId && isActive(key)).length
}

/** Its end, and that of all that was kept of its secrets. */
export function endKey(key: Key, end: 'REVOKED' | 'DELETED'): void {
  key.end = end
  key.isDefault = false
  for (const code of key.codes) code.kept = false
}
