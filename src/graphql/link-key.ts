// The mutation linkKey: its input, and what its success tells.
import { linkKey } from '#commands/link-key.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { idempotent } from './mutation-inputs.ts'
import { linkField } from './success-fields.ts'

const LinkKeyInput = builder.inputType('LinkKeyInput', {
  description: "Another account's key to let in.",
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'The account to let it into.' }),
    keyId: t.id({
      required: true,
      description:
        'The key, by the id that its own account has told you: whoever knows it may link it, and learns its name and whether it is ' +
        'active. One that is revoked, or a credential of this API, is not found.',
    }),
    keyspaceId: t.id({ description: 'Let it into this keyspace only. Absent: into all of the account.' }),
    policyIds: t.idList({
      required: true,
      description: 'What it is to grant here: policies of this account, at least one (POLICY_REQUIRED) and up to 50.',
    }),
    ...idempotent(t),
  }),
})

commandMutation(linkKey, {
  description:
    "Lets another account's key in, under policies of this account. A key is linked once into an account (ALREADY_LINKED), into one " +
    'keyspace or all; one of the account itself is not linked (LINK_TO_OWN_KEY). Needs the permission links.write.',
  input: LinkKeyInput,
  success: (t) => ({ link: linkField(t) }),
})
