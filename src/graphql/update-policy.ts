// The mutation updatePolicy: its input, and what its success tells.
import { updatePolicy } from '#commands/update-policy.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { EndpointRuleInput } from './policy-inputs.ts'
import { policyField } from './success-fields.ts'

const UpdatePolicyInput = builder.inputType('UpdatePolicyInput', {
  description: 'Changes of a policy. What is absent stays as it is; null clears.',
  fields: (t) => ({
    policyId: t.id({ required: true, description: 'The policy.' }),
    name: t.string({ description: 'Its new name, 1 to 200 characters, unique in the account. Null is not valid.' }),
    description: t.string({ description: 'What it is for, 1 to 2000 characters. Null is not valid.' }),
    permissions: t.stringList({ description: 'All that it grants from now on, up to 100 permissions.' }),
    endpoints: t.field({
      type: [EndpointRuleInput],
      description: 'All its rules from now on, up to 32. Null or empty: it grants everywhere what it grants.',
    }),
    ...versioned(t, 'policy'),
  }),
})

commandMutation(updatePolicy, {
  description:
    'Edits a policy. The next verification of every key or link that holds it goes by what is here set; keys whose authorizations are ' +
    'frozen stay as they are. Where management keys hold it, the caller must hold all that these then grant. Needs the permission ' +
    'policies.write.',
  input: UpdatePolicyInput,
  dryRun: true,
  success: (t) => ({ policy: policyField(t) }),
})
