// The mutation createAccount: its input, and what its success tells.
import { createAccount } from '#commands/create-account.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { idempotent } from './mutation-inputs.ts'
import { accountField } from './success-fields.ts'

const CreateAccountInput = builder.inputType('CreateAccountInput', {
  description: 'A new tenant.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'For people, 1 to 200 characters; need not be unique.' }),
    ...idempotent(t),
  }),
})

commandMutation(createAccount, {
  description:
    'Creates an account together with its management keyspace. Next, create a key in that keyspace: its code is the ' +
    "account's first own credential. Only root may.",
  input: CreateAccountInput,
  alwaysFound: true,
  success: (t) => ({ account: accountField(t) }),
})
