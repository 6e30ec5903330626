// updateUser: what a user may do, and what they are called. Their external id is who they are, and stays.
import { z } from 'zod'
import { holdsAll } from '#domain/caller.ts'
import { decideUser } from '#domain/user/decide.ts'
import { permissionsOfRole } from '#domain/user/roles.ts'
import { type Command, notFound } from './command.ts'
import { displayNameInput, idInput, permissionsInput, versioned } from './input.ts'
import { accountOfUser, readDisplayName, roleInput, userStreamOf } from './user-command.ts'

const input = z.object({
  userId: idInput,
  displayName: displayNameInput.nullable().optional(),
  role: roleInput.optional(),
  permissions: permissionsInput.nullable().optional(),
  ...versioned,
})

export const updateUser: Command<z.infer<typeof input>, { readonly userId: string }> = {
  name: 'updateUser',
  permission: 'users.write',
  input,
  async locate(step, { userId }) {
    const accountId = await accountOfUser(step, userId)
    if (accountId === undefined) return { notFound: userId }
    return { accountId, subjectId: userId, namedId: userId, locks: [{ id: userId, exclusive: true }] }
  },
  async decide(step, { userId, displayName, role, permissions }) {
    const { caller } = step.origin
    const stream = userStreamOf(step, userId)
    if (stream.state.status !== 'active') return notFound(userId)
    const known = displayName === undefined ? undefined : await readDisplayName(step, userId)
    const renamed = known !== undefined && displayName !== undefined && displayName !== known.displayName
    const decision = decideUser(
      {
        type: 'UpdateUser',
        role,
        permissions: permissions === null ? [] : permissions,
        displayNameChanges: renamed,
        callerHoldsRole: role === undefined || holdsAll(caller, permissionsOfRole(role)),
      },
      stream.state,
    )
    if (decision.kind === 'refused') return decision
    const { facts } = decision
    const change = { stream, facts }
    return {
      kind: 'accepted',
      changes: [
        renamed
          ? { ...change, personal: { key: known.key, values: new Map(facts.map((fact) => [fact, { displayName }])) } }
          : change,
      ],
      result: { userId },
    }
  },
}
