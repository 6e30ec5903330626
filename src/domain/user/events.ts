// Facts of a user's stream. Who they are (external id, display name) is no part of the data: it lies in the vault, where it can
// be forgotten, and the event holds only hashes of what is there.
import type { Fact } from '../event.ts'
import type { Role } from './roles.ts'

export type UserAdded = Fact<'user.added', { readonly role: Role; readonly permissions: readonly string[] }>
/** Only what changed; nothing where it is the display name alone. */
export type UserUpdated = Fact<'user.updated', { readonly role?: Role; readonly permissions?: readonly string[] }>
export type UserRemoved = Fact<'user.removed', Record<string, never>>
/** Who they were is kept no more, nor the key that it was encrypted with. */
export type UserErased = Fact<'user.erased', Record<string, never>>

export type UserFact = UserAdded | UserUpdated | UserRemoved | UserErased
