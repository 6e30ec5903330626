// The rules about the rules: what a keyspace may be made to be, and what a management keyspace may not.
import { accept, type Decision, refuse } from '../event.ts'
import { invariant, unreachable } from '../invariant.ts'
import { differs } from '../same-value.ts'
import type { CreateKeyspace, DeleteKeyspace, KeyspaceCommand, UpdateKeyspace } from './commands.ts'
import type { KeyspaceCreated, KeyspaceDeleted, KeyspaceFact, KeyspaceUpdated } from './events.ts'
import type { KeyspaceRefusal } from './refusals.ts'
import { checkChanges, checkPrefix, checkRules } from './rule-check.ts'
import { type KeyspaceRules, MANAGEMENT_RULES_EDITABLE } from './rules.ts'
import type { ActiveKeyspace, DeletedKeyspace, KeyspaceState } from './state.ts'

/**
 * Accepted with no facts where nothing would change. Throws where a keyspace is created twice, or changed without being
 * there: callers answer not found first.
 */
export function decideKeyspace(
  command: KeyspaceCommand,
  state: KeyspaceState,
): Decision<KeyspaceFact, KeyspaceRefusal> {
  switch (command.type) {
    case 'CreateKeyspace':
      invariant(state.status === 'none', 'a stream is created once')
      return decideCreate(command)
    case 'UpdateKeyspace':
      invariant(state.status === 'active', 'only an existing keyspace is updated')
      return decideUpdate(command, state)
    case 'DeleteKeyspace':
      invariant(state.status !== 'none', 'only an existing keyspace is deleted')
      return decideDelete(command, state)
    default:
      return unreachable(command)
  }
}

function decideCreate(command: CreateKeyspace): Decision<KeyspaceCreated, KeyspaceRefusal> {
  const { name, management, rules, nameTaken } = command
  if (nameTaken) return refuse({ code: 'NAME_IN_USE' })
  const broken = checkRules(rules) ?? (management ? undefined : checkPrefix(rules))
  if (broken !== undefined) return refuse({ code: 'INVALID_RULE', ...broken })
  return accept({ type: 'keyspace.created', data: { name, management, rules } })
}

function decideUpdate(command: UpdateKeyspace, keyspace: ActiveKeyspace): Decision<KeyspaceUpdated, KeyspaceRefusal> {
  const { name } = command
  const renamed = differs(name, keyspace.name)
  const changed = changedRules(keyspace.rules, command.rules ?? {})
  const changedNames = Object.keys(changed)
  if (!renamed && changedNames.length === 0) return accept()

  if (keyspace.management) {
    // Its keys are this API's credentials, those with every right among them: who may do less doesn't set their terms.
    const editable: readonly string[] = MANAGEMENT_RULES_EDITABLE
    if (!changedNames.every((rule) => editable.includes(rule))) return refuse({ code: 'MANAGEMENT_KEYSPACE' })
    if (!command.callerHoldsAll) return refuse({ code: 'GRANT_EXCEEDS_CALLER' })
  }
  if (renamed && command.nameTaken) return refuse({ code: 'NAME_IN_USE' })
  const broken = checkChanges(keyspace.rules, changed) ?? checkPrefix(changed)
  if (broken !== undefined) return refuse({ code: 'INVALID_RULE', ...broken })
  return accept({
    type: 'keyspace.updated',
    data: { ...(renamed && { name }), ...(changedNames.length > 0 && { rules: changed }) },
  })
}

function decideDelete(
  { inhabited }: DeleteKeyspace,
  keyspace: ActiveKeyspace | DeletedKeyspace,
): Decision<KeyspaceDeleted, KeyspaceRefusal> {
  if (keyspace.status === 'deleted') return accept()
  // Without it nobody could hold a credential of the account again.
  if (keyspace.management) return refuse({ code: 'MANAGEMENT_KEYSPACE' })
  if (inhabited) return refuse({ code: 'KEYSPACE_NOT_EMPTY' })
  return accept({ type: 'keyspace.deleted', data: {} })
}

/** The rules that would really change. */
function changedRules(before: KeyspaceRules, asked: Partial<KeyspaceRules>): Partial<KeyspaceRules> {
  const standing = new Map<string, unknown>(Object.entries(before))
  return Object.fromEntries(Object.entries(asked).filter(([rule, value]) => differs(value, standing.get(rule))))
}
