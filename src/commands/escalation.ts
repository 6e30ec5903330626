// Nobody mints more than they hold. Without this, a key with `keys.write` alone could make itself one with `*`, or rotate one
// that has it and take the new secret.
import { type Caller, holdsAll } from '#domain/caller.ts'
import type { KeyFact } from '#domain/key/events.ts'
import type { ExistingKey } from '#domain/key/state.ts'

/** Whether the caller holds all that a management key will grant once these facts are true. */
export function mayMint(caller: Caller, key: Pick<ExistingKey, 'permissions'>, facts: readonly KeyFact[]): boolean {
  return holdsAll(
    caller,
    facts.reduce((permissions, fact) => grantedBy(fact) ?? permissions, key.permissions),
  )
}

function grantedBy(fact: KeyFact): readonly string[] | undefined {
  return fact.type === 'key.created' || fact.type === 'key.updated' ? fact.data.permissions : undefined
}
