// eraseUser: nothing tells any more who they were. History keeps what was done to them and by them, by an id that leads to nobody.
import { z } from 'zod'
import type { Command } from './command.ts'
import { forgetAccesses } from './forget-accesses.ts'
import { idInput, versioned } from './input.ts'
import { endUser, withTheirKeys } from './remove-user.ts'
import { deleteIdentity, deletePersonal } from './user-command.ts'

const input = z.object({ userId: idInput, ...versioned })

export const eraseUser: Command<z.infer<typeof input>, { readonly userId: string }> = {
  name: 'eraseUser',
  permission: 'users.write',
  input,
  locate: (step, { userId }) => withTheirKeys(step, userId),
  decide: (step, { userId }) =>
    endUser(step, userId, { type: 'EraseUser' }, [deleteIdentity(step, userId), ...deletePersonal(step, userId)]),
  async afterwards({ services }, { userId }) {
    await forgetAccesses(services.database, userId)
    return undefined
  },
}
