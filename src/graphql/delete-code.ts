// The mutation deleteCode: its input, and what its success tells.
import { deleteCode } from '#commands/delete-code.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { codeField } from './success-fields.ts'

const DeleteCodeInput = builder.inputType('DeleteCodeInput', {
  description: 'A code to delete. Where the keyspace says so, it must be switched off or expired.',
  fields: (t) => ({
    codeId: t.id({ required: true, description: 'The code.' }),
    ...versioned(t, 'key'),
  }),
})

commandMutation(deleteCode, {
  description:
    'Deletes a code for good: its secret opens nothing any more, and its slot can be issued anew. A replaced code can only be ' +
    'deleted while it is in overlap. Needs the permission keys.write.',
  input: DeleteCodeInput,
  dryRun: true,
  success: (t) => ({ accessCode: codeField(t) }),
})
