// Nobody mints more than they hold. Without this, a key with `keys.write` alone could make itself one with `*`, or rotate one
// that has it and take the new secret.
import { holdsAll } from '#domain/caller.ts'
import { effectivePermissions, type Grant } from '#domain/grant.ts'
import type { KeyFact } from '#domain/key/events.ts'
import type { ExistingKey } from '#domain/key/state.ts'
import { permissionsOfRole } from '#domain/user/roles.ts'
import { STREAM_MOVED_ON } from '#log/append.ts'
import { type DecideStep, streamOf } from './command.ts'

export type Held = Pick<ExistingKey, 'permissions' | 'policyIds' | 'actsAsId'>

/** What a key will hold once these facts are true. */
export function heldAfter(key: Held, facts: readonly KeyFact[]): Held {
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
