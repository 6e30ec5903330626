// The link: another account's key, let in here.
import type { Actor as ActorShape } from '#domain/actor.ts'
import { type LinkRow, listLinks } from '#queries/links.ts'
import { Account } from './account.ts'
import { Actor } from './actor.ts'
import { builder } from './builder.ts'
import { connectionOf, forward } from './connection.ts'
import { found } from './found.ts'
import { policiesOf } from './key-policies.ts'
import { Keyspace } from './keyspace.ts'
import { costOfList, costOfPage } from './limits.ts'
import { Node } from './node.ts'
import { AT, asOf, costOfThing } from './past.ts'
import { POLICIES_EXPECTED, Policy } from './policy.ts'

export const KeyLink = builder.objectRef<LinkRow>('KeyLink').implement({
  description:
    "Another account's key, let in here under policies of this account: verified for this account it grants what these do and " +
    'nothing else, whatever its own account has granted it. That account issues and rotates its codes, and learns nothing of the link.',
  interfaces: [Node],
  fields: (t) => ({
    account: t.field({
      type: Account,
      needs: 'parent',
      past: true,
      description: 'The account that the key is let into.',
      resolve: async ({ account_id }, _arguments, { loaders }) => found(await loaders.account.load(account_id)),
    }),
    keyspace: t.field({
      type: Keyspace,
      nullable: true,
      needs: 'parent',
      past: true,
      description: 'The one keyspace of this account that the key is let into; null for all.',
      resolve: async ({ keyspace_id: id }, _arguments, { loaders }) =>
        id === null ? null : found(await loaders.keyspace.load(id)),
    }),
    keyId: t.exposeID('key_id', {
      needs: 'parent',
      description: 'The key, as it was named when it was linked. `key(id)` does not find it: it is another account’s.',
    }),
    keyName: t.string({
      needs: 'parent',
      past: true,
      complexity: 1,
      description: 'What its own account calls it now; once the link has ended, what it called it at that moment.',
      resolve: async ({ link_id }, _arguments, { loaders }) => found(await loaders.linkedKey.load(link_id)).name,
    }),
    policies: t.field({
      type: [Policy],
      needs: 'parent',
      past: true,
      complexity: costOfList(POLICIES_EXPECTED),
      description: 'What it grants here, in the order in which they were given.',
      resolve: policiesOf,
    }),
    active: t.boolean({
      needs: 'parent',
      past: true,
      complexity: 1,
      description:
        'Whether the key is any good, as far as its own account goes. False while it is disabled, expired, revoked or deleted, and ' +
        'once the link has ended.',
      resolve: async ({ link_id, unlinked_at }, _arguments, { loaders }) =>
        unlinked_at === null && found(await loaders.linkedKey.load(link_id)).active,
    }),
    linkedAt: t.expose('linked_at', { type: 'DateTime', needs: 'parent', description: 'When it was linked.' }),
    linkedBy: t.field({
      type: Actor,
      needs: 'parent',
      past: true,
      description: 'Who linked it.',
      resolve: (link): ActorShape => ({ kind: link.linked_by_kind, id: link.linked_by_id }),
    }),
    unlinkedAt: t.expose('unlinked_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When the link was ended: it is in no list then, and opens nothing. Null where it is not.',
    }),
    version: t.exposeInt('version', {
      needs: 'parent',
      description: 'Rises with each change, from 1; give it as `expectedVersion` to change only what you have seen.',
    }),
  }),
})

const KeyLinkConnection = connectionOf(KeyLink, 'links')

builder.objectField(Account, 'links', (t) =>
  t.field({
    type: KeyLinkConnection,
    nullable: true,
    needs: 'accounts.read',
    args: forward,
    complexity: costOfPage,
    description:
      "Other accounts' keys that are let in here, the newest first, ended links not. Null, with a FORBIDDEN error, without the " +
      'permission accounts.read.',
    resolve: ({ account_id }, page, { reader }) => listLinks(reader, account_id, page),
  }),
)

builder.queryField('link', (t) =>
  t.field({
    type: KeyLink,
    nullable: true,
    needs: 'accounts.read',
    args: {
      id: t.arg.id({ required: true, description: "The link's id." }),
      at: t.arg({ type: 'DateTime', description: AT }),
    },
    complexity: costOfThing,
    description: 'One link, ended or not; null where there is none that the caller can see.',
    resolve: (_root, { id, at }, context) => asOf(context, at).loaders.link.load(id),
  }),
)
