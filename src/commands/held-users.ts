// The users whom a command makes a key's owner, or the one that it acts as. Their streams are locked, shared, together with all
// others: nobody is removed between the moment they are looked at and the moment the key is theirs.
import { kindOf } from '#domain/ids.ts'
import { confinedTo } from '#domain/member.ts'
import type { ActiveUser } from '#domain/user/state.ts'
import { STREAM_MOVED_ON } from '#log/append.ts'
import { type DecideStep, type LocateStep, streamOf } from './command.ts'
import { invalidInput, type Refusal } from './refusal.ts'
import { accountOfUser, findIdentity } from './user-command.ts'

/** As an input names them: the owner by id, whom it acts as by their exact external id. Undefined: not said. Null: nobody. */
export type GivenUsers = {
  readonly ownerId?: string | null | undefined
  readonly actsAs?: string | null | undefined
}

export type HeldUsers = { readonly ownerId: string | null | undefined; readonly actsAsId: string | null | undefined }

/** The given users of the account, to be locked; no other account's stream ever is, nor by a MEMBER another user's. */
export async function usersAmong(
  step: LocateStep,
  accountId: string,
  { ownerId, actsAs }: GivenUsers,
): Promise<readonly string[]> {
  const [accountOfOwner, actsAsId] = await Promise.all([
    typeof ownerId === 'string' ? accountOfUser(step, ownerId) : undefined,
    typeof actsAs === 'string' ? findIdentity(step, accountId, actsAs) : undefined,
  ])
  const owners = typeof ownerId === 'string' && accountOfOwner === accountId ? [ownerId] : []
  return [...owners, ...(actsAsId === undefined ? [] : [actsAsId])].filter((id) => isThere(step, id))
}

/** Who the given users are, all of them locked, or why they can't be. To a MEMBER everybody else is nobody. */
export async function usersIn(
  step: DecideStep,
  { ownerId, actsAs }: GivenUsers,
): Promise<HeldUsers | { readonly refusal: Refusal }> {
  if (typeof ownerId === 'string' && userIn(step, ownerId) === undefined) return missing(ownerId)
  // Their keys stay theirs, and act as nobody but them.
  if (confinedTo(step.origin.caller) !== null) {
    if (ownerId === null) return { refusal: invalidInput(['ownerId'], 'must be your own: a MEMBER gives no key away') }
    if (actsAs === null) return { refusal: { code: 'GRANT_EXCEEDS_CALLER' } }
  }
  if (typeof actsAs !== 'string') return { ownerId, actsAsId: actsAs }
  const actsAsId = await findIdentity(step, step.accountId, actsAs)
  if (actsAsId === undefined || !isThere(step, actsAsId)) return missing(actsAs)
  // Whoever holds the lock keeps the name: a user who was added under it meanwhile is not among the locked.
  if (userIn(step, actsAsId) === undefined) throw movedOn()
  return { ownerId, actsAsId }
}

function missing(subjectId: string): { readonly refusal: Refusal } {
  return { refusal: { code: 'NOT_FOUND', subjectId } }
}

/** A locked user; undefined where there is none, or none any more. */
function userIn(step: DecideStep, userId: string): ActiveUser | undefined {
  const user = kindOf(userId) === 'usr' ? streamOf(step, 'user', userId)?.state : undefined
  return user?.status === 'active' ? user : undefined
}

function isThere({ origin }: LocateStep, userId: string): boolean {
  const memberId = confinedTo(origin.caller)
  return memberId === null || memberId === userId
}

/** Starts the command over. */
function movedOn(): Error {
  return Object.assign(new Error('The name was given to another user meanwhile'), { code: STREAM_MOVED_ON })
}
