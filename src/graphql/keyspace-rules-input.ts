// The rules of a keyspace as they are asked for, when it is created and when it is changed.
import { builder } from './builder.ts'
import { AuthorizationsRule, CodeDeletionRule, KeyManagers, SecretDisplay } from './keyspace.ts'
import { PresentationInput } from './presentation.ts'

export const KeyspaceRulesInput = builder.inputType('KeyspaceRulesInput', {
  description:
    'Rules of a keyspace. When it is created, absent and null mean the default; when it is changed, what is absent stays as it ' +
    'is, and null is only valid where it means no limit. Rules must agree with each other, those that stay included.',
  fields: (t) => ({
    prefix: t.string({
      description:
        'Leads every generated secret: 2 to 32 of a-z, 0-9 and _, from a letter to a letter or digit; but not `keyledger`, nor ' +
        '`keyledger_…`, by which credentials of this API are known. Default: `key`.',
    }),
    activeKeysMax: t.int({
      description: 'The most keys that may be active at once, 1 to 1 000 000. Null: no limit, the default.',
    }),
    liveCodesMax: t.int({ description: 'The most codes of one key that may be live at once, 1 or 2. Default: 2.' }),
    codesAtCreation: t.int({ description: 'Codes issued together with a key, 0 to `liveCodesMax`. Default: 1.' }),
    codeLifetimeDays: t.int({
      description:
        'Days until a code expires for which no expiry is asked, 1 to 36 500 and at most `codeLifetimeDaysMax`. Null: the longest ' +
        'allowed, the default.',
    }),
    codeLifetimeDaysMax: t.int({
      description: 'The most days until expiry that may be asked for, 1 to 36 500. Null: unlimited, the default.',
    }),
    expiryRequired: t.boolean({
      description: 'Whoever issues or rotates must say when the code expires, if only null for never. Default: false.',
    }),
    secretDisplay: t.field({
      type: SecretDisplay,
      description: 'Whether secrets can be shown again. REVEALABLE back to ONCE destroys what was kept. Default: ONCE.',
    }),
    customSecrets: t.boolean({
      description: 'Whether codes may be given a secret of the caller instead of a generated one. Default: false.',
    }),
    authorizations: t.field({
      type: AuthorizationsRule,
      description: "What may become of a key's policies, its permissions and whom it acts as. Default: EDITABLE.",
    }),
    policyRequired: t.boolean({ description: 'Each key must hold at least one policy. Default: false.' }),
    codeDeletion: t.field({ type: CodeDeletionRule, description: 'When a code may be deleted. Default: ALWAYS.' }),
    managedBy: t.field({
      type: KeyManagers,
      description: 'Who sees and manages its keys, from now on. Default: ADMINISTRATORS.',
    }),
    defaultKeys: t.boolean({
      description:
        'Every user has one default key. Takes REVEALABLE secrets and at least one of `codesAtCreation`, and neither `activeKeysMax`, ' +
        '`policyRequired` nor `expiryRequired`; at most 10 keyspaces of an account. The answer that switches it on comes when all ' +
        'users have theirs; CONFLICT where some could not get theirs yet: then the rule is on, and sending it again makes the rest. ' +
        'Default: false.',
    }),
    defaultKeyName: t.string({
      description: 'The name of default keys made from now on, 1 to 200 characters. Default: `Default key`.',
    }),
    upstreamUserRequired: t.boolean({
      description:
        'Whether a key opens nothing unless a user has been authenticated as well, from now on. Default: false.',
    }),
    presentations: t.field({
      type: [PresentationInput],
      description:
        'Where keys are looked for, from now on: 1 to 10 different places. Default: the headers `X-API-Key` and `Authorization`.',
    }),
  }),
})
