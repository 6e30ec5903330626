// The mutation updateKeyspace: its input, and what its success tells.
import { updateKeyspace } from '#commands/update-keyspace.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { KeyspaceRulesInput } from './keyspace-rules-input.ts'
import { versioned } from './mutation-inputs.ts'
import { keyspaceField } from './success-fields.ts'

const UpdateKeyspaceInput = builder.inputType('UpdateKeyspaceInput', {
  description: 'Changes of a keyspace. What is absent stays as it is.',
  fields: (t) => ({
    keyspaceId: t.id({ required: true, description: 'The keyspace.' }),
    name: t.string({ description: 'Its new name, 1 to 200 characters, unique in the account. Null is not valid.' }),
    rules: t.field({ type: KeyspaceRulesInput, description: 'The rules to change. Null is not valid.' }),
    ...versioned(t, 'keyspace'),
  }),
})

commandMutation(updateKeyspace, {
  description:
    'Renames a keyspace or changes its rules. Changed rules bind later mutations only: old prefixes still verify, a lower ' +
    'limit revokes nothing. But `authorizations: FROZEN` freezes the keys that are there as they are, and `defaultKeys` makes ' +
    'those that are missing, before it is answered; where others keep it from being finished, it is a CONFLICT without ' +
    'versions, and sending it again finishes it. Needs the permission keyspaces.write, for the management keyspace `*`.',
  input: UpdateKeyspaceInput,
  dryRun: true,
  success: (t) => ({ keyspace: keyspaceField(t) }),
})
