// Facts of an account's stream. The type strings are permanent; changed data means a new schema version and an upcast.
import type { Fact } from '../event.ts'

export type AccountCreated = Fact<'account.created', { readonly name: string; readonly managementKeyspaceId: string }>
export type AccountUpdated = Fact<'account.updated', { readonly name: string }>

export type AccountFact = AccountCreated | AccountUpdated
