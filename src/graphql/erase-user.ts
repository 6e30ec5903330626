// The mutation eraseUser: its input, and what its success tells.
import { eraseUser } from '#commands/erase-user.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'

const EraseUserInput = builder.inputType('EraseUserInput', {
  description: 'A user to erase.',
  fields: (t) => ({
    userId: t.id({ required: true, description: 'The user, removed or not.' }),
    ...versioned(t, 'user'),
  }),
})

commandMutation(eraseUser, {
  description:
    'Destroys all that tells who a user is or was: external id, display names, and the key they were encrypted with; and of the uses of keys ' +
    'that are or were theirs, while they were, what the access log says beyond that they were used. Of uses told of later, that ' +
    'is not written in the first place; of keys that were given to somebody else by then, it is emptied within some hours. Who is still ' +
    'there is removed with it, as by `removeUser`. History stays, and calls them `an erased user`. It can not be undone. What else of them you wrote into names, descriptions, ' +
    'notes or metadata stays as it is, and backups have what they had. Needs the permission users.write.',
  input: EraseUserInput,
  dryRun: true,
  success: (t) => ({
    userId: t.id({
      needs: 'parent',
      description: 'The user who is erased. The id leads to their history, and to nobody.',
      resolve: ({ result }) => result.userId,
    }),
  }),
})
