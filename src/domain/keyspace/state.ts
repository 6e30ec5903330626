// What a keyspace is, folded from its stream.
import type { Recorded } from '../event.ts'
import type { Instant } from '../instant.ts'
import { invariant, unreachable } from '../invariant.ts'
import type { KeyspaceFact } from './events.ts'
import type { KeyspaceRules } from './rules.ts'

export type KeyspaceState = { readonly status: 'none' } | ActiveKeyspace | DeletedKeyspace

type Described = {
  readonly name: string
  /** Its keys are the credentials of this API. */
  readonly management: boolean
  readonly rules: KeyspaceRules
  readonly createdAt: Instant
}
export type ActiveKeyspace = Described & { readonly status: 'active' }
export type DeletedKeyspace = Described & { readonly status: 'deleted'; readonly deletedAt: Instant }

export const initialKeyspace: KeyspaceState = { status: 'none' }

export function evolveKeyspace(state: KeyspaceState, event: Recorded<KeyspaceFact>): KeyspaceState {
  if (event.type === 'keyspace.created') {
    invariant(state.status === 'none', 'a stream is created once')
    return { status: 'active', ...event.data, createdAt: event.at }
  }
  invariant(state.status === 'active', 'a keyspace that was changed exists')
  switch (event.type) {
    case 'keyspace.updated':
      return { ...state, ...event.data, rules: { ...state.rules, ...event.data.rules } }
    case 'keyspace.deleted':
      return { ...state, status: 'deleted', deletedAt: event.at }
    default:
      return unreachable(event)
  }
}
