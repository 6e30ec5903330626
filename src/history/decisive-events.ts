// Which events decided a verdict: those that made so what the judge stopped at, or, where it stopped at nothing, what it let in by.
import { reached } from '#domain/instant.ts'
import type { Judged } from './judged.ts'
import type { PastEvent } from './past-streams.ts'
import { givenBy, takenBy } from './turning.ts'

/** In the order in which they happened. Of a key that is let in by a link, none of its own account's. */
export function decisiveEvents(judged: Judged): readonly PastEvent[] {
  const accountId = judged.matched.link?.accountId ?? judged.matched.accountId
  const events = decisive(judged).filter((event) => event !== null && event.account_id === accountId)
  const byId = new Map(events.map((event) => [event?.event_id, event]))
  return [...byId.values()].filter((event) => event !== null).toSorted((a, b) => (a.position < b.position ? -1 : 1))
}

function decisive(judged: Judged): readonly (PastEvent | null)[] {
  const { matched, evidence, code, now } = judged
  const { changedBy } = evidence.key
  switch (code) {
    case 'REVOKED':
      return matched.key.revokedAt === null ? [changedBy.codeDeleted] : [changedBy.ended, changedBy.deleted]
    case 'REPLACED':
      return [changedBy.replaced, changedBy.overlapEndsAt]
    case 'DISABLED':
      return [matched.key.enabled ? null : changedBy.enabled, matched.code.enabled ? null : changedBy.codeEnabled]
    case 'EXPIRED':
      return [
        reached(matched.key.expiresAt, now) ? changedBy.expiresAt : null,
        reached(matched.code.expiresAt, now) ? changedBy.issued : null,
      ]
    case 'UPSTREAM_USER_REQUIRED':
      return [(evidence.link === null ? evidence.keyspace : evidence.link.into)?.changedBy.upstreamUserRequired ?? null]
    case 'INSUFFICIENT_PERMISSIONS':
      return lacking(judged)
    default:
      return [
        ...[changedBy.issued, changedBy.enabled, changedBy.codeEnabled, changedBy.replaced],
        evidence.link?.link.changedBy.linked ?? null,
        ...givenBy(judged),
      ]
  }
}

/** What took the right away; of a key that never had it all that gave it what it had. */
function lacking(judged: Judged): readonly (PastEvent | null)[] {
  const taken = takenBy(judged)
  return taken === null ? grantedBy(judged) : [taken]
}

function grantedBy({ matched, evidence }: Judged): readonly (PastEvent | null)[] {
  const policies = evidence.policies.map(({ changedBy }) => changedBy.grant)
  if (evidence.link !== null) {
    const { linked, policyIds } = evidence.link.link.changedBy
    return [linked, policyIds, ...policies]
  }
  const { permissions, policyIds, frozenPolicies, actsAsId } = evidence.key.changedBy
  const user = evidence.user?.changedBy
  const limit = (matched.management ? user?.role : user?.permissions) ?? null
  const frozen = isFrozen(evidence.key.stream.state)
  return [permissions, policyIds, frozenPolicies, actsAsId, limit, user?.removed ?? null, ...(frozen ? [] : policies)]
}

function isFrozen(state: Judged['evidence']['key']['stream']['state']): boolean {
  return state.status !== 'none' && state.frozenPolicies !== null
}
