// The expected "no" answers of a keyspace.
import type { KeyspaceRules } from './rules.ts'

export type KeyspaceRefusal =
  | { readonly code: 'NAME_IN_USE' }
  | { readonly code: 'KEYSPACE_NOT_EMPTY' }
  | { readonly code: 'MANAGEMENT_KEYSPACE' }
  | { readonly code: 'GRANT_EXCEEDS_CALLER' }
  /** The rules contradict each other or leave their range once merged with those that stay. */
  | { readonly code: 'INVALID_RULE'; readonly rule: keyof KeyspaceRules; readonly why: string }
