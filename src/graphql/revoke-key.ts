// The mutation revokeKey: its input, and what its success tells.
import { revokeKey } from '#commands/revoke-key.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { ending, versioned } from './mutation-inputs.ts'
import { keyField, replacementFields } from './success-fields.ts'

const RevokeKeyInput = builder.inputType('RevokeKeyInput', {
  description: 'A key to end for good.',
  fields: (t) => ({
    keyId: t.id({ required: true, description: 'The key.' }),
    ...ending(t),
    ...versioned(t, 'key'),
  }),
})

commandMutation(revokeKey, {
  description:
    'Ends a key for good: no verification that begins after this has answered says VALID, and no mutation undoes it. Revoking ' +
    'a revoked key succeeds and changes nothing. A default key is replaced at once, by one with a new id and a new secret. Needs the permission keys.write.',
  input: RevokeKeyInput,
  dryRun: true,
  success: (t) => ({ key: keyField(t), ...replacementFields(t) }),
})
