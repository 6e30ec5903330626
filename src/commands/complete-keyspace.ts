// What must be so after any command that makes or changes a keyspace: each rule that says something of all that is in it holds for
// what was there before it, too.
import type { LocateStep, PlanStep } from './command.ts'
import { finished, planCompletion } from './completion.ts'
import { DEFAULT_KEYS, fillDefaultKeys } from './fill-default-keys.ts'
import { FREEZING, freezeKeys } from './freeze-keys.ts'
import type { Refusal } from './refusal.ts'

/** A refusal, with the command committed, where others have kept something of it from being so yet. */
export async function completeKeyspace(
  { services, origin }: Omit<LocateStep, 'transaction'>,
  { keyspaceId }: { readonly keyspaceId: string },
): Promise<Refusal | undefined> {
  const options = { keyspaceId, correlationId: origin.correlationId }
  // First: while it is not so, an edit of a policy still reaches keys that it should not.
  return (
    (await finished(() => freezeKeys(services, options))) ?? (await finished(() => fillDefaultKeys(services, options)))
  )
}

/** What that would make. */
export async function planKeyspace(step: PlanStep, { keyspaceId }: { readonly keyspaceId: string }): Promise<void> {
  await planCompletion(FREEZING, step, keyspaceId)
  await planCompletion(DEFAULT_KEYS, step, keyspaceId)
}
