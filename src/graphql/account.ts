// The account: the tenant that everything belongs to.
import { type AccountRow, listAccounts } from '#queries/accounts.ts'
import { builder } from './builder.ts'
import { connectionOf, forward } from './connection.ts'
import { found } from './found.ts'
import { costOfPage } from './limits.ts'
import { demand } from './needs.ts'
import { Node } from './node.ts'

export const Account = builder.objectRef<AccountRow>('Account').implement({
  description: 'A tenant. Everything belongs to exactly one, and no account sees anything of another.',
  interfaces: [Node],
  fields: (t) => ({
    name: t.exposeString('name', { needs: 'parent', description: 'For people; not unique.' }),
    createdAt: t.expose('created_at', { type: 'DateTime', needs: 'parent', description: 'When it was created.' }),
    position: t.field({
      type: 'Position',
      needs: 'parent',
      past: true,
      description:
        'This answer includes every event of the account up to here. Where the account is reached by `account(id)`, by ' +
        '`viewer` or from a mutation, and always for callers other than root.',
      resolve: async ({ account_id }, _arguments, { loaders }) => found(await loaders.accountPosition.load(account_id)),
    }),
  }),
})

const AccountConnection = connectionOf(Account, 'accounts')

builder.queryFields((t) => ({
  account: t.field({
    type: Account,
    nullable: true,
    needs: 'accounts.read',
    args: { id: t.arg.id({ required: true, description: "The account's id." }) },
    description: 'One account; null where there is none that the caller can see.',
    resolve: (_root, { id }, { loaders }) => loaders.account.load(id),
  }),
  accounts: t.field({
    type: AccountConnection,
    needs: 'accounts.read',
    args: forward,
    complexity: costOfPage,
    description: 'The accounts, the newest first: all for root, for any other caller their own only.',
    resolve: (_root, page, { caller, reader }) => listAccounts(reader, demand(caller, 'accounts.read'), page),
  }),
}))
