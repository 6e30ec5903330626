// Who calls this API, and what they may do. Denials are the one "no" that is thrown: they cut a request off before there
// is a command that could be refused.
import type { Actor, Credential } from './actor.ts'
import { unreachable } from './invariant.ts'
import { covers, coversAll, intersection, type ManagementPermission } from './permission.ts'
import { permissionsOfRole, type Role } from './user/roles.ts'

export type Caller =
  | { readonly kind: 'ROOT' }
  /** A key of a management keyspace; `accountId` is the account it belongs to and all it can see. */
  | {
      readonly kind: 'KEY'
      readonly keyId: string
      /** That of its codes which was presented. */
      readonly codeId: string
      readonly accountId: string
      readonly permissions: readonly string[]
    }
  | UserCaller

/** A user of the account's directory, who proved it by themselves or calls by a management key that acts as them. */
export type UserCaller = {
  readonly kind: 'USER'
  readonly userId: string
  /** The management key by which they call; null where they have proved by themselves who they are. */
  readonly by: Credential | null
  readonly accountId: string
  readonly role: Role
  /** In this API. Those of a MEMBER are for the keys that they own. */
  readonly permissions: readonly string[]
  /** In the application: all that a MEMBER may give to a key. */
  readonly applicationPermissions: readonly string[]
}

/** A user as they are now. */
export type ActingUser = {
  readonly userId: string
  readonly accountId: string
  readonly role: Role
  /** In the application. */
  readonly permissions: readonly string[]
  readonly removed: boolean
}

/**
 * The caller that a user is; undefined for who has been removed. `granted` is what the management key grants by which they call:
 * then they may do what both may. Null where they have proved by themselves who they are.
 */
export function callerOfUser(
  user: ActingUser,
  by: (Credential & { readonly granted: readonly string[] }) | null,
): UserCaller | undefined {
  if (user.removed) return undefined
  const { userId, accountId, role, permissions: applicationPermissions } = user
  const ofRole = permissionsOfRole(role)
  const permissions = by === null ? ofRole : intersection(ofRole, by.granted)
  const credential = by && { keyId: by.keyId, codeId: by.codeId }
  return { kind: 'USER', userId, by: credential, accountId, role, permissions, applicationPermissions }
}

/** Whether the caller has the permission; which account it is about is asked elsewhere. */
export function mayDo(caller: Caller, permission: ManagementPermission): boolean {
  return caller.kind === 'ROOT' || covers(caller.permissions, permission)
}

/** Nobody mints more than they hold: whether the caller has all that a credential would grant. */
export function holdsAll(caller: Caller, permissions: readonly string[]): boolean {
  return caller.kind === 'ROOT' || coversAll(caller.permissions, permissions)
}

export function actorOf(caller: Caller): Actor {
  switch (caller.kind) {
    case 'ROOT':
      return { kind: 'ROOT', id: null }
    case 'KEY':
      return { kind: 'KEY', id: caller.keyId }
    case 'USER':
      return { kind: 'USER', id: caller.userId }
    default:
      return unreachable(caller)
  }
}

/** Null for the root key, and for users who have proved by themselves who they are. */
export function credentialOf(caller: Caller): Credential | null {
  switch (caller.kind) {
    case 'ROOT':
      return null
    case 'KEY':
      return { keyId: caller.keyId, codeId: caller.codeId }
    case 'USER':
      return caller.by
    default:
      return unreachable(caller)
  }
}

const DENIALS = {
  UNAUTHENTICATED: 'Valid credentials are required.',
  FORBIDDEN: 'These credentials do not permit that.',
}

/** UNAUTHENTICATED: no credentials, or none that are valid. FORBIDDEN: valid ones that don't permit it. */
export class DenialError extends Error {
  override readonly name = 'DenialError'
  readonly code: keyof typeof DENIALS

  constructor(code: keyof typeof DENIALS) {
    super(DENIALS[code])
    this.code = code
  }
}
