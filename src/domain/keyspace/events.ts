// Facts of a keyspace's stream. An update carries the whole rules, so that nothing else is needed to read it.
import type { Fact } from '../event.ts'
import type { KeyspaceRules } from './rules.ts'

export type KeyspaceCreated = Fact<
  'keyspace.created',
  { readonly name: string; readonly management: boolean; readonly rules: KeyspaceRules }
>
export type KeyspaceUpdated = Fact<'keyspace.updated', { readonly name: string; readonly rules: KeyspaceRules }>
export type KeyspaceDeleted = Fact<'keyspace.deleted', Record<string, never>>

export type KeyspaceFact = KeyspaceCreated | KeyspaceUpdated | KeyspaceDeleted
