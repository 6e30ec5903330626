// What must be so after any command that makes or changes a keyspace: each rule that says something of all that is in it holds for
// what was there before it, too.
import type { LocateStep } from './command.ts'
import { finished } from './completion.ts'
import { fillDefaultKeys } from './fill-default-keys.ts'
import { freezeKeys } from './freeze-keys.ts'
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
