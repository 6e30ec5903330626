// The rules of an account.
import { accept, type Decision } from '../event.ts'
import { invariant, unreachable } from '../invariant.ts'
import type { AccountCommand } from './commands.ts'
import type { AccountFact } from './events.ts'
import type { AccountState } from './state.ts'

export function decideAccount(command: AccountCommand, state: AccountState): Decision<AccountFact, never> {
  switch (command.type) {
    case 'CreateAccount': {
      invariant(state.status === 'none', 'a stream is created once')
      const { name, managementKeyspaceId } = command
      return accept({ type: 'account.created', data: { name, managementKeyspaceId } })
    }
    case 'UpdateAccount':
      invariant(state.status === 'active', 'only an existing account is updated')
      if (command.name === undefined || command.name === state.name) return accept()
      return accept({ type: 'account.updated', data: { name: command.name } })
    default:
      return unreachable(command)
  }
}
