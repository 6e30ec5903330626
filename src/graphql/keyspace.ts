// The keyspace: keys under one set of rules.
import type {
  AuthorizationsRule as Authorizations,
  CodeDeletionRule as DeletionRule,
  SecretDisplay as Display,
  KeyManagers as Managers,
  KeyspaceRules as Rules,
} from '#domain/keyspace/rules.ts'
import { findKeyspaceByName, type KeyspaceRow, listKeyspaces } from '#queries/keyspaces.ts'
import { Account } from './account.ts'
import { builder } from './builder.ts'
import { connectionOf, forward } from './connection.ts'
import { found } from './found.ts'
import { COUNT_COST, costOfPage } from './limits.ts'
import { Node } from './node.ts'
import { AT, asOf, costOfThing } from './past.ts'
import { Presentation } from './presentation.ts'

const AUTHORIZATIONS_RULES: { readonly [Name in Authorizations]: { readonly description: string } } = {
  EDITABLE: { description: 'They can be changed at any time, and follow the policies.' },
  FROZEN: {
    description:
      "No mutation changes a key's policies, its permissions or whom it acts as. Each keeps what its policies granted when it was " +
      'created, or when the keyspace was given this rule, if that was later: whatever then becomes of them or of this rule. What ' +
      'the user may whom it acts as bounds it at any time.',
  },
}

export const AuthorizationsRule = builder.enumType('AuthorizationsRule', {
  description: 'What may become of the authorizations of a key: its policies, its permissions, and whom it acts as.',
  values: AUTHORIZATIONS_RULES,
})

const DELETION_RULES: { readonly [Name in DeletionRule]: { readonly description: string } } = {
  ALWAYS: { description: 'At any time.' },
  WHEN_DISABLED: { description: 'Only once it is switched off or has expired; else CODE_ENABLED.' },
}

const DISPLAYS: { readonly [Name in Display]: { readonly description: string } } = {
  ONCE: { description: 'In the answer that issues them and nowhere else.' },
  REVEALABLE: {
    description:
      'By `revealCode` too, from the code on that is issued next: they are kept, sealed, until their code is replaced, deleted ' +
      'or revoked. Back to ONCE destroys what was kept.',
  },
}

export const SecretDisplay = builder.enumType('SecretDisplay', {
  description: 'When secrets are shown.',
  values: DISPLAYS,
})

export const CodeDeletionRule = builder.enumType('CodeDeletionRule', {
  description: 'When a code may be deleted.',
  values: DELETION_RULES,
})

const MANAGERS: { readonly [Name in Managers]: { readonly description: string } } = {
  ADMINISTRATORS: { description: 'Whoever has the permission for all keys, and no user of the role MEMBER.' },
  OWNERS: {
    description:
      'They, and each MEMBER the keys that they own, and nothing else. A key acts as its owner unless told otherwise.',
  },
}

export const KeyManagers = builder.enumType('KeyManagers', {
  description: 'Who sees and manages keys.',
  values: MANAGERS,
})

const KeyspaceRules = builder.objectRef<Rules>('KeyspaceRules').implement({
  description:
    'What holds for every key of a keyspace. Changed rules bind later mutations only, unless they say otherwise: nothing is revoked by them.',
  fields: (t) => ({
    prefix: t.exposeString('prefix', {
      needs: 'parent',
      description:
        'Leads every generated secret: `bss` gives `bss_…`. Secrets made under an earlier prefix still verify.',
    }),
    activeKeysMax: t.exposeInt('activeKeysMax', {
      nullable: true,
      needs: 'parent',
      description:
        'The most keys that may be active at once, disabled ones included, revoked, deleted and expired ones not. Null: no limit.',
    }),
    liveCodesMax: t.exposeInt('liveCodesMax', {
      needs: 'parent',
      description: 'The most codes of one key that may be live at once, 1 or 2. With 1 there is only the slot PRIMARY.',
    }),
    codesAtCreation: t.exposeInt('codesAtCreation', {
      needs: 'parent',
      description: 'How many codes are issued together with a key, 0 to `liveCodesMax`.',
    }),
    codeLifetimeDays: t.exposeInt('codeLifetimeDays', {
      nullable: true,
      needs: 'parent',
      description: 'Days until a code expires for which no expiry is asked. Null: the longest allowed.',
    }),
    codeLifetimeDaysMax: t.exposeInt('codeLifetimeDaysMax', {
      nullable: true,
      needs: 'parent',
      description:
        'The most days until expiry that may be asked for. Null: unlimited, codes that never expire included.',
    }),
    expiryRequired: t.exposeBoolean('expiryRequired', {
      needs: 'parent',
      description:
        'Whoever issues or rotates must say when the code expires, if only null for never; else EXPIRY_REQUIRED.',
    }),
    secretDisplay: t.expose('secretDisplay', {
      type: SecretDisplay,
      needs: 'parent',
      description: 'Whether secrets can be shown again.',
    }),
    customSecrets: t.exposeBoolean('customSecrets', {
      needs: 'parent',
      description:
        'Whoever issues or rotates may give a secret of their own; else SECRET_NOT_ALLOWED. Others are generated.',
    }),
    authorizations: t.expose('authorizations', {
      type: AuthorizationsRule,
      needs: 'parent',
      description: "What may become of a key's policies, its permissions and whom it acts as.",
    }),
    policyRequired: t.exposeBoolean('policyRequired', {
      needs: 'parent',
      description: 'Whether each key must hold at least one policy; else POLICY_REQUIRED.',
    }),
    codeDeletion: t.expose('codeDeletion', {
      type: CodeDeletionRule,
      needs: 'parent',
      description: 'When a code may be deleted.',
    }),
    managedBy: t.expose('managedBy', {
      type: KeyManagers,
      needs: 'parent',
      description: 'Who sees and manages its keys. A change holds at once, for the keys that are there too.',
    }),
    upstreamUserRequired: t.exposeBoolean('upstreamUserRequired', {
      needs: 'parent',
      description:
        'A key opens nothing unless whoever verifies it has authenticated a user as well; else UPSTREAM_USER_REQUIRED. A change ' +
        'holds at once, for the keys that are there too.',
    }),
    presentations: t.field({
      type: [Presentation],
      needs: 'parent',
      description:
        'Where forward-auth looks for keys, and middleware should: nowhere else. A change holds at once, for the keys that are ' +
        'there too.',
      resolve: ({ presentations }) => presentations,
    }),
  }),
})

