// What a user may do in this API, by role. What they may do in the application are their permissions, which are its own.
import type { ManagementPermission } from '../permission.ts'

export const ROLES = ['ADMINISTRATOR', 'AUDITOR', 'VERIFIER', 'MEMBER'] as const
export type Role = (typeof ROLES)[number]

const PERMISSIONS: { readonly [Name in Role]: readonly (ManagementPermission | '*')[] } = {
  ADMINISTRATOR: ['*'],
  AUDITOR: ['accounts.read', 'keys.read', 'events.read', 'logs.read'],
  VERIFIER: ['keys.verify'],
  // Only for the keys that they own: see the caller.
  MEMBER: ['keys.read', 'keys.write', 'secrets.reveal'],
}

/** Management permissions, for a MEMBER only over their own keys. */
export function permissionsOfRole(role: Role): readonly (ManagementPermission | '*')[] {
  return PERMISSIONS[role]
}

/** Application permissions of a user for whom none are given. */
export function defaultPermissionsOf(role: Role): readonly string[] {
  return role === 'ADMINISTRATOR' ? ['*'] : []
}

/**
 * All that a key can do that acts as the user: a management key opens this API, where a user may what goes with their role; any
 * other opens the application. Who was removed may nothing.
 */
export function limitOf(
  management: boolean,
  user: { readonly role: Role; readonly permissions: readonly string[]; readonly removed: boolean },
): readonly string[] {
  if (user.removed) return []
  return management ? permissionsOfRole(user.role) : user.permissions
}
