// The rules of a single code: its description, its switch, its removal. The key is neither revoked nor deleted here.
import { accept, type Decision, refuse } from '../event.ts'
import { invariant } from '../invariant.ts'
import { inOverlap, isLive } from './code-status.ts'
import type { DeleteCode, DisableCode, EnableCode, RevealCode, UpdateCode } from './commands.ts'
import type { CodeDeleted, CodeDisabled, CodeEnabled, CodeRevealed, CodeUpdated } from './events.ts'
import type { KeyRefusal } from './refusals.ts'
import type { ActiveKey, Code } from './state.ts'

export function decideUpdateCode(command: UpdateCode, key: ActiveKey): Decision<CodeUpdated, KeyRefusal> {
  const { codeId, description } = command
  const code = codeOf(key, codeId)
  if (code.deletedAt !== null) return refuse({ code: 'CODE_NOT_LIVE' })
  if (description === undefined || description === code.description) return accept()
  return accept({ type: 'code.updated', data: { codeId, description } })
}

export function decideEnableCode({ codeId, now }: EnableCode, key: ActiveKey): Decision<CodeEnabled, KeyRefusal> {
  const code = codeOf(key, codeId)
  if (!isLive(code, now)) return refuse({ code: 'CODE_NOT_LIVE' })
  return code.enabled ? accept() : accept({ type: 'code.enabled', data: { codeId } })
}

export function decideDisableCode({ codeId, now }: DisableCode, key: ActiveKey): Decision<CodeDisabled, KeyRefusal> {
  const code = codeOf(key, codeId)
  const replaced = code.replacedAt !== null && code.deletedAt === null
  if (!code.enabled && (replaced || isLive(code, now))) return accept()
  if (!isLive(code, now) && !inOverlap(code, now)) return refuse({ code: 'CODE_NOT_LIVE' })
  return accept({ type: 'code.disabled', data: { codeId } })
}

export function decideDeleteCode(command: DeleteCode, key: ActiveKey): Decision<CodeDeleted, KeyRefusal> {
  const { codeId, now, rules } = command
  const code = codeOf(key, codeId)
  if (code.deletedAt !== null) return accept()
  const overlaps = inOverlap(code, now)
  // Retired codes stay visible for ever: the chain of rotations has no holes.
  if (code.replacedAt !== null && !overlaps) return refuse({ code: 'CODE_NOT_LIVE' })
  const opens = code.enabled && (overlaps || isLive(code, now))
  if (opens && rules.codeDeletion === 'WHEN_DISABLED') return refuse({ code: 'CODE_ENABLED' })
  return accept({ type: 'code.deleted', data: { codeId } })
}

/** A code in overlap is replaced: what it opens for a while yet is no reason to hand it to anybody new. */
export function decideRevealCode(command: RevealCode, key: ActiveKey): Decision<CodeRevealed, KeyRefusal> {
  const { codeId, now, rules, sealed } = command
  if (!isLive(codeOf(key, codeId), now)) return refuse({ code: 'CODE_NOT_LIVE' })
  if (rules.secretDisplay === 'ONCE' || !sealed) return refuse({ code: 'SECRET_NOT_REVEALABLE' })
  return accept({ type: 'code.revealed', data: { codeId } })
}

function codeOf(key: ActiveKey, codeId: string): Code {
  const code = key.codes.find((candidate) => candidate.codeId === codeId)
  invariant(code !== undefined, 'a code is located before it is changed')
  return code
}
