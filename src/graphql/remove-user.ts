// The mutation removeUser: its input, and what its success tells.
import { removeUser } from '#commands/remove-user.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'

const RemoveUserInput = builder.inputType('RemoveUserInput', {
  description: 'A user to remove.',
  fields: (t) => ({ userId: t.id({ required: true, description: 'The user.' }), ...versioned(t, 'user') }),
})

commandMutation(removeUser, {
  description:
    'Removes a user for good, and revokes the keys that they own or that act as them, with the reason AFFILIATION_CHANGED: no ' +
    'verification that begins after this has answered says VALID. Their history stays, and their external id may be given to ' +
    'another. For at most 10 000 such keys; of more, some are to be revoked first. Needs the permission users.write.',
  input: RemoveUserInput,
  dryRun: true,
  success: (t) => ({
    userId: t.id({
      needs: 'parent',
      description: 'The user who is removed.',
      resolve: ({ result }) => result.userId,
    }),
  }),
})
