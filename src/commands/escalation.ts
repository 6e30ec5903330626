// Nobody mints more than they hold. Without this, a key with `keys.write` alone could make itself one with `*`, or rotate one
// that has it and take the new secret.
import { holdsAll } from '#domain/caller.ts'
import { effectivePermissions, type Grant, type PolicyGrant } from '#domain/grant.ts'
import type { KeyDetails, KeyFact } from '#domain/key/events.ts'
import type { ExistingKey } from '#domain/key/state.ts'
import { mayGive, mayHold } from '#domain/member.ts'
import { covers } from '#domain/permission.ts'
import { permissionsOfRole } from '#domain/user/roles.ts'
import { STREAM_MOVED_ON } from '#log/append.ts'
import { type DecideStep, streamOf } from './command.ts'
import { policiesIn } from './held-policies.ts'

/** What only says what a key is, or how its uses are kept: none of it opens anything. */
const DESCRIBES: { readonly [Detail in keyof KeyDetails]: boolean } = {
  name: true,
  description: true,
  tags: true,
  metadata: true,
  logging: true,
  policyIds: false,
  permissions: false,
  ownerId: false,
  actsAsId: false,
  // Unless it comes earlier.
  expiresAt: false,
}

/** Whether this fact may give, renew, revive or strengthen a credential of the key, as against describing it or ending it sooner. */
export function strengthens({ expiresAt: before }: ExistingKey, fact: KeyFact): boolean {
  if (fact.type !== 'key.updated') return true
  const { expiresAt: after, ...rest } = fact.data
  const isLater = after !== undefined && (after === null || (before !== null && after > before))
  return isLater || Object.keys(rest).some((detail) => !DESCRIBES[detail as keyof KeyDetails])
}

type Held = Pick<ExistingKey, 'permissions' | 'policyIds' | 'actsAsId'>

/** Whether the caller holds all that a management key will grant once these facts are true. */
export function mayStrengthen(step: DecideStep, key: ExistingKey, facts: readonly KeyFact[]): boolean {
  const held = heldAfter(key, facts)
  return mayMint(step, held, key.frozenPolicies ?? policiesOf(step, held.policyIds))
}

/** Whether a MEMBER may have the credential that a key of an application will be once these facts are true. */
export function mayHoldAfter(step: DecideStep, key: ExistingKey, facts: readonly KeyFact[]): boolean {
  const { permissions, policyIds, actsAsId } = heldAfter(key, facts)
  const policies = key.frozenPolicies ?? policiesOf(step, policyIds)
  return mayHold(step.origin.caller, actsAsId, [{ permissions, endpoints: [] }, ...policies])
}

/** Whether a MEMBER may give a key what it gets by these facts beyond what it has. */
export function mayGiveBy(step: DecideStep, key: ExistingKey, facts: readonly KeyFact[]): boolean {
  const held = heldAfter(key, facts)
  const permissions = held.permissions.filter((permission) => !covers(key.permissions, permission))
  const policies = policiesOf(
    step,
    held.policyIds.filter((id) => !key.policyIds.includes(id)),
  )
  return mayGive(step.origin.caller, [{ permissions, endpoints: [] }, ...policies])
}

/** What a key will hold once these facts are true. */
function heldAfter(key: Held, facts: readonly KeyFact[]): Held {
  return facts.reduce(
    (held, fact) =>
      fact.type === 'key.updated'
        ? {
            permissions: fact.data.permissions ?? held.permissions,
            policyIds: fact.data.policyIds ?? held.policyIds,
            actsAsId: fact.data.actsAsId === undefined ? held.actsAsId : fact.data.actsAsId,
          }
        : held,
    key,
  )
}

/**
 * Whether the caller holds all that a management key with these permissions and policies grants: no more than the user may
 * whom it acts as, and everything where it acts as nobody. Whoever raises that user's role must hold the new one themselves.
 */
export function mayMint(
  step: DecideStep,
  { permissions, actsAsId }: Pick<Held, 'permissions' | 'actsAsId'>,
  policies: readonly Pick<Grant, 'permissions'>[],
): boolean {
  const limit = actsAsId === null ? null : permissionsOf(step, actsAsId)
  return holdsAll(step.origin.caller, effectivePermissions([{ permissions }, ...policies], limit))
}

/** Of a user's role. Starts the command over where the key came to act as them between looking and locking. */
function permissionsOf(step: DecideStep, userId: string): readonly string[] {
  const user = streamOf(step, 'user', userId)?.state
  if (user === undefined)
    throw Object.assign(new Error('The key was made to act as a user meanwhile'), { code: STREAM_MOVED_ON })
  return user.status === 'active' ? permissionsOfRole(user.role) : []
}

/** Starts the command over where the key got another policy between looking and locking. */
function policiesOf(step: DecideStep, policyIds: readonly string[]): readonly PolicyGrant[] {
  const held = policiesIn(step, policyIds)
  if ('missing' in held)
    throw Object.assign(new Error('The key was given a policy meanwhile'), { code: STREAM_MOVED_ON })
  return held.policies
}
