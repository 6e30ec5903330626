// The mutation updateKey: its input, and what its success tells.
import { updateKey } from '#commands/update-key.ts'
import { AccessLoggingInput } from './access-logging.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { keyField } from './success-fields.ts'

const UpdateKeyInput = builder.inputType('UpdateKeyInput', {
  description: 'Changes of a key. What is absent stays as it is; null clears.',
  fields: (t) => ({
    keyId: t.id({ required: true, description: 'The key.' }),
    name: t.string({ description: 'Its new name, 1 to 200 characters. Null is not valid.' }),
    description: t.string({ description: 'For people, up to 2000 characters.' }),
    tags: t.stringList({ description: 'All its labels from now on: up to 50 different ones of up to 100 characters.' }),
    metadata: t.field({
      type: 'JSON',
      description: "All of the application's own data from now on, up to 16 384 bytes.",
    }),
    policyIds: t.idList({ description: 'All policies that it holds from now on, up to 50 different ones.' }),
    permissions: t.stringList({
      description: 'All that it grants beside its policies from now on, up to 100 permissions.',
    }),
    ownerId: t.id({
      description:
        'The user whose key it is from now on. Null: nobody. A MEMBER can only name themselves, and a default key keeps its user.',
    }),
    actsAs: t.string({
      description:
        'The exact external id of the user it acts as from now on. Null: nobody, so that it opens all that it grants, which a MEMBER ' +
        'may not say. A default key keeps its user.',
    }),
    expiresAt: t.field({ type: 'DateTime', description: 'When the key itself ends; in the future. Null: never.' }),
    logging: t.field({
      type: AccessLoggingInput,
      description: 'Which bodies the access log keeps from now on. Null: none.',
    }),
    ...versioned(t, 'key'),
  }),
})

commandMutation(updateKey, {
  description:
    'Edits a key. The next verification goes by what is here set. A later expiry revives an expired key. Needs the permission ' +
    'keys.write; where the key grants more than the caller may give, only what describes it, its logging and an earlier expiry ' +
    'can be set.',
  input: UpdateKeyInput,
  dryRun: true,
  success: (t) => ({ key: keyField(t) }),
})
