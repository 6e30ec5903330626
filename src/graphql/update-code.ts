// The mutation updateCode: its input, and what its success tells.
import { updateCode } from '#commands/update-code.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { codeField } from './success-fields.ts'

const UpdateCodeInput = builder.inputType('UpdateCodeInput', {
  description: 'Changes of a code. What is absent stays as it is; null clears.',
  fields: (t) => ({
    codeId: t.id({ required: true, description: 'The code.' }),
    description: t.string({ description: 'For people, up to 2000 characters.' }),
    ...versioned(t, 'key'),
  }),
})

commandMutation(updateCode, {
  description:
    "Edits a code's description, also of one that has expired or been replaced. Needs the permission keys.write.",
  input: UpdateCodeInput,
  success: (t) => ({ accessCode: codeField(t) }),
})
