// The user: a person or service of the account's own directory.
import type { Role as RoleName } from '#domain/user/roles.ts'
import { ERASED } from '#domain/user/state.ts'
import { findUserByExternalId, listUsers, type UserRow } from '#queries/users.ts'
import { Account } from './account.ts'
import { builder } from './builder.ts'
import { connectionOf, forward } from './connection.ts'
import { found } from './found.ts'
import { costOfPage } from './limits.ts'
import { Node } from './node.ts'
import { AT, asOf, costOfThing } from './past.ts'

const ROLES: { readonly [Name in RoleName]: { readonly description: string } } = {
  ADMINISTRATOR: { description: 'May do everything in the account.' },
  AUDITOR: { description: 'May read everything, history and access log included, and change nothing.' },
  VERIFIER: { description: 'May verify keys, and nothing else.' },
  MEMBER: { description: 'May see and manage the keys they own, in keyspaces that are managed by OWNERS.' },
}
export const Role = builder.enumType('Role', {
  description: 'What a user may do in this API. What they may do in the application are their permissions.',
  values: ROLES,
})

export const User = builder.objectRef<UserRow>('User').implement({
  description:
    "A person or service of the account's own directory, for whom keys are kept. Who they are is kept encrypted and apart from " +
    'the history, which names them by their id only.',
  interfaces: [Node],
  fields: (t) => ({
    account: t.field({
      type: Account,
      needs: 'parent',
      past: true,
      description: 'The account they belong to.',
      resolve: async ({ account_id }, _arguments, { loaders }) => found(await loaders.account.load(account_id)),
    }),
    externalId: t.string({
      needs: 'parent',
      past: true,
      description:
        "Their exact name in the account's own directory, case-sensitive, for example `kharnagy@domain.corp`. `(erased)` where " +
        'it is kept no more.',
      resolve: async ({ user_id }, _arguments, { loaders }) =>
        (await loaders.profile.load(user_id))?.externalId ?? ERASED,
    }),
    displayName: t.string({
      nullable: true,
      needs: 'parent',
      past: true,
      description: 'What people call them; null where that is not known.',
      resolve: async ({ user_id }, _arguments, { loaders }) =>
        (await loaders.profile.load(user_id))?.displayName ?? null,
    }),
    role: t.expose('role', { type: Role, needs: 'parent', description: 'What they may do in this API.' }),
    permissions: t.field({
      type: ['String'],
      needs: 'parent',
      past: true,
      description: 'What they may do in the application; a key that acts as them can do no more.',
      resolve: ({ permissions }) => permissions,
    }),
    createdAt: t.expose('created_at', { type: 'DateTime', needs: 'parent', description: 'When they were added.' }),
    removedAt: t.expose('removed_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description:
        'When they were removed: they are in no list then, and own no keys that work. Null where they are not.',
    }),
    erasedAt: t.expose('erased_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When all that told who they were was destroyed; null where it is still kept.',
    }),
    version: t.exposeInt('version', {
      needs: 'parent',
      description: 'Rises with each change, from 1; give it as `expectedVersion` to change only what you have seen.',
    }),
  }),
})

const UserConnection = connectionOf(User, 'users')

builder.objectFields(Account, (t) => ({
  users: t.field({
    type: UserConnection,
    nullable: true,
    needs: 'accounts.read',
    args: forward,
    complexity: costOfPage,
    description:
      'Its users, the newest first, removed ones not. Null, with a FORBIDDEN error, without the permission accounts.read.',
    resolve: ({ account_id }, page, { reader }) => listUsers(reader, account_id, page),
  }),
  user: t.field({
    type: User,
    nullable: true,
    needs: 'accounts.read',
    args: { externalId: t.arg.string({ required: true, description: 'Their exact external id, case included.' }) },
    description: 'The user who has this external id; null where nobody has.',
    resolve: ({ account_id }, { externalId }, { reader }) => findUserByExternalId(reader, account_id, externalId),
  }),
}))

builder.queryField('user', (t) =>
  t.field({
    type: User,
    nullable: true,
    needs: 'accounts.read',
    args: {
      id: t.arg.id({ required: true, description: "The user's id." }),
      at: t.arg({ type: 'DateTime', description: AT }),
    },
    complexity: costOfThing,
    description: 'One user, removed or not; null where there is none that the caller can see.',
    resolve: (_root, { id, at }, context) => asOf(context, at).loaders.user.load(id),
  }),
)
