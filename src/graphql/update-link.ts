// The mutation updateLink: its input, and what its success tells.
import { updateLink } from '#commands/update-link.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'
import { linkField } from './success-fields.ts'

const UpdateLinkInput = builder.inputType('UpdateLinkInput', {
  description: 'Changes of a link.',
  fields: (t) => ({
    linkId: t.id({ required: true, description: 'The link.' }),
    policyIds: t.idList({
      required: true,
      description: 'All that the key is to grant here from now on: at least one policy (POLICY_REQUIRED), up to 50.',
    }),
    ...versioned(t, 'link'),
  }),
})

commandMutation(updateLink, {
  description:
    'Sets what a linked key grants here; the next verification goes by it. Needs the permission links.write.',
  input: UpdateLinkInput,
  dryRun: true,
  success: (t) => ({ link: linkField(t) }),
})
