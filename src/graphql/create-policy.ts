// The mutation createPolicy: its input, and what its success tells.
import { createPolicy } from '#commands/create-policy.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { idempotent } from './mutation-inputs.ts'
import { EndpointRuleInput } from './policy-inputs.ts'
import { policyField } from './success-fields.ts'

const CreatePolicyInput = builder.inputType('CreatePolicyInput', {
  description: 'A new policy.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'The account it will belong to.' }),
    name: t.string({ required: true, description: 'For people, 1 to 200 characters, unique in the account.' }),
    description: t.string({ required: true, description: 'For people: what it is for, 1 to 2000 characters.' }),
    permissions: t.stringList({
      required: true,
      description:
        'What it grants, up to 100: dotted names such as `ads.read`; `*` at the end stands for one or more segments.',
    }),
    endpoints: t.field({
      type: [EndpointRuleInput],
      description: 'Where it grants that, up to 32 rules. Absent or empty: everywhere.',
    }),
    ...idempotent(t),
  }),
})

commandMutation(createPolicy, {
  description: 'Creates a policy, to be given to keys. Needs the permission policies.write.',
  input: CreatePolicyInput,
  success: (t) => ({ policy: policyField(t) }),
})
