// What would make a key VALID that was not: the mutation that changes what the judge stopped at, or another way to ask.
import { suffices } from '#domain/grant.ts'
import { reached } from '#domain/instant.ts'
import type { MatchedCode } from '#verify/matched-code.ts'
import type { Judged } from './judged.ts'

/** `operation`: the mutation that does it; null for what whoever presents or verifies the key can do. */
export type Remedy = { readonly operation: string | null; readonly message: string }

/** Any one of them; of what stands in the way behind the first obstacle the next explanation tells. None where it is VALID. */
export function remediesFor(judged: Judged): readonly Remedy[] {
  const { matched, code, now } = judged
  const { key } = matched
  // What another account has to do, it alone can.
  const owner = matched.link === null ? '' : ' The account that the key belongs to can do that.'
  const by = (operation: string | null, message: string): Remedy => ({ operation, message: `${message}${owner}` })
  switch (code) {
    case 'REVOKED':
      if (key.revokedAt !== null) return [by('createKey', 'Nothing brings a revoked key back: make another.')]
      return [by('issueCode', 'A deleted code does not come back: issue another into its slot.')]
    case 'REPLACED':
      return [
        by(null, 'Present the code that has replaced it.'),
        by('rotateKey', 'Rotate with an overlap, so that clients have time to take up the new code.'),
      ]
    case 'DISABLED':
      return [key.enabled ? by('enableCode', 'Switch the code on.') : by('enableKey', 'Switch the key on.')]
    case 'EXPIRED':
      return reached(key.expiresAt, now)
        ? [by('updateKey', 'Give the key a later expiry, or none.')]
        : [by('rotateKey', 'Put a new code into the slot of the one that has expired.')]
    case 'UPSTREAM_USER_REQUIRED':
      return [
        { operation: null, message: 'Authenticate a user beside the key, and say who it is in upstreamUser.' },
        { operation: 'updateKeyspace', message: 'Take the rule upstreamUserRequired from the keyspace.' },
      ]
    case 'INSUFFICIENT_PERMISSIONS':
      return remediesForGrants(judged)
    default:
      return []
  }
}

function remediesForGrants(judged: Judged): readonly Remedy[] {
  const { matched, evidence, asked } = judged
  const state = evidence.key.stream.state
  const isFrozen = matched.link === null && state.status !== 'none' && state.frozenPolicies !== null
  const asking = remediesInAsking(judged)
  if (matched.link !== null) {
    return [
      ...asking,
      { operation: 'updateLink', message: 'Give the link a policy that grants what is asked for.' },
      { operation: 'updatePolicy', message: 'Let a policy of the link grant what is asked for.' },
    ]
  }
  if (isFrozen && !suffices(matched.key.grants, asked)) {
    return [
      ...asking,
      { operation: 'createKey', message: 'What this key grants is fixed for good: make one that grants more.' },
    ]
  }
  if (matched.key.actsAs?.removed) {
    return [
      isFrozen
        ? {
            operation: 'createKey',
            message: 'The user is gone whom the key acts as, and that is fixed for good: make another key.',
          }
        : {
            operation: 'updateKey',
            message: 'The user is gone whom the key acts as: let it act as another, or as nobody.',
          },
    ]
  }
  if (suffices(matched.key.grants, asked)) {
    const what = matched.management ? 'a role' : 'permissions'
    return [
      { operation: 'updateUser', message: `Give the user whom the key acts as ${what} that cover what is asked for.` },
    ]
  }
  return [
    ...asking,
    { operation: 'updateKey', message: 'Give the key a permission, or a policy, that grants what is asked for.' },
    { operation: 'updatePolicy', message: 'Let a policy of the key grant what is asked for.' },
  ]
}

/** Grants that hold at endpoints only give nothing to a question that names none. */
function remediesInAsking({ matched, asked }: Judged): readonly Remedy[] {
  const scoped = matched.key.grants.some(({ endpoints }) => endpoints.length > 0)
  if (!scoped || asked.endpoint !== null) return []
  return [
    {
      operation: null,
      message: 'Say which endpoint is to be reached: some of what it grants holds at certain ones only.',
    },
  ]
}

/** `elsewhere`: a code of the caller's own account that was found, but not for what was asked about. */
export function remediesForUnfound(code: 'MALFORMED' | 'NOT_FOUND', elsewhere: MatchedCode | null): readonly Remedy[] {
  if (code === 'MALFORMED') {
    return [{ operation: null, message: 'Present the whole secret, as it was issued, and nothing else.' }]
  }
  if (elsewhere !== null) {
    return [{ operation: null, message: `Ask about the keyspace that the key is one of: ${elsewhere.keyspaceId}.` }]
  }
  return [
    {
      operation: null,
      message: 'Present a secret that had been issued by then, and name the keyspace or account it is for.',
    },
    { operation: 'linkKey', message: 'If it is of a key of another account, link that key in.' },
  ]
}
