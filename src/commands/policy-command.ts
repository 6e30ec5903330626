// What the commands about policies have in common: their input rules, how a policy is found, how names stay unique, and who
// holds one.
import { z } from 'zod'
import { statement } from '#database/connect.ts'
import { faultOfRulePath, isRuleMethod } from '#domain/endpoint.ts'
import type { Limit } from '#domain/grant.ts'
import { kindOf, shardOf } from '#domain/ids.ts'
import { invariant } from '#domain/invariant.ts'
import type { Stream } from '#domain/streams.ts'
import { permissionsOfRole, type Role } from '#domain/user/roles.ts'
import { type DecideStep, type LocateStep, streamOf } from './command.ts'
import { descriptionInput } from './input.ts'

const ENDPOINTS_MAX = 32
const METHODS_MAX = 10

const methodInput = z
  .string()
  .refine(isRuleMethod, 'must be a method in upper case of at most 20 characters, or * for every method')

const rulePathInput = z.string().superRefine((path, issues) => {
  const fault = faultOfRulePath(path)
  if (fault !== undefined) issues.addIssue({ code: 'custom', message: fault })
})

const ruleInput = z.object({
  methods: z
    .array(methodInput)
    .min(1, 'must be at least one method, or * for every method')
    .max(METHODS_MAX, `must be at most ${METHODS_MAX} methods; * stands for all`)
    .refine((methods) => new Set(methods).size === methods.length, 'must not hold a method twice'),
  path: rulePathInput,
})

export const endpointsInput = z
  .array(ruleInput, { error: 'must be a list of endpoint rules' })
  .max(ENDPOINTS_MAX, `must be at most ${ENDPOINTS_MAX} endpoint rules`)

export const policyDescriptionInput = descriptionInput.refine((text) => text.trim() !== '', 'must not be blank')

/** The account a policy lies in, which never changes. Read from the log: state tables are locked in an order of their own. */
export async function accountOfPolicy({ transaction }: LocateStep, policyId: string): Promise<string | undefined> {
  if (kindOf(policyId) !== 'pol') return undefined
  const [row] = await transaction.run(
    statement<{ account_id: string }>('SELECT account_id FROM log.stream WHERE shard = $1 AND stream_id = $2', [
      shardOf(policyId),
      policyId,
    ]),
  )
  return row?.account_id
}

export function policyStreamOf(step: DecideStep, policyId: string): Stream<'policy'> {
  const stream = streamOf(step, 'policy', policyId)
  invariant(stream !== undefined, 'a located policy is locked')
  return stream
}

/** Whether another policy bears the name. Exact, because whoever names one holds the account's lock. */
export async function isPolicyNameTaken(step: DecideStep, name: string, butBy: string | null): Promise<boolean> {
  const rows = await step.transaction.run(
    statement(
      `SELECT 1 FROM state.policy WHERE shard = $1 AND account_id = $2 AND name = $3 AND deleted_at IS NULL
          AND policy_id IS DISTINCT FROM $4`,
      [step.shard, step.accountId, name, butBy],
    ),
  )
  return rows.length > 0
}

/**
 * Whether a link holds the policy, or an unrevoked key that grants what it grants now: a frozen key keeps what it has. Exact under
 * the policy's exclusive lock, because whoever gives it holds it shared. Whatever else comes to hold policies is asked here.
 */
export async function isPolicyHeld(step: DecideStep, policyId: string): Promise<boolean> {
  const rows = await step.transaction.run(
    statement(
      `(SELECT 1 FROM state.key WHERE shard = $1 AND account_id = $2 AND policy_ids @> ARRAY[$3]
           AND revoked_at IS NULL AND frozen_policies IS NULL LIMIT 1)
       UNION ALL
       (SELECT 1 FROM state.link WHERE shard = $1 AND account_id = $2 AND policy_ids @> ARRAY[$3]
           AND unlinked_at IS NULL LIMIT 1)`,
      [step.shard, step.accountId, policyId],
    ),
  )
  return rows.length > 0
}

/** Permissions, and what the users may do in this API as whom keys with these act; null: the keys act as nobody. */
export type GrantedBeside = { readonly permissions: readonly string[]; readonly limit: Limit }

/**
 * What the unrevoked management keys that hold the policy grant beside it, together for those under the same limit; none where
 * none holds it. Exact under the locks of the policy and the account: no other policy of the account is edited meanwhile. Roles
 * need no lock: whoever raises one must hold it, and so all that such keys can then do.
 */
export async function grantedBesidePolicy(step: DecideStep, policyId: string): Promise<readonly GrantedBeside[]> {
  // Tables in the order in which everyone locks them: see #state/rebuild.ts.
  const rows = await step.transaction.run(
    statement<{ permission: string | null; limited: boolean; role: Role | null }>(
      `SELECT DISTINCT granted.permission, k.acts_as_id IS NOT NULL AS limited, u.role
         FROM state.keyspace s
         JOIN state.key k ON k.shard = s.shard AND k.keyspace_id = s.keyspace_id
         LEFT JOIN LATERAL (
           SELECT unnest(k.permissions) AS permission
            UNION ALL
           SELECT unnest(p.permissions) FROM state.policy p
            WHERE p.shard = k.shard AND p.policy_id = ANY (k.policy_ids) AND p.policy_id <> $3) AS granted ON true
         LEFT JOIN state.user u ON u.shard = k.shard AND u.user_id = k.acts_as_id AND u.removed_at IS NULL
        WHERE s.shard = $1 AND s.account_id = $2 AND s.management AND k.policy_ids @> ARRAY[$3] AND k.revoked_at IS NULL`,
      [step.shard, step.accountId, policyId],
    ),
  )
  const byLimit = Map.groupBy(rows, ({ limited, role }) => (limited ? `as ${role}` : ''))
  return [...byLimit.values()].map((alike) => {
    const [{ limited, role } = { limited: false, role: null }] = alike
    return {
      permissions: alike.flatMap(({ permission }) => permission ?? []),
      limit: limited ? (role === null ? [] : permissionsOfRole(role)) : null,
    }
  })
}
