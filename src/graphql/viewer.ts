// The caller.
import type { Caller } from '#domain/caller.ts'
import { actorOf } from '#domain/caller.ts'
import { Account } from './account.ts'
import { labelOf } from './actor.ts'
import { builder } from './builder.ts'
import { found } from './found.ts'
import { demand } from './needs.ts'

const KINDS: { readonly [Kind in Caller['kind']]: { readonly description: string } } = {
  ROOT: { description: "The holder of the installation's root key, who may do everything in every account." },
  KEY: { description: 'A key of a management keyspace, confined to its account.' },
  USER: {
    description:
      "A user of the account's directory, who may do what their role permits: by a token of the organisation's identity provider, " +
      'or by a management key that acts as them, and then no more than both permit.',
  },
}

const ViewerKind = builder.enumType('ViewerKind', { description: 'What kind of caller it is.', values: KINDS })

const Viewer = builder.objectRef<Caller>('Viewer').implement({
  description: 'Who is calling, and what they may do.',
  fields: (t) => ({
    kind: t.expose('kind', { type: ViewerKind, needs: 'parent', description: 'What kind of caller it is.' }),
    viewerId: t.id({
      nullable: true,
      needs: 'parent',
      description: "The calling key's or user's id; null for ROOT.",
      resolve: (caller) => actorOf(caller).id,
    }),
    label: t.string({
      needs: 'parent',
      description: "For people: `root`, the key's name, or what the user is called.",
      resolve: (caller, _arguments, context) => labelOf(actorOf(caller), context),
    }),
    account: t.field({
      type: Account,
      nullable: true,
      needs: 'parent',
      description:
        'The account the caller belongs to, and all they can see; null for ROOT. Its keyspaces and their rules need no permission.',
      resolve: async (caller, _arguments, { loaders }) =>
        caller.kind === 'ROOT' ? null : found(await loaders.account.load(caller.accountId)),
    }),
    permissions: t.stringList({
      needs: 'parent',
      description:
        'What the caller may do here, such as `keys.read`, to a MEMBER for the keys that they own; `*` stands for everything.',
      resolve: (caller) => (caller.kind === 'ROOT' ? ['*'] : caller.permissions),
    }),
  }),
})

builder.queryField('viewer', (t) =>
  t.field({
    type: Viewer,
    needs: 'caller',
    description: 'Who is calling, and what they may do.',
    resolve: (_root, _arguments, { caller }) => demand(caller, 'caller'),
  }),
)
