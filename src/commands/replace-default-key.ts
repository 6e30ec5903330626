// Whoever ends a default key makes the next one with it: nobody is ever without, and nobody ever has two.
import { invariant } from '#domain/invariant.ts'
import { streamOf } from './command.ts'
import { makeDefaultKey } from './default-keys.ts'
import type { Ended, KeyStep } from './key-command.ts'

export type EndedKey = {
  readonly keyId: string
  /** The default key that took its place. */
  readonly replacementKeyId: string | null
  readonly issuedCodeIds: readonly string[]
}

/** Of a key that nothing takes the place of. */
export function ended(keyId: string): EndedKey {
  return { keyId, replacementKeyId: null, issuedCodeIds: [] }
}

export async function replaceDefaultKey(step: KeyStep, result: EndedKey): Promise<Ended<EndedKey>> {
  const { key, rules } = step
  const userId = key.ownerId
  invariant(userId !== null, 'a default key belongs to somebody')
  invariant(streamOf(step, 'user', userId)?.state.status === 'active', 'who is removed has no default key')
  const { keyIds, issuedCodeIds, ...made } = await makeDefaultKey(step, { keyspaceId: key.keyspaceId, rules }, userId)
  return { ...made, result: { ...result, replacementKeyId: keyIds[0] ?? null, issuedCodeIds } }
}
