// Which codes an event has retired: what was kept of them to be shown again is destroyed with it.
import { newestOfSlot } from './code-status.ts'
import type { Code, KeyState } from './state.ts'

/** Ids of the codes that may still have had a secret to show before, and have none after. */
export function newlyRetired(before: KeyState, after: KeyState): readonly string[] {
  const kept = new Set(keeping(after))
  return keeping(before).filter((codeId) => !kept.has(codeId))
}

/**
 * Not of a revoked key, not deleted, and the newest of its slot: neither replaced, whatever overlap may run, nor expired and
 * followed by another. One that has only expired may be kept, and is not shown.
 */
function keeping(key: KeyState): readonly string[] {
  if (key.status !== 'active') return []
  const keeps = (code: Code) => code.deletedAt === null && newestOfSlot(key.codes, code.slot) === code
  return key.codes.filter(keeps).map(({ codeId }) => codeId)
}
