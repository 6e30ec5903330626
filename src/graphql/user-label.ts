// What to call a user where they are not shown but named.
import type { Context } from './context.ts'

/** Their display name or else their external id, as they are now. */
export async function userLabel(userId: string, loaders: Context['loaders']): Promise<string> {
  const profile = await loaders.profile.load(userId)
  return profile === null ? 'an erased user' : (profile.displayName ?? profile.externalId)
}
