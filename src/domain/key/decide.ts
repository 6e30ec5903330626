// The rules of a key: which facts a command makes true, or why it may not. Each bigger command has a file of its own.
import { accept, type Decision, refuse } from '../event.ts'
import { invariant, unreachable } from '../invariant.ts'
import type { CreateKey, DeleteKey, FreezeKey, KeyCommand, RevokeKey } from './commands.ts'
import {
  decideDeleteCode,
  decideDisableCode,
  decideEnableCode,
  decideRevealCode,
  decideUpdateCode,
} from './decide-code.ts'
import { decideCreate, decideUpdate } from './decide-create.ts'
import { decideIssue } from './decide-issue.ts'
import { decideRotate } from './decide-rotate.ts'
import type { KeyDeleted, KeyFact, KeyFrozen, KeyRevoked } from './events.ts'
import type { KeyRefusal } from './refusals.ts'
import type { ActiveKey, ExistingKey, KeyState } from './state.ts'

/**
 * Accepted with no facts where the command's end has been reached already. Throws where a key is created twice, one that
 * doesn't exist is changed, or a code is named that the key never had: callers locate things first.
 */
export function decideKey(command: KeyCommand, state: KeyState): Decision<KeyFact, KeyRefusal> {
  if (command.type === 'CreateKey') {
    invariant(state.status === 'none', 'a stream is created once')
    return decideCreate(command)
  }
  invariant(state.status !== 'none', 'only an existing key is changed')
  if (command.type === 'RevokeKey') return decideRevoke(command, state)
  if (command.type === 'DeleteKey') return decideDelete(command, state)
  if (command.type === 'FreezeKey') return decideFreeze(command, state)
  // Before anything else, and for every command to come: a revocation is final.
  if (state.status === 'revoked') return refuse({ code: 'KEY_REVOKED' })
  if (state.status === 'deleted') return refuse({ code: 'KEY_DELETED' })
  return decideActive(command, state)
}

function decideActive(
  command: Exclude<KeyCommand, CreateKey | RevokeKey | DeleteKey | FreezeKey>,
  key: ActiveKey,
): Decision<KeyFact, KeyRefusal> {
  switch (command.type) {
    case 'UpdateKey':
      return decideUpdate(command, key)
    case 'EnableKey':
      return key.enabled ? accept() : accept({ type: 'key.enabled', data: {} })
    case 'DisableKey':
      return key.enabled ? accept({ type: 'key.disabled', data: {} }) : accept()
    case 'IssueCode':
      return decideIssue(command.code, key.codes, command.now, command.rules)
    case 'UpdateCode':
      return decideUpdateCode(command, key)
    case 'EnableCode':
      return decideEnableCode(command, key)
    case 'DisableCode':
      return decideDisableCode(command, key)
    case 'DeleteCode':
      return decideDeleteCode(command, key)
    case 'RevealCode':
      return decideRevealCode(command, key)
    case 'RotateKey':
      return decideRotate(command, key)
    default:
      return unreachable(command)
  }
}

/** Once and for good; what is revoked grants nothing any more. */
function decideFreeze({ rules, policies }: FreezeKey, key: ExistingKey): Decision<KeyFrozen, never> {
  if (key.status !== 'active' || key.frozenPolicies !== null || rules.authorizations !== 'FROZEN') return accept()
  return accept(...policies.map((part): KeyFrozen => ({ type: 'key.frozen', data: { frozenPolicies: part } })))
}

function decideRevoke({ reason, note }: RevokeKey, key: ExistingKey): Decision<KeyRevoked, never> {
  return key.status === 'active' ? accept({ type: 'key.revoked', data: { reason, note } }) : accept()
}

function decideDelete({ reason, note }: DeleteKey, key: ExistingKey): Decision<KeyRevoked | KeyDeleted, never> {
  const deleted: KeyDeleted = { type: 'key.deleted', data: {} }
  switch (key.status) {
    case 'active':
      return accept<KeyRevoked | KeyDeleted>({ type: 'key.revoked', data: { reason, note } }, deleted)
    case 'revoked':
      return accept(deleted)
    case 'deleted':
      return accept()
    default:
      return unreachable(key)
  }
}
