// Every expected "no" of a command, as one union: the answers of the deciders and those that come before them.
import type { KeyRefusal } from '#domain/key/refusals.ts'
import type { KeyspaceRefusal } from '#domain/keyspace/refusals.ts'
import type { LinkedKeyRefusal, LinkRefusal } from '#domain/link/refusals.ts'
import type { PolicyRefusal } from '#domain/policy/refusals.ts'
import type { UserRefusal } from '#domain/user/refusals.ts'

/** `path` leads to the wrong field of the input. */
export type InputIssue = { readonly path: readonly string[]; readonly message: string }

export type Refusal =
  | { readonly code: 'INVALID_INPUT'; readonly issues: readonly InputIssue[] }
  /** There is no such thing for this caller; what belongs to someone else answers exactly like this. */
  | { readonly code: 'NOT_FOUND'; readonly subjectId: string | null }
  /** Versions are null where commands kept crossing each other instead. */
  | {
      readonly code: 'CONFLICT'
      readonly expectedVersion: number | null
      readonly actualVersion: number | null
      /** The command was committed; what must follow it is not complete, and is seen to by whoever sends it again. */
      readonly isCommitted?: true
    }
  | { readonly code: 'IDEMPOTENCY_KEY_REUSED' }
  | Exclude<KeyRefusal, { readonly code: 'DEFAULT_KEY' }>
  | LinkRefusal
  | LinkedKeyRefusal
  | PolicyRefusal
  | UserRefusal
  | Exclude<KeyspaceRefusal, { readonly code: 'INVALID_RULE' }>

/** A refusal of a key's decider, as it is answered. */
export function refusalOfKey(refusal: KeyRefusal): Refusal {
  if (refusal.code !== 'DEFAULT_KEY') return refusal
  return invalidInput([refusal.field], 'must stay as it is: a default key belongs to its user, and acts as them')
}

export function invalidInput(path: readonly string[], message: string): Refusal {
  return { code: 'INVALID_INPUT', issues: [{ path, message }] }
}
