// The mutation unlinkKey: its input, and what its success tells.
import { unlinkKey } from '#commands/unlink-key.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { versioned } from './mutation-inputs.ts'

const UnlinkKeyInput = builder.inputType('UnlinkKeyInput', {
  description: 'A link to end.',
  fields: (t) => ({ linkId: t.id({ required: true, description: 'The link.' }), ...versioned(t, 'link') }),
})

commandMutation(unlinkKey, {
  description:
    'Ends a link for good: the key opens nothing here any more, and stays as it is for its own account. It may be linked again. ' +
    'Needs the permission links.write.',
  input: UnlinkKeyInput,
  dryRun: true,
  success: (t) => ({
    linkId: t.id({
      needs: 'parent',
      description: 'The link that has ended.',
      resolve: ({ result }) => result.linkId,
    }),
  }),
})
