// The mutation createKeyspace: its input, and what its success tells.
import { createKeyspace } from '#commands/create-keyspace.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { KeyspaceRulesInput } from './keyspace-rules-input.ts'
import { idempotent } from './mutation-inputs.ts'
import { keyspaceField } from './success-fields.ts'

const CreateKeyspaceInput = builder.inputType('CreateKeyspaceInput', {
  description: 'A new keyspace.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'The account it will belong to.' }),
    name: t.string({ required: true, description: 'For people, 1 to 200 characters, unique in the account.' }),
    rules: t.field({ type: KeyspaceRulesInput, description: 'What will hold for its keys. Absent: every default.' }),
    ...idempotent(t),
  }),
})

commandMutation(createKeyspace, {
  description: 'Creates a keyspace, ready for keys. Needs the permission keyspaces.write.',
  input: CreateKeyspaceInput,
  success: (t) => ({ keyspace: keyspaceField(t) }),
})
