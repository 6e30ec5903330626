// What a key grants: the policies it holds, and all permissions together.
import { effectivePermissions, type Limit } from '#domain/grant.ts'
import { permissionsOfRole } from '#domain/user/roles.ts'
import type { KeyRow } from '#queries/keys.ts'
import type { PolicyRow } from '#queries/policies.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { found } from './found.ts'
import { ApiKey } from './key.ts'
import { costOfList } from './limits.ts'
import { POLICIES_EXPECTED, Policy } from './policy.ts'

builder.objectFields(ApiKey, (t) => ({
  policies: t.field({
    type: [Policy],
    // Part of the key itself, like its keyspace.
    needs: 'parent',
    past: true,
    complexity: costOfList(POLICIES_EXPECTED),
    description:
      'The policies it holds, as they are now, in the order in which they were given. Where its authorizations are frozen, what ' +
      'it grants is what they were when that happened (`effectivePermissions` tells); those deleted since are left out.',
    resolve: policiesOf,
  }),
  authorizationsFrozen: t.boolean({
    needs: 'parent',
    past: true,
    description:
      'Whether its policies, its permissions and whom it acts as are fixed for good, whatever becomes of the policies or of the ' +
      'keyspace: as they were when it was created, or when its keyspace was made FROZEN, if that was later. What the user may ' +
      'whom it acts as bounds it as that is at any time.',
    resolve: ({ frozen_policies: frozen }) => frozen !== null,
  }),
  effectivePermissions: t.field({
    type: ['String'],
    needs: 'parent',
    past: true,
    complexity: 1,
    description:
      'All that it grants, directly and by its policies, sorted; where it acts as a user, no more than they may themselves. A ' +
      'permission that comes from policies with endpoint rules holds at their endpoints only.',
    resolve: async (key, _arguments, context) => {
      const [policies, limit] = await Promise.all([
        key.frozen_policies ?? policiesOf(key, _arguments, context),
        limitOf(key, context),
      ])
      return effectivePermissions([key, ...policies], limit)
    },
  }),
}))

/** By their role where the key opens this API. */
async function limitOf({ acts_as_id: userId, keyspace_id: keyspaceId }: KeyRow, { loaders }: Context): Promise<Limit> {
  if (userId === null) return null
  const [user, keyspace] = await Promise.all([loaders.user.load(userId), loaders.keyspace.load(keyspaceId)])
  if (user === null || user.removed_at !== null) return []
  return found(keyspace).management ? permissionsOfRole(user.role) : user.permissions
}

/** Of a key or a link. */
export async function policiesOf(
  { policy_ids: ids }: Pick<KeyRow, 'policy_ids'>,
  _arguments: unknown,
  { loaders }: Context,
): Promise<readonly PolicyRow[]> {
  const policies = await Promise.all(ids.map((id) => loaders.policy.load(id)))
  return policies.filter((policy): policy is PolicyRow => policy !== null && policy.deleted_at === null)
}