builder.objectFields(KeyspaceRules, (t) => ({
  defaultKeys: t.exposeBoolean('defaultKeys', {
    needs: 'parent',
    description:
      'Every user of the account has one default key here, which acts as them and holds `*`: made with the user, and anew as ' +
      'soon as it is revoked or deleted. Switched on, those who are there get theirs; switched off, they stay as ordinary keys.',
  }),
  defaultKeyName: t.exposeString('defaultKeyName', {
    needs: 'parent',
    description: 'What default keys made from now on are called.',
  }),
}))

export const Keyspace = builder.objectRef<KeyspaceRow>('Keyspace').implement({
  description: 'Keys under one set of rules: a use case, an API. A key of one keyspace is nothing in another.',
  interfaces: [Node],
  fields: (t) => ({
    account: t.field({
      type: Account,
      needs: 'parent',
      past: true,
      description: 'The account it belongs to.',
      resolve: async ({ account_id }, _arguments, { loaders }) => found(await loaders.account.load(account_id)),
    }),
    name: t.exposeString('name', { needs: 'parent', description: 'For people, and unique in the account.' }),
    rules: t.field({
      type: KeyspaceRules,
      needs: 'parent',
      past: true,
      description: 'What holds for every key in it.',
      resolve: ({ rules }) => rules,
    }),
    activeKeyCount: t.int({
      nullable: true,
      needs: 'keys.read',
      complexity: COUNT_COST,
      description: 'How many keys count towards `activeKeysMax` now; for a MEMBER, how many of their own.',
      resolve: ({ keyspace_id }, _arguments, { loaders }) => loaders.activeKeyCount.load(keyspace_id),
    }),
    createdAt: t.expose('created_at', { type: 'DateTime', needs: 'parent', description: 'When it was created.' }),
    deletedAt: t.expose('deleted_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When it was deleted: it is in no list then, and takes no keys. Null where it is not.',
    }),
    version: t.exposeInt('version', {
      needs: 'parent',
      description: 'Rises with each change, from 1; give it as `expectedVersion` to change only what you have seen.',
    }),
  }),
})

const KeyspaceConnection = connectionOf(Keyspace, 'keyspaces')

// Part of the account, like its name: an answer that reaches the account must not be lost, with a secret in it, to a right that
// whoever asked does not have.
builder.objectFields(Account, (t) => ({
  managementKeyspace: t.field({
    type: Keyspace,
    needs: 'parent',
    past: true,
    description:
      'Made with the account. The codes of its keys are the Bearer credentials of this API, their permissions those of ' +
      '`Viewer.permissions`.',
    resolve: async (account, _arguments, { loaders }) =>
      found(await loaders.keyspace.load(account.management_keyspace_id)),
  }),
  keyspaces: t.field({
    type: KeyspaceConnection,
    needs: 'parent',
    args: forward,
    complexity: costOfPage,
    description:
      'Its keyspaces, the newest first, the management keyspace included, deleted ones not. For whoever is shown the account, and ' +
      'so for every credential of it.',
    resolve: ({ account_id }, page, { reader }) => listKeyspaces(reader, account_id, page),
  }),
  keyspace: t.field({
    type: Keyspace,
    nullable: true,
    needs: 'parent',
    args: { name: t.arg.string({ required: true, description: 'Its exact name.' }) },
    description: 'The keyspace of this name, for whoever is shown the account; null where there is none.',
    resolve: ({ account_id }, { name }, { reader }) => findKeyspaceByName(reader, account_id, name),
  }),
}))

builder.queryField('keyspace', (t) =>
  t.field({
    type: Keyspace,
    nullable: true,
    needs: 'accounts.read',
    args: {
      id: t.arg.id({ required: true, description: "The keyspace's id." }),
      at: t.arg({ type: 'DateTime', description: AT }),
    },
    complexity: costOfThing,
    description: 'One keyspace, deleted or not; null where there is none that the caller can see.',
    resolve: (_root, { id, at }, context) => asOf(context, at).loaders.keyspace.load(id),
  }),
)
