// The mutation disableKey: its input, and what its success tells.
import { disableKey } from '#commands/disable-key.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { keyField } from './success-fields.ts'

const DisableKeyInput = builder.inputType('DisableKeyInput', {
  description: 'A key to switch off.',
  fields: (t) => ({
    keyId: t.id({ required: true, description: 'The key.' }),
    ...versioned(t, 'key'),
  }),
})

commandMutation(disableKey, {
  description: 'Switches a key off: from now on it opens nothing, until `enableKey`. Needs the permission keys.write.',
  input: DisableKeyInput,
  dryRun: true,
  success: (t) => ({ key: keyField(t) }),
})
