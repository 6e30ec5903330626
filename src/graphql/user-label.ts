// What to call a user where they are not shown but named.
import type { Context } from './context.ts'

/** In the place of the name of somebody of whom nothing is kept. */
export const ERASED_USER = 'an erased user'

/** Their display name or else their external id, as they are now. */
export async function userLabel(userId: string, loaders: Context['loaders']): Promise<string> {
  const profile = await loaders.profile.load(userId)
  return profile === null ? ERASED_USER : (profile.displayName ?? profile.externalId)
}
