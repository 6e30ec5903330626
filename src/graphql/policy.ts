// The policy: a named set of permissions and endpoint rules that keys and links are given.
import type { EndpointRule as EndpointRuleShape } from '#domain/endpoint.ts'
import { findPolicyByName, listPolicies, type PolicyRow } from '#queries/policies.ts'
import { Account } from './account.ts'
import { builder } from './builder.ts'
import { connectionOf, forward } from './connection.ts'
import { found } from './found.ts'
import { costOfPage } from './limits.ts'
import { Node } from './node.ts'
import { AT, asOf, costOfThing } from './past.ts'

/** Most keys hold a few; the most there can be would price a page of keys as if each held them all. */
export const POLICIES_EXPECTED = 5

export const EndpointRule = builder.objectRef<EndpointRuleShape>('EndpointRule').implement({
  description: 'Methods and paths of the protected service at which a policy applies.',
  fields: (t) => ({
    methods: t.field({
      type: ['String'],
      needs: 'parent',
      description: 'Methods in upper case, `*` for all. GET does not stand for HEAD.',
      resolve: ({ methods }) => methods,
    }),
    path: t.exposeString('path', {
      needs: 'parent',
      description: 'The pathname of a URL pattern: `/reports/:id`, `/ads/*`.',
    }),
  }),
})

export const Policy = builder.objectRef<PolicyRow>('Policy').implement({
  description:
    'A named set of permissions and endpoint rules. A key that holds it grants, from the next verification on, what the policy is ' +
    'at that time; a key whose authorizations are frozen, what it was when that happened.',
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
    description: t.exposeString('description', { needs: 'parent', description: 'For people: what it is for.' }),
    permissions: t.field({
      type: ['String'],
      needs: 'parent',
      past: true,
      description: 'What it grants. A wildcard stands for one or more segments: `ads.*`, `*`.',
      resolve: ({ permissions }) => permissions,
    }),
    endpoints: t.field({
      type: [EndpointRule],
      needs: 'parent',
      past: true,
      description:
        'Where it grants that: nothing but what one of these rules allows. None: everywhere. They scope this policy and no other.',
      resolve: ({ endpoints }) => endpoints,
    }),
    createdAt: t.expose('created_at', { type: 'DateTime', needs: 'parent', description: 'When it was created.' }),
    deletedAt: t.expose('deleted_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When it was deleted: it is in no list then, and can be given to no key. Null where it is not.',
    }),
    version: t.exposeInt('version', {
      needs: 'parent',
      description: 'Rises with each change, from 1; give it as `expectedVersion` to change only what you have seen.',
    }),
  }),
})

const PolicyConnection = connectionOf(Policy, 'policies')

builder.objectFields(Account, (t) => ({
  policies: t.field({
    type: PolicyConnection,
    nullable: true,
    needs: 'accounts.read',
    args: forward,
    complexity: costOfPage,
    description: 'Its policies, the newest first, deleted ones not.',
    resolve: ({ account_id }, page, { reader }) => listPolicies(reader, account_id, page),
  }),
  policy: t.field({
    type: Policy,
    nullable: true,
    needs: 'accounts.read',
    args: { name: t.arg.string({ required: true, description: 'Its exact name.' }) },
    description: 'The policy of this name; null where there is none.',
    resolve: ({ account_id }, { name }, { reader }) => findPolicyByName(reader, account_id, name),
  }),
}))

builder.queryField('policy', (t) =>
  t.field({
    type: Policy,
    nullable: true,
    needs: 'accounts.read',
    args: {
      id: t.arg.id({ required: true, description: "The policy's id." }),
      at: t.arg({ type: 'DateTime', description: AT }),
    },
    complexity: costOfThing,
    description: 'One policy, deleted or not; null where there is none that the caller can see.',
    resolve: (_root, { id, at }, context) => asOf(context, at).loaders.policy.load(id),
  }),
)
