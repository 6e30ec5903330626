// What a key and its codes are, folded from its stream. Time is not in here: whether something has expired is asked with a
// `now`, when it matters.
import type { Actor } from '../actor.ts'
import type { Recorded } from '../event.ts'
import type { PolicyGrant } from '../grant.ts'
import { earlier, type Instant } from '../instant.ts'
import { invariant, unreachable } from '../invariant.ts'
import type {
  CodeRevealed,
  CodeSlot,
  KeyCreated,
  KeyDeleted,
  KeyDetails,
  KeyFact,
  KeyRevoked,
  KeyRotated,
  KeyUpdated,
  NewCode,
  RevocationReason,
} from './events.ts'

export type Revocation = {
  readonly at: Instant
  readonly by: Actor
  readonly reason: RevocationReason
  readonly note: string | null
}

export type Code = NewCode & {
  readonly enabled: boolean
  readonly issuedAt: Instant
  readonly issuedBy: Actor
  readonly replacedAt: Instant | null
  readonly replacedById: string | null
  /** A replaced code still verifies before this instant; null where it stopped at once. Ending an overlap early moves it. */
  readonly overlapEndsAt: Instant | null
  readonly deletedAt: Instant | null
}

export type Rotation = {
  readonly rotationId: string
  readonly slot: CodeSlot
  readonly retiredCodeId: string
  readonly replacementCodeId: string
  readonly rotatedAt: Instant
  readonly rotatedBy: Actor
}

type Described = KeyDetails & {
  readonly keyspaceId: string
  readonly enabled: boolean
  /** Made as its owner's default key, still theirs and not revoked: while the rule of the keyspace holds, that is what it is. */
  readonly isDefault: boolean
  /** What its policies grant for good, whatever becomes of them; null: what they are at any time. */
  readonly frozenPolicies: readonly PolicyGrant[] | null
  readonly createdAt: Instant
  readonly createdBy: Actor
  readonly updatedAt: Instant
  /** In the order of issue, the oldest first; never removed. Codes that an event leaves alone keep their identity. */
  readonly codes: readonly Code[]
  /** The oldest first. */
  readonly rotations: readonly Rotation[]
}
export type ActiveKey = Described & { readonly status: 'active' }
export type RevokedKey = Described & { readonly status: 'revoked'; readonly revocation: Revocation }
export type DeletedKey = Described & {
  readonly status: 'deleted'
  readonly revocation: Revocation
  readonly deletedAt: Instant
}
export type ExistingKey = ActiveKey | RevokedKey | DeletedKey
export type KeyState = { readonly status: 'none' } | ExistingKey

export const initialKey: KeyState = { status: 'none' }

/**
 * The key after one event of its stream. Throws where the event can't follow the state: the decider never makes such a
 * one, so a stream that holds it is not ours.
 */
export function evolveKey(state: KeyState, event: Recorded<KeyFact>): KeyState {
  if (event.type === 'key.created') {
    invariant(state.status === 'none', 'a stream is created once')
    const { at, actor, data } = event
    return { ...data, status: 'active', createdAt: at, createdBy: actor, updatedAt: at, codes: [], rotations: [] }
  }
  invariant(state.status !== 'none', 'a key is created before it is changed')
  if (event.type === 'key.deleted') {
    invariant(state.status === 'revoked', 'a key is revoked before it is deleted')
    return { ...state, status: 'deleted', deletedAt: event.at, updatedAt: event.at }
  }
  // No event gets past this on a revoked key: what was revoked can't come back, whatever a decider would say.
  invariant(state.status === 'active', 'only its deletion follows the revocation of a key')
  if (event.type === 'code.revealed') return state
  return evolveActive({ ...state, updatedAt: event.at }, event)
}

function evolveActive(
  key: ActiveKey,
  event: Recorded<Exclude<KeyFact, KeyCreated | KeyDeleted | CodeRevealed>>,
): ExistingKey {
  switch (event.type) {
    case 'key.updated':
      return { ...key, ...event.data, isDefault: key.isDefault && !changesUsers(event.data) }
    case 'key.frozen':
      return { ...key, frozenPolicies: [...(key.frozenPolicies ?? []), ...event.data.frozenPolicies] }
    case 'key.enabled':
      return { ...key, enabled: true }
    case 'key.disabled':
      return { ...key, enabled: false }
    case 'key.revoked':
      return revoked(key, event)
    case 'key.rotated':
      return rotated(key, event)
    case 'code.issued':
      return { ...key, codes: [...key.codes, issued(event.data, event)] }
    case 'code.updated': {
      const { codeId, description } = event.data
      return { ...key, codes: changed(key.codes, codeId, (code) => ({ ...code, description })) }
    }
    case 'code.enabled':
      return { ...key, codes: changed(key.codes, event.data.codeId, (code) => ({ ...code, enabled: true })) }
    case 'code.disabled': {
      const disabled = (code: Code): Code => ({ ...code, enabled: false, overlapEndsAt: endedBy(code, event.at) })
      return { ...key, codes: changed(key.codes, event.data.codeId, disabled) }
    }
    case 'code.deleted': {
      const deleted = (code: Code): Code => ({ ...code, deletedAt: event.at, overlapEndsAt: endedBy(code, event.at) })
      return { ...key, codes: changed(key.codes, event.data.codeId, deleted) }
    }
    default:
      return unreachable(event)
  }
}

/** A key that was given to somebody else, or acts as somebody else, is nobody's default key any more. */
function changesUsers({ ownerId, actsAsId }: KeyUpdated['data']): boolean {
  return ownerId !== undefined || actsAsId !== undefined
}

function revoked(key: ActiveKey, { at, actor, data }: Recorded<KeyRevoked>): RevokedKey {
  return { ...key, isDefault: false, status: 'revoked', revocation: { at, by: actor, ...data } }
}

function rotated(key: ActiveKey, event: Recorded<KeyRotated>): ActiveKey {
  const { rotationId, retiredCodeId, overlapEndsAt, replacement } = event.data
  const { slot, codeId: replacementCodeId } = replacement
  const retired = changed(key.codes, retiredCodeId, (code) => ({
    ...code,
    replacedAt: event.at,
    replacedById: replacementCodeId,
    overlapEndsAt,
  }))
  // One overlap a slot: otherwise every quick rotation would leave one more old secret working.
  const codes = retired.map((code) => {
    const overlaps = code.overlapEndsAt !== null && code.overlapEndsAt > event.at
    return overlaps && code.slot === slot && code.codeId !== retiredCodeId ? { ...code, overlapEndsAt: event.at } : code
  })
  const rotation = { rotationId, slot, retiredCodeId, replacementCodeId, rotatedAt: event.at, rotatedBy: event.actor }
  return { ...key, codes: [...codes, issued(replacement, event)], rotations: [...key.rotations, rotation] }
}

function issued(code: NewCode, { at, actor }: Recorded<KeyFact>): Code {
  return {
    ...code,
    enabled: true,
    issuedAt: at,
    issuedBy: actor,
    replacedAt: null,
    replacedById: null,
    overlapEndsAt: null,
    deletedAt: null,
  }
}

/** An end that is past already stays where it is: when a code stopped is history. */
function endedBy(code: Code, at: Instant): Instant | null {
  return code.overlapEndsAt === null ? null : earlier(code.overlapEndsAt, at)
}

function changed(codes: readonly Code[], codeId: string, change: (code: Code) => Code): readonly Code[] {
  const index = codes.findIndex((code) => code.codeId === codeId)
  const code = codes[index]
  invariant(code !== undefined, 'a code is issued before it is changed')
  return codes.with(index, change(code))
}
