// The mutation createKey: its input, and what its success tells.
import { createKey } from '#commands/create-key.ts'
import { AccessLoggingInput } from './access-logging.ts'
import { builder } from './builder.ts'
import { commandMutation } from './command-mutation.ts'
import { idempotent, NewCodeInput } from './mutation-inputs.ts'
import { issuedCodesField, keyField } from './success-fields.ts'

const CreateKeyInput = builder.inputType('CreateKeyInput', {
  description: 'A new key. Null means the default, like absent.',
  fields: (t) => ({
    keyspaceId: t.id({ required: true, description: 'The keyspace it will belong to, for good.' }),
    name: t.string({ required: true, description: 'For people, 1 to 200 characters; need not be unique.' }),
    description: t.string({ description: 'For people, up to 2000 characters. Default: none.' }),
    tags: t.stringList({ description: 'Up to 50 different labels of up to 100 characters. Default: none.' }),
    metadata: t.field({
      type: 'JSON',
      description: "The application's own data, up to 16 384 bytes, handed out with each verdict. Default: `{}`.",
    }),
    policyIds: t.idList({
      description:
        'Policies that it holds, up to 50 different ones of its account. In a keyspace whose authorizations are FROZEN it keeps what ' +
        'they grant now. Default: none.',
    }),
    permissions: t.stringList({
      description:
        'What it grants beside its policies, up to 100: dotted names such as `ads.read`; `*` at the end stands for one or more segments. In the ' +
        'management keyspace: what it may do in this API, at most what the caller may. A MEMBER gives at most their own, policies ' +
        'included. Default: nothing.',
    }),
    ownerId: t.id({
      description:
        'The user of its account whose key it is. Default: nobody; for a MEMBER themselves, and nobody else.',
    }),
    actsAs: t.string({
      description:
        'The exact external id, case included, of the user it acts as: it then opens only what they may do themselves, now and at any ' +
        'time. Null: nobody, which a MEMBER may not say. Default: its owner where the keyspace is managed by OWNERS, else nobody.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When the key itself ends, whatever its codes say; in the future. Default: never.',
    }),
    enabled: t.boolean({ required: true, defaultValue: true, description: 'False: switched off until `enableKey`.' }),
    logging: t.field({
      type: AccessLoggingInput,
      description: 'Which bodies the access log is to keep. Default: none.',
    }),
    codes: t.field({
      type: [NewCodeInput],
      description:
        'Codes to issue with it, at most 2; `[]` for none. Default: as many as the keyspace issues at creation.',
    }),
    ...idempotent(t),
  }),
})

commandMutation(createKey, {
  description:
    'Creates a key and issues its first codes. Store the secrets: they are shown once. Needs the permission keys.write.',
  input: CreateKeyInput,
  success: (t) => ({ key: keyField(t), issued: issuedCodesField(t) }),
})
