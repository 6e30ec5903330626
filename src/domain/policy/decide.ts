// The rules of a policy: its name is its own, and what relies on it is not left without it.
import { accept, type Decision, refuse } from '../event.ts'
import { invariant, unreachable } from '../invariant.ts'
import { differs } from '../same-value.ts'
import type { DeletePolicy, PolicyCommand, UpdatePolicy } from './commands.ts'
import type { PolicyDeleted, PolicyFact, PolicyUpdated } from './events.ts'
import type { PolicyRefusal } from './refusals.ts'
import type { ActivePolicy, DeletedPolicy, PolicyState } from './state.ts'

/**
 * Accepted with no facts where nothing would change. Throws where a policy is created twice, or changed without being there:
 * callers answer not found first.
 */
export function decidePolicy(command: PolicyCommand, state: PolicyState): Decision<PolicyFact, PolicyRefusal> {
  switch (command.type) {
    case 'CreatePolicy':
      invariant(state.status === 'none', 'a stream is created once')
      if (command.nameTaken) return refuse({ code: 'NAME_IN_USE' })
      return accept({ type: 'policy.created', data: command.details })
    case 'UpdatePolicy':
      invariant(state.status === 'active', 'only an existing policy is updated')
      return decideUpdate(command, state)
    case 'DeletePolicy':
      invariant(state.status !== 'none', 'only an existing policy is deleted')
      return decideDelete(command, state)
    default:
      return unreachable(command)
  }
}

function decideUpdate(command: UpdatePolicy, policy: ActivePolicy): Decision<PolicyUpdated, PolicyRefusal> {
  const { name, description, permissions, endpoints } = command.details
  const data = {
    ...(differs(name, policy.name) && { name }),
    ...(differs(description, policy.description) && { description }),
    ...(differs(permissions, policy.permissions) && { permissions }),
    ...(differs(endpoints, policy.endpoints) && { endpoints }),
  }
  if (data.name !== undefined && command.nameTaken) return refuse({ code: 'NAME_IN_USE' })
  return Object.keys(data).length === 0 ? accept() : accept({ type: 'policy.updated', data })
}

function decideDelete(
  { inUse }: DeletePolicy,
  policy: ActivePolicy | DeletedPolicy,
): Decision<PolicyDeleted, PolicyRefusal> {
  if (policy.status === 'deleted') return accept()
  if (inUse) return refuse({ code: 'POLICY_IN_USE' })
  return accept({ type: 'policy.deleted', data: {} })
}
