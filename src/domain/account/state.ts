// What an account is, folded from its stream.
import type { Recorded } from '../event.ts'
import type { Instant } from '../instant.ts'
import { invariant, unreachable } from '../invariant.ts'
import type { AccountFact } from './events.ts'

export type AccountState =
  | { readonly status: 'none' }
  | {
      readonly status: 'active'
      readonly name: string
      readonly managementKeyspaceId: string
      readonly createdAt: Instant
    }

export const initialAccount: AccountState = { status: 'none' }

export function evolveAccount(state: AccountState, event: Recorded<AccountFact>): AccountState {
  switch (event.type) {
    case 'account.created':
      invariant(state.status === 'none', 'a stream is created once')
      return { status: 'active', ...event.data, createdAt: event.at }
    case 'account.updated':
      invariant(state.status === 'active', 'an account is created before it is updated')
      return { ...state, name: event.data.name }
    default:
      return unreachable(event)
  }
}
