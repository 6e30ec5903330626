// What a user is, folded from their stream. Nothing in it tells who they are.
import type { Recorded } from '../event.ts'
import type { Instant } from '../instant.ts'
import { invariant, unreachable } from '../invariant.ts'
import type { UserFact } from './events.ts'
import type { Role } from './roles.ts'

/** What an erased user is called where the external id of one is told: nothing would mean that there is nobody. */
export const ERASED = '(erased)'

type Described = {
  readonly role: Role
  /** In the application. */
  readonly permissions: readonly string[]
  readonly createdAt: Instant
}
export type ActiveUser = Described & { readonly status: 'active' }
export type RemovedUser = Described & {
  readonly status: 'removed'
  readonly removedAt: Instant
  /** From then on nothing tells who they were; null where it is still kept. */
  readonly erasedAt: Instant | null
}
export type UserState = { readonly status: 'none' } | ActiveUser | RemovedUser

export const initialUser: UserState = { status: 'none' }

export function evolveUser(state: UserState, event: Recorded<UserFact>): UserState {
  if (event.type === 'user.added') {
    invariant(state.status === 'none', 'a stream is created once')
    return { status: 'active', ...event.data, createdAt: event.at }
  }
  if (event.type === 'user.erased') {
    invariant(state.status === 'removed' && state.erasedAt === null, 'who is erased was removed, and is so once')
    return { ...state, erasedAt: event.at }
  }
  // Nobody comes back: who returns is added again, with an id of their own.
  invariant(state.status === 'active', 'a user that was changed is there')
  switch (event.type) {
    case 'user.updated':
      return { ...state, ...event.data }
    case 'user.removed':
      return { ...state, status: 'removed', removedAt: event.at, erasedAt: null }
    default:
      return unreachable(event)
  }
}
