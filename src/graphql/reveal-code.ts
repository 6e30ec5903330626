// The mutation revealCode: its input, and what its success tells.
import { revealCode } from '#commands/reveal-code.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { found } from './found.ts'
import { codeField } from './success-fields.ts'

const RevealCodeInput = builder.inputType('RevealCodeInput', {
  description: 'A code whose secret is to be shown again.',
  fields: (t) => ({ codeId: t.id({ required: true, description: 'The code.' }) }),
})

commandMutation(revealCode, {
  description:
    'Shows the secret of a code again, where its keyspace was REVEALABLE when it was issued and is so still. Every call is an ' +
    'event. Codes that are replaced, deleted or expired are not shown, disabled ones are. As a text file: ' +
    '`GET /codes/<id>/secret.txt`. Needs the permission secrets.reveal.',
  input: RevealCodeInput,
  success: (t) => ({
    accessCode: codeField(t),
    secret: t.string({
      needs: 'parent',
      description: 'The plaintext.',
      resolve: ({ result, secrets }) => found(secrets.get(result.codeId)).reveal(),
    }),
  }),
})
