// The mutation addUser: its input, and what its success tells.
import { addUser } from '#commands/add-user.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { idempotent } from './mutation-inputs.ts'
import { issuedCodesField, userField } from './success-fields.ts'
import { Role } from './user.ts'

/** Few keyspaces have default keys; the most there can be would price every addition as if all did. */
const DEFAULT_CODES_EXPECTED = 4

const AddUserInput = builder.inputType('AddUserInput', {
  description: 'A new user.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'The account they will belong to.' }),
    externalId: t.string({
      required: true,
      description:
        "Their name in the account's own directory, 1 to 320 characters, taken exactly as it is and unique in the account. It can " +
        'not be changed.',
    }),
    displayName: t.string({ description: 'What people call them, up to 200 characters. Default: none.' }),
    role: t.field({
      type: Role,
      required: true,
      description: 'What they may do in this API: nothing that the caller may not.',
    }),
    permissions: t.stringList({
      description:
        'What they may do in the application, up to 100: dotted names such as `ads.read`; `*` at the end stands for one or more ' +
        "segments. Default: `*` for an ADMINISTRATOR, else nothing. They are the application's: a later change of the role leaves them.",
    }),
    ...idempotent(t),
  }),
})

commandMutation(addUser, {
  description:
    'Adds a user to the directory, with a default key in every keyspace that has them. Needs the permission users.write, and all that the role permits.',
  input: AddUserInput,
  success: (t) => ({
    user: userField(t),
    issued: issuedCodesField(t, {
      atMost: DEFAULT_CODES_EXPECTED,
      description:
        "The codes of the user's default keys. Their secrets for whoever holds keys.write or secrets.reveal; others read null.",
    }),
  }),
})
