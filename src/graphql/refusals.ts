// From a command's refusal to the error that a client reads. The message says what to do next; a refusal that is added and
// not told here doesn't compile.
import type { InputIssue, Refusal } from '#commands/refusal.ts'
import type { Instant } from '#domain/instant.ts'
import { unreachable } from '#domain/invariant.ts'

export type ErrorCode = Refusal['code']

type Failure<Name extends string> = {
  readonly __typename: Name
  readonly code: ErrorCode
  readonly message: string
}
export type InvalidInput = Failure<'InvalidInputError'> & { readonly issues: readonly InputIssue[] }
export type NotFound = Failure<'NotFoundError'> & { readonly subjectId: string | null }
export type Conflict = Failure<'ConflictError'> & {
  readonly expectedVersion: number | null
  readonly actualVersion: number | null
}
export type RuleViolation = Failure<'RuleViolationError'>
export type RefusalError = InvalidInput | NotFound | Conflict | RuleViolation

type RuleRefusal = Exclude<
  Refusal,
  { readonly code: 'INVALID_INPUT' | 'NOT_FOUND' | 'CONFLICT' | 'IDEMPOTENCY_KEY_REUSED' }
>

export function errorOf(refusal: Refusal): RefusalError {
  const { code } = refusal
  switch (code) {
    case 'INVALID_INPUT': {
      const message = 'The input is not valid, and nothing was changed. Correct what issues names and send it again.'
      return { __typename: 'InvalidInputError', code, message, issues: refusal.issues }
    }
    case 'NOT_FOUND': {
      // Without the id, which may be anything: whoever prints messages has no reason to expect a client's text in one.
      const message =
        'There is no such thing that these credentials can see. Check the id, and whose credentials they are.'
      return { __typename: 'NotFoundError', code, message, subjectId: refusal.subjectId }
    }
    case 'CONFLICT': {
      const { expectedVersion, actualVersion } = refusal
      return { __typename: 'ConflictError', code, message: conflictMessage(refusal), expectedVersion, actualVersion }
    }
    case 'IDEMPOTENCY_KEY_REUSED': {
      const message =
        'This idempotency key was used with another input before. To retry that request send its very input; for a new ' +
        'request choose a new key.'
      return { __typename: 'ConflictError', code, message, expectedVersion: null, actualVersion: null }
    }
    default:
      return { __typename: 'RuleViolationError', code, message: messageOf(refusal) }
  }
}

function messageOf(refusal: RuleRefusal): string {
  switch (refusal.code) {
    case 'KEY_LIMIT_REACHED': {
      const limit = counted(refusal.activeKeysMax, 'active key')
      return `The keyspace allows ${limit} and holds as many. Revoke one that is no longer used, or raise activeKeysMax.`
    }
    case 'CODE_LIMIT_REACHED': {
      const limit = counted(refusal.liveCodesMax, 'live code')
      return `A key here may have ${limit}, one a slot: there is no room left. Rotate the slot, or delete its code first.`
    }
    case 'KEY_REVOKED':
      return 'The key is revoked, which is final: only deleteKey still applies to it. Create a new key.'
    case 'KEY_DELETED':
      return 'The key is deleted, which is final. Create a new key.'
    case 'CODE_NOT_LIVE':
      return 'The code has been replaced or deleted, or it has expired, and stays as it is. Issue a new one or rotate.'
    case 'CODE_ENABLED':
      return 'This keyspace deletes codes only once they are switched off. Call disableCode first.'
    case 'SLOT_EMPTY':
      return `There is no code in the slot ${refusal.slot} to replace. Put one there with issueCode.`
    case 'EXPIRY_OUT_OF_RANGE':
      return expiryMessage(refusal.latest)
    case 'EXPIRY_REQUIRED':
      return 'This keyspace wants to be told when each code expires. Give expiresAt; null means never.'
    case 'SECRET_NOT_ALLOWED':
      return 'This keyspace takes generated secrets only. Leave secret out, or allow it by the rule customSecrets.'
    case 'SECRET_TOO_WEAK':
      return 'This secret could be guessed. Give one with more randomness, or leave it out to have one generated.'
    case 'SECRET_IN_USE':
      return 'This secret is or was in use in the keyspace, and each serves once. Give another, or have one generated.'
    case 'SECRET_NOT_REVEALABLE':
      return 'This secret was not kept: it was in the answer that issued it and nowhere else. Rotate to have a new one.'
    case 'AUTHORIZATIONS_FROZEN':
      return 'What this key grants is frozen and can not be changed. Create a new key, and revoke this one.'
    case 'POLICY_REQUIRED':
      return 'A link, and in some keyspaces each key, must hold at least one policy. Give policyIds.'
    case 'POLICY_IN_USE':
      return 'A link or a key that is not revoked holds the policy: ask for links, and for keys with it in the filter policyId. Take it from them first.'
    case 'KEYSPACE_NOT_EMPTY':
      return 'The keyspace still has keys that are not deleted, or links into it. Delete and unlink them first.'
    case 'MANAGEMENT_KEYSPACE':
      return (
        'This is the management keyspace, which stays with its account. Only its name, activeKeysMax, codeLifetimeDays ' +
        'and codeLifetimeDaysMax can be changed.'
      )
    case 'NAME_IN_USE':
      return 'The name is in use in this account. Choose a different one.'
    case 'ALREADY_LINKED':
      return 'The account has a link of this key already. Change that with updateLink, or end it with unlinkKey.'
    case 'LINK_TO_OWN_KEY':
      return 'The key belongs to this account and needs no link. Give it policies with updateKey.'
    case 'LINKED_KEY_HAS_NO_CODES':
      return 'The key is only linked here. Codes are issued and rotated by its own account, whose codes open what the link grants.'
    case 'GRANT_EXCEEDS_CALLER':
      return 'This would give a credential more than yours holds. Ask for less, or use one that holds as much.'
    default:
      return unreachable(refusal)
  }
}

function conflictMessage({ actualVersion, isCommitted }: Extract<Refusal, { readonly code: 'CONFLICT' }>): string {
  if (isCommitted)
    return (
      'The keyspace is as was asked, but not yet all that is in it: some keys are still to be frozen, or some users to get their ' +
      'default keys, as other changes kept coming first. Send it again, with the same idempotency key if it had one; else it is ' +
      'finished within the hour.'
    )
  if (actualVersion === null) return 'Other changes kept coming first, and nothing was changed. Send it again.'
  return `It has moved on to version ${actualVersion}, and nothing was changed. Read it again, then decide anew.`
}

function expiryMessage(latest: Instant | null): string {
  if (latest === null) return 'expiresAt must lie in the future.'
  return `expiresAt must lie in the future and not after ${latest}, which is the longest that this keyspace allows.`
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
