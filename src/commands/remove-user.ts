// removeUser: nobody any more, for good; their history stays, and their external id is free again.
import { z } from 'zod'
import { decideUser } from '#domain/user/decide.ts'
import type { Command } from './command.ts'
import { idInput, versioned } from './input.ts'
import { accountOfUser, deleteIdentity, userStreamOf } from './user-command.ts'

const input = z.object({ userId: idInput, ...versioned })

export const removeUser: Command<z.infer<typeof input>, { readonly userId: string }> = {
  name: 'removeUser',
  permission: 'users.write',
  input,
  async locate(step, { userId }) {
    const accountId = await accountOfUser(step, userId)
    if (accountId === undefined) return { notFound: userId }
    return { accountId, subjectId: userId, namedId: userId, locks: [{ id: userId, exclusive: true }] }
  },
  async decide(step, { userId }) {
    const stream = userStreamOf(step, userId)
    const decision = decideUser({ type: 'RemoveUser' }, stream.state)
    if (decision.kind === 'refused') return decision
    return {
      kind: 'accepted',
      changes: [{ stream, facts: decision.facts }],
      vault: [deleteIdentity(step, userId)],
      result: { userId },
    }
  },
}
