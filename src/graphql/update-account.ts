// The mutation updateAccount: its input, and what its success tells.
import { updateAccount } from '#commands/update-account.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { idempotent } from './mutation-inputs.ts'
import { accountField } from './success-fields.ts'

const UpdateAccountInput = builder.inputType('UpdateAccountInput', {
  description: 'Changes of an account. What is absent stays as it is.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'The account.' }),
    name: t.string({ description: 'Its new name, 1 to 200 characters. Null is not valid.' }),
    ...idempotent(t),
  }),
})

commandMutation(updateAccount, {
  description: 'Renames an account. Needs the permission accounts.write.',
  input: UpdateAccountInput,
  success: (t) => ({ account: accountField(t) }),
})
