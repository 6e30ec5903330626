// Nobody mints more than they hold. Without this, a key with `keys.write` alone could make itself one with `*`, or rotate one
// that has it and take the new secret.
import { type Caller, holdsAll } from '#domain/caller.ts'
import { effectivePermissions, type Grant } from '#domain/grant.ts'
import type { KeyFact } from '#domain/key/events.ts'
import type { ExistingKey } from '#domain/key/state.ts'

type Held = Pick<ExistingKey, 'permissions' | 'policyIds'>

/** What a key will hold once these facts are true. */
export function heldAfter(key: Held, facts: readonly KeyFact[]): Held {
  return facts.reduce(
    (held, fact) =>
      fact.type === 'key.updated'
        ? {
            permissions: fact.data.permissions ?? held.permissions,
            policyIds: fact.data.policyIds ?? held.policyIds,
          }
        : held,
    key,
  )
}

/** Whether the caller holds all that a management key with these permissions and policies grants. */
export function mayMint(
  caller: Caller,
  permissions: readonly string[],
  policies: readonly Pick<Grant, 'permissions'>[],
): boolean {
  return holdsAll(caller, effectivePermissions([{ permissions }, ...policies]))
}
