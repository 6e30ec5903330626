// The mutation rotateKey: its input, and what its success tells.
import { rotateKey } from '#commands/rotate-key.ts'
import { builder } from './builder.ts'
import { CodeSlot } from './code.ts'
import { commandMutation } from './command-mutation.ts'
import { found } from './found.ts'
import { newCode, versioned } from './mutation-inputs.ts'
import { Rotation } from './rotation.ts'
import { issuedCodeField, keyField } from './success-fields.ts'

const RotateKeyInput = builder.inputType('RotateKeyInput', {
  description: 'A key to rotate, and what the new code is to be like.',
  fields: (t) => ({
    keyId: t.id({ required: true, description: 'The key. It stays the same: id, grants and history.' }),
    slot: t.field({ type: CodeSlot, required: true, defaultValue: 'PRIMARY', description: 'The slot to renew.' }),
    overlapSeconds: t.int({
      required: true,
      defaultValue: 0,
      description:
        'How long the old secret still works, 0 (it stops at once) to 2 592 000 (30 days), never past its expiry.',
    }),
    ...newCode(t),
    ...versioned(t, 'key'),
  }),
})

commandMutation(rotateKey, {
  description:
    'Puts a new secret into a slot; the old one stops, now or after an overlap. Needs the permission keys.write.',
  input: RotateKeyInput,
  dryRun: true,
  success: (t) => ({
    key: keyField(t),
    rotation: t.field({
      type: Rotation,
      needs: 'parent',
      description: 'Which code was replaced by which.',
      resolve: async ({ result }, _arguments, { loaders }) => found(await loaders.rotation.load(result.rotationId)),
    }),
    issued: issuedCodeField(t),
  }),
})
