// The mutation deleteKey: its input, and what its success tells.
import { deleteKey } from '#commands/delete-key.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { ending, versioned } from './mutation-inputs.ts'
import { keyField, replacementFields } from './success-fields.ts'

const DeleteKeyInput = builder.inputType('DeleteKeyInput', {
  description: 'A key to end for good and take out of lists.',
  fields: (t) => ({
    keyId: t.id({ required: true, description: 'The key.' }),
    ...ending(t),
    ...versioned(t, 'key'),
  }),
})

commandMutation(deleteKey, {
  description:
    'Revokes a key, where that has not happened yet, then takes it out of lists; `key(id)` and its history stay readable. ' +
    'A default key is replaced at once, by one with a new id and a new secret. Needs the permission keys.write.',
  input: DeleteKeyInput,
  dryRun: true,
  success: (t) => ({ key: keyField(t), ...replacementFields(t) }),
})
