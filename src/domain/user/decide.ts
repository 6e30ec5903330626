// The rules of a user: one for each external id, and no role that whoever gives it does not hold.
import { accept, type Decision, refuse } from '../event.ts'
import { invariant, unreachable } from '../invariant.ts'
import { sameValue } from '../same-value.ts'
import type { AddUser, UpdateUser, UserCommand } from './commands.ts'
import type { UserAdded, UserFact, UserUpdated } from './events.ts'
import type { UserRefusal } from './refusals.ts'
import { defaultPermissionsOf } from './roles.ts'
import type { ActiveUser, UserState } from './state.ts'

/**
 * Accepted with no facts where nothing would change. Throws where a user is added twice, or changed without being there:
 * callers answer not found first.
 */
export function decideUser(command: UserCommand, state: UserState): Decision<UserFact, UserRefusal> {
  switch (command.type) {
    case 'AddUser':
      invariant(state.status === 'none', 'a stream is created once')
      return decideAdd(command)
    case 'UpdateUser':
      invariant(state.status === 'active', 'only a user who is there is updated')
      return decideUpdate(command, state)
    case 'RemoveUser':
      invariant(state.status !== 'none', 'only an existing user is removed')
      return state.status === 'removed' ? accept() : accept({ type: 'user.removed', data: {} })
    case 'EraseUser':
      invariant(state.status !== 'none', 'only an existing user is erased')
      // Nobody is nameless and still there.
      if (state.status === 'active')
        return accept({ type: 'user.removed', data: {} }, { type: 'user.erased', data: {} })
      return state.erasedAt !== null ? accept() : accept({ type: 'user.erased', data: {} })
    default:
      return unreachable(command)
  }
}

function decideAdd(command: AddUser): Decision<UserAdded, UserRefusal> {
  const { role, permissions, externalIdTaken, callerHoldsRole } = command
  if (!callerHoldsRole) return refuse({ code: 'GRANT_EXCEEDS_CALLER' })
  if (externalIdTaken) return refuse({ code: 'NAME_IN_USE' })
  return accept({ type: 'user.added', data: { role, permissions: permissions ?? defaultPermissionsOf(role) } })
}

function decideUpdate(command: UpdateUser, user: ActiveUser): Decision<UserUpdated, UserRefusal> {
  const { role, permissions, displayNameChanges, callerHoldsRole } = command
  const data = {
    ...(role !== undefined && role !== user.role && { role }),
    ...(permissions !== undefined && !sameValue(permissions, user.permissions) && { permissions }),
  }
  if (data.role !== undefined && !callerHoldsRole) return refuse({ code: 'GRANT_EXCEEDS_CALLER' })
  if (Object.keys(data).length === 0 && !displayNameChanges) return accept()
  return accept({ type: 'user.updated', data })
}
