// The mutation disableCode: its input, and what its success tells.
import { disableCode } from '#commands/disable-code.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { codeField } from './success-fields.ts'

const DisableCodeInput = builder.inputType('DisableCodeInput', {
  description: 'A code to switch off. It must be live or in overlap.',
  fields: (t) => ({
    codeId: t.id({ required: true, description: 'The code.' }),
    ...versioned(t, 'key'),
  }),
})

commandMutation(disableCode, {
  description:
    'Switches a code off: from now on it opens nothing, until `enableCode`. Ends an overlap for good. Needs the permission keys.write.',
  input: DisableCodeInput,
  dryRun: true,
  success: (t) => ({ accessCode: codeField(t) }),
})
