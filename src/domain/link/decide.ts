// The rules of a link: only of another account's key, one for each key, and never without a policy, for a link grants nothing
// but what its policies do.
import { accept, type Decision, refuse } from '../event.ts'
import { invariant, unreachable } from '../invariant.ts'
import { sameValue } from '../same-value.ts'
import type { LinkCommand, LinkKey } from './commands.ts'
import type { KeyLinked, LinkFact } from './events.ts'
import type { LinkRefusal } from './refusals.ts'
import type { LinkState } from './state.ts'

/**
 * Accepted with no facts where nothing would change. Throws where a link is made twice, or changed without being there: callers
 * answer not found first.
 */
export function decideLink(command: LinkCommand, state: LinkState): Decision<LinkFact, LinkRefusal> {
  switch (command.type) {
    case 'LinkKey':
      invariant(state.status === 'none', 'a stream is created once')
      return decideLinkKey(command)
    case 'UpdateLink': {
      invariant(state.status === 'active', 'only a link that is there is updated')
      const { policyIds } = command
      if (policyIds.length === 0) return refuse({ code: 'POLICY_REQUIRED' })
      return sameValue(policyIds, state.policyIds) ? accept() : accept({ type: 'link.updated', data: { policyIds } })
    }
    case 'UnlinkKey':
      invariant(state.status !== 'none', 'only an existing link is ended')
      return state.status === 'unlinked' ? accept() : accept({ type: 'key.unlinked', data: {} })
    default:
      return unreachable(command)
  }
}

function decideLinkKey({ details, ownKey, alreadyLinked }: LinkKey): Decision<KeyLinked, LinkRefusal> {
  if (details.policyIds.length === 0) return refuse({ code: 'POLICY_REQUIRED' })
  if (ownKey) return refuse({ code: 'LINK_TO_OWN_KEY' })
  if (alreadyLinked) return refuse({ code: 'ALREADY_LINKED' })
  return accept({ type: 'key.linked', data: details })
}
