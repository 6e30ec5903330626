// The mutation updateUser: its input, and what its success tells.
import { updateUser } from '#commands/update-user.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { userField } from './success-fields.ts'
import { Role } from './user.ts'

const UpdateUserInput = builder.inputType('UpdateUserInput', {
  description: 'Changes of a user. What is absent stays as it is.',
  fields: (t) => ({
    userId: t.id({ required: true, description: 'The user.' }),
    displayName: t.string({ description: 'What people call them, up to 200 characters. Null: nothing.' }),
    role: t.field({
      type: Role,
      description:
        'What they may do in this API: nothing that the caller may not. What they may do in the application stays, such as the `*` ' +
        'that an ADMINISTRATOR was added with: give `permissions` too to change that. Null is not valid.',
    }),
    permissions: t.stringList({
      description: 'What they may do in the application, up to 100, in place of what they might. Null: nothing.',
    }),
    ...versioned(t, 'user'),
  }),
})

commandMutation(updateUser, {
  description:
    'Changes what a user may do, or what they are called. No verification that begins after this has answered goes by what was ' +
    'before. Needs the permission users.write, and for a new role all that it permits.',
  input: UpdateUserInput,
  dryRun: true,
  success: (t) => ({ user: userField(t) }),
})
