// What can be asked of a user. Looked-up facts come with the command, personal data stays out of it.
import type { Role } from './roles.ts'

export type AddUser = {
  readonly type: 'AddUser'
  readonly role: Role
  /** Undefined: those that go with the role. */
  readonly permissions: readonly string[] | undefined
  /** Another user of the account has the external id. */
  readonly externalIdTaken: boolean
  /** The caller holds all that the role permits. */
  readonly callerHoldsRole: boolean
}
export type UpdateUser = {
  readonly type: 'UpdateUser'
  readonly role: Role | undefined
  readonly permissions: readonly string[] | undefined
  readonly displayNameChanges: boolean
  /** The caller holds all that the new role permits. */
  readonly callerHoldsRole: boolean
}
export type RemoveUser = { readonly type: 'RemoveUser' }
export type EraseUser = { readonly type: 'EraseUser' }

export type UserCommand = AddUser | UpdateUser | RemoveUser | EraseUser
