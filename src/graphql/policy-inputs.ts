// Input that mutations of policies share.
import { builder } from './builder.ts'

export const EndpointRuleInput = builder.inputType('EndpointRuleInput', {
  description: 'Methods and paths of the protected service at which a policy applies.',
  fields: (t) => ({
    methods: t.stringList({
      required: true,
      description: 'Up to 10 methods in upper case, at least one; `*` for all. GET does not stand for HEAD.',
    }),
    path: t.string({
      required: true,
      description:
        'The pathname of a URL pattern, at most 256 characters from `/` on: `:name` stands for one segment or the rest of one, `*`, ' +
        'once, for any text, `\\` before `:`, `*`, `+`, `(` or `)` for that character itself. No groups, regular expressions or ' +
        'modifiers. Case-sensitive; other characters than those of a path are written percent-encoded.',
    }),
  }),
})
