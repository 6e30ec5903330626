// What a key grants, and what its secret opens.
import { overlaps, reached } from './standing.ts'
import { type Code, type EndpointRule, type Grant, type Key, keyspaceOf, type Role, type World } from './world.ts'

/** Every permission asked for, joined by AND, one of several such by OR. */
export type Wish = readonly (readonly string[])[]
export type Endpoint = { readonly method: string; readonly path: string }
export type Asked = { readonly wish: Wish | null; readonly endpoint: Endpoint | null }

/** What users may do in this API. */
export const OF_ROLE: { readonly [Name in Role]: readonly string[] } = {
  ADMINISTRATOR: ['*'],
  AUDITOR: ['accounts.read', 'keys.read', 'events.read', 'logs.read'],
  VERIFIER: ['keys.verify'],
  MEMBER: ['keys.read', 'keys.write', 'secrets.reveal'],
}

/** `*` stands for everything, at the end of a name for one or more segments. */
export function covers(granted: readonly string[], asked: string): boolean {
  return granted.some(
    (grant) => grant === '*' || grant === asked || (grant.endsWith('.*') && asked.startsWith(grant.replace(/\*$/, ''))),
  )
}

/** What both have: the narrower of two that overlap. */
export function common(some: readonly string[], others: readonly string[]): readonly string[] {
  return [...some.filter((one) => covers(others, one)), ...others.filter((one) => covers(some, one))]
}

const within = (permissions: readonly string[], limit: readonly string[] | null) =>
  limit === null ? permissions : common(permissions, limit)

/** What the policies grant now; those that are gone, nothing. */
export function grantsOfPolicies({ policies }: World, ids: readonly string[]): readonly Grant[] {
  return ids.flatMap((id) => policies.get(id) ?? []).filter(({ gone }) => !gone)
}

export function grantsOf(world: World, key: Pick<Key, 'permissions' | 'policyIds' | 'frozen'>): readonly Grant[] {
  const direct = { permissions: key.permissions, endpoints: [] }
  return [direct, ...(key.frozen ?? grantsOfPolicies(world, key.policyIds))]
}

/** What the user may whom it acts as: in this API by their role, in the application by their permissions; who is gone, nothing. */
export function limitOf(world: World, key: Key): readonly string[] | null {
  if (key.actsAsId === null) return null
  const user = world.users.get(key.actsAsId)
  if (user === undefined || user.gone) return []
  return keyspaceOf(world, key).management ? OF_ROLE[user.role] : user.permissions
}

export function effective(grants: readonly Grant[], limit: readonly string[] | null): readonly string[] {
  return [
    ...new Set(
      within(
        grants.flatMap(({ permissions }) => permissions),
        limit,
      ),
    ),
  ].sort()
}

function allows(rules: readonly EndpointRule[], { method, path }: Endpoint): boolean {
  if (/%2f|%5c|%2e|\\|\/\//i.test(path)) return false
  return rules.some((rule) => {
    const pattern = rule.path.replaceAll(/:\w+/g, '[^/]+').replaceAll('*', '.*')
    return (
      (rule.methods.includes(method) || rule.methods.includes('*')) &&
      new RegExp(`^${pattern}$`).test(path.split('?')[0] ?? '')
    )
  })
}

function suffices(grants: readonly Grant[], { wish, endpoint }: Asked, limit: readonly string[] | null): boolean {
  const everywhere = grants.filter(({ endpoints }) => endpoints.length === 0)
  const here = grants.filter(({ endpoints }) => endpoint !== null && allows(endpoints, endpoint))
  if (wish !== null) {
    const held = effective([...everywhere, ...here], limit)
    return wish.some((all) => all.every((permission) => covers(held, permission)))
  }
  if (endpoint === null) return everywhere.length === grants.length
  // Where nothing is left of what a policy grants, its rules allow nothing either.
  const opens = ({ permissions }: Grant) => permissions.length === 0 || within(permissions, limit).length > 0
  return here.some(opens) || covers(effective(everywhere, limit), '*')
}

/** What a secret of this key opens: at home, or by what a link grants. */
export function verdictOn(world: World, code: Code, key: Key, asked: Asked, granted: readonly Grant[] | null): string {
  const { now } = world
  if (key.end !== null || code.deletedAt !== null) return 'REVOKED'
  if (code.replacedAt !== null && !overlaps(code, now)) return 'REPLACED'
  if (!key.enabled || !code.enabled) return 'DISABLED'
  if (reached(key.expiresAt, now) || reached(code.expiresAt, now)) return 'EXPIRED'
  const opens =
    granted === null ? suffices(grantsOf(world, key), asked, limitOf(world, key)) : suffices(granted, asked, null)
  return opens ? 'VALID' : 'INSUFFICIENT_PERMISSIONS'
}
