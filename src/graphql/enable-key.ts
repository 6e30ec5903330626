// The mutation enableKey: its input, and what its success tells.
import { enableKey } from '#commands/enable-key.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { keyField } from './success-fields.ts'

const EnableKeyInput = builder.inputType('EnableKeyInput', {
  description: 'A key to switch on.',
  fields: (t) => ({
    keyId: t.id({ required: true, description: 'The key.' }),
    ...versioned(t, 'key'),
  }),
})

commandMutation(enableKey, {
  description: 'Switches a key on again. Needs the permission keys.write.',
  input: EnableKeyInput,
  success: (t) => ({ key: keyField(t) }),
})
