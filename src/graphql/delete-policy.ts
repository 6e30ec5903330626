// The mutation deletePolicy: its input, and what its success tells.
import { deletePolicy } from '#commands/delete-policy.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'

const DeletePolicyInput = builder.inputType('DeletePolicyInput', {
  description: 'A policy to delete.',
  fields: (t) => ({
    policyId: t.id({
      required: true,
      description:
        'The policy. No link may hold it, and no key that is not revoked but for those whose authorizations are frozen.',
    }),
    ...versioned(t, 'policy'),
  }),
})

commandMutation(deletePolicy, {
  description:
    'Deletes a policy for good; its history stays, and its name may be used again. Keys whose authorizations are frozen keep what ' +
    'it granted. Needs the permission policies.write.',
  input: DeletePolicyInput,
  dryRun: true,
  success: (t) => ({
    policyId: t.id({
      needs: 'parent',
      description: 'The policy that is deleted.',
      resolve: ({ result }) => result.policyId,
    }),
  }),
})
