// The mutation deleteKeyspace: its input, and what its success tells.
import { deleteKeyspace } from '#commands/delete-keyspace.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'

const DeleteKeyspaceInput = builder.inputType('DeleteKeyspaceInput', {
  description: 'A keyspace to delete.',
  fields: (t) => ({
    keyspaceId: t.id({
      required: true,
      description: 'The keyspace. It must have no key that is not deleted, and no link into it alone.',
    }),
    ...versioned(t, 'keyspace'),
  }),
})

commandMutation(deleteKeyspace, {
  description:
    'Deletes an empty keyspace for good; its history stays, and its name may be used again. Links into it are to be ended first; those ' +
    'into all of the account stay as they are. Default keys are to be switched off first, or each that is deleted is replaced. Needs the permission keyspaces.write.',
  input: DeleteKeyspaceInput,
  dryRun: true,
  success: (t) => ({
    keyspaceId: t.id({
      needs: 'parent',
      description: 'The keyspace that is deleted.',
      resolve: ({ result }) => result.keyspaceId,
    }),
  }),
})
