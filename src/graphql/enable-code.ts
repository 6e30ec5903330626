// The mutation enableCode: its input, and what its success tells.
import { enableCode } from '#commands/enable-code.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { codeField } from './success-fields.ts'

const EnableCodeInput = builder.inputType('EnableCodeInput', {
  description: 'A code to switch on. It must be live: neither replaced, deleted nor expired.',
  fields: (t) => ({
    codeId: t.id({ required: true, description: 'The code.' }),
    ...versioned(t, 'key'),
  }),
})

commandMutation(enableCode, {
  description: 'Switches a code on again. Needs the permission keys.write.',
  input: EnableCodeInput,
  success: (t) => ({ accessCode: codeField(t) }),
})
