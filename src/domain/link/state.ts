// What a link is, folded from its stream. Whether its key opens anything is the key's to say.
import type { Actor } from '../actor.ts'
import type { Recorded } from '../event.ts'
import type { Instant } from '../instant.ts'
import { invariant, unreachable } from '../invariant.ts'
import type { LinkDetails, LinkFact } from './events.ts'

type Described = LinkDetails & { readonly linkedAt: Instant; readonly linkedBy: Actor }
export type ActiveLink = Described & { readonly status: 'active' }
export type EndedLink = Described & { readonly status: 'unlinked'; readonly unlinkedAt: Instant }
export type LinkState = { readonly status: 'none' } | ActiveLink | EndedLink

export const initialLink: LinkState = { status: 'none' }

export function evolveLink(state: LinkState, event: Recorded<LinkFact>): LinkState {
  if (event.type === 'key.linked') {
    invariant(state.status === 'none', 'a stream is created once')
    return { status: 'active', ...event.data, linkedAt: event.at, linkedBy: event.actor }
  }
  // None comes back: a key that is linked again has a link of its own.
  invariant(state.status === 'active', 'a link that was changed is there')
  switch (event.type) {
    case 'link.updated':
      return { ...state, ...event.data }
    case 'key.unlinked':
      return { ...state, status: 'unlinked', unlinkedAt: event.at }
    default:
      return unreachable(event)
  }
}
