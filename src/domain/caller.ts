// Who calls this API, and what they may do. Denials are the one "no" that is thrown: they cut a request off before there
// is a command that could be refused.
import type { Actor } from './actor.ts'
import { covers, coversAll, type ManagementPermission } from './permission.ts'

export type Caller =
  | { readonly kind: 'ROOT' }
  /** A key of a management keyspace; `accountId` is the account it belongs to and all it can see. */
  | {
      readonly kind: 'KEY'
      readonly keyId: string
      readonly accountId: string
      readonly permissions: readonly string[]
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
  return caller.kind === 'ROOT' ? { kind: 'ROOT', id: null } : { kind: 'KEY', id: caller.keyId }
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
