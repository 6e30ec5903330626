// The mutation issueCode: its input, and what its success tells.
import { issueCode } from '#commands/issue-code.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { freeSlot, newCode, versioned } from './mutation-inputs.ts'
import { issuedCodeField, keyField } from './success-fields.ts'

const IssueCodeInput = builder.inputType('IssueCodeInput', {
  description: 'A code to add to a key.',
  fields: (t) => ({
    keyId: t.id({ required: true, description: 'The key.' }),
    ...freeSlot(t),
    ...newCode(t),
    ...versioned(t, 'key'),
  }),
})

commandMutation(issueCode, {
  description:
    'Puts a new code into a free slot; one whose code has expired or was deleted is free. Store the secret: it is shown once. ' +
    'To replace a code that is still good, use `rotateKey`. Needs the permission keys.write.',
  input: IssueCodeInput,
  success: (t) => ({ key: keyField(t), issued: issuedCodeField(t) }),
})
