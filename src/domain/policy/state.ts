// What a policy is, folded from its stream.
import type { Recorded } from '../event.ts'
import type { Instant } from '../instant.ts'
import { invariant, unreachable } from '../invariant.ts'
import type { PolicyDetails, PolicyFact } from './events.ts'

export type ActivePolicy = PolicyDetails & { readonly status: 'active'; readonly createdAt: Instant }
export type DeletedPolicy = PolicyDetails & {
  readonly status: 'deleted'
  readonly createdAt: Instant
  readonly deletedAt: Instant
}
export type PolicyState = { readonly status: 'none' } | ActivePolicy | DeletedPolicy

export const initialPolicy: PolicyState = { status: 'none' }

export function evolvePolicy(state: PolicyState, event: Recorded<PolicyFact>): PolicyState {
  if (event.type === 'policy.created') {
    invariant(state.status === 'none', 'a stream is created once')
    return { status: 'active', ...event.data, createdAt: event.at }
  }
  invariant(state.status === 'active', 'a policy that was changed exists')
  switch (event.type) {
    case 'policy.updated':
      return { ...state, ...event.data }
    case 'policy.deleted':
      return { ...state, status: 'deleted', deletedAt: event.at }
    default:
      return unreachable(event)
  }
}
