// Facts of a keyspace's stream.
import type { Fact } from '../event.ts'
import type { KeyspaceRules } from './rules.ts'

export type KeyspaceCreated = Fact<
  'keyspace.created',
  { readonly name: string; readonly management: boolean; readonly rules: KeyspaceRules }
>
/** Only what changed, rule by rule. */
export type KeyspaceUpdated = Fact<
  'keyspace.updated',
  { readonly name?: string; readonly rules?: Partial<KeyspaceRules> }
>
export type KeyspaceDeleted = Fact<'keyspace.deleted', Record<string, never>>

export type KeyspaceFact = KeyspaceCreated | KeyspaceUpdated | KeyspaceDeleted
