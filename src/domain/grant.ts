// What a key grants, and whether that is enough for what is asked. Each policy is one grant and the permissions that were given
// directly are another; the endpoint rules of a grant scope that grant and no other.
import { allowsEndpoint, type Endpoint, type EndpointRule } from './endpoint.ts'
import { covers, intersection } from './permission.ts'
import { evaluate, type PermissionExpression } from './permission-expression.ts'

export type Grant = {
  readonly permissions: readonly string[]
  /** Where the permissions hold; none: everywhere. */
  readonly endpoints: readonly EndpointRule[]
}

/** A policy as a key holds it. */
export type PolicyGrant = Grant & { readonly policyId: string }

/** What is asked of a key; null asks for nothing of the kind. */
export type Asked = { readonly permission: PermissionExpression | null; readonly endpoint: Endpoint | null }

/** What the user may do whom a key acts as, and so all that it can; null for one that acts as nobody. */
export type Limit = readonly string[] | null

/** All permissions of the grants within the limit, wherever they hold, each once and sorted. */
export function effectivePermissions(
  grants: readonly Pick<Grant, 'permissions'>[],
  limit: Limit = null,
): readonly string[] {
  const granted = grants.flatMap(({ permissions }) => permissions)
  return [...new Set(within(granted, limit))].sort()
}

/**
 * Whether the grants give what is asked for. A permission, each one of an expression by itself: a grant that has no rules or one
 * that allows the endpoint holds it. An endpoint alone: a rule allows it, or a grant without rules holds `*`. Neither: no grant
 * has rules, for whoever doesn't say where would get around them. Endpoint rules stay the key's own under a limit, but where a
 * grant's permissions lie wholly outside of it, its rules allow nothing either.
 */
export function suffices(grants: readonly Grant[], { permission, endpoint }: Asked, limit: Limit = null): boolean {
  if (permission === null && endpoint === null) return grants.every(isUnscoped)
  const unscoped = grants.filter(isUnscoped)
  const scoped = grants.filter(({ endpoints }) => endpoint !== null && allowsEndpoint(endpoints, endpoint))
  if (permission === null)
    return (
      scoped.some(({ permissions }) => permissions.length === 0 || within(permissions, limit).length > 0) ||
      unscoped.some(({ permissions }) => covers(within(permissions, limit), '*'))
    )
  const granted = [...unscoped, ...scoped].flatMap(({ permissions }) => permissions)
  return evaluate(permission, within(granted, limit))
}

function isUnscoped({ endpoints }: Grant): boolean {
  return endpoints.length === 0
}

function within(permissions: readonly string[], limit: Limit): readonly string[] {
  return limit === null ? permissions : intersection(permissions, limit)
}
