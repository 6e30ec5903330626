// Lists that are read page by page, all of one shape: `<Name>Connection` with `<Name>Edge`, totals counted only when asked.
import type { ObjectRef } from '@pothos/core'
import type { Page } from '#queries/page.ts'
import { builder, type Types } from './builder.ts'
import { COST_OF_PAGE_MEMBER, COUNT_COST, FREE } from './limits.ts'

const PageInfo = builder.objectRef<Page<unknown>['pageInfo']>('PageInfo').implement({
  description: 'Where a page lies in its list.',
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNextPage', {
      needs: 'parent',
      description: 'There is more after this page: ask again with `after: endCursor`.',
    }),
    hasPreviousPage: t.exposeBoolean('hasPreviousPage', {
      needs: 'parent',
      description: 'There is more before this page: ask, where `last` is offered, with `before: startCursor`.',
    }),
    startCursor: t.exposeString('startCursor', {
      nullable: true,
      needs: 'parent',
      description: "The first member's cursor; null for an empty page.",
    }),
    endCursor: t.exposeString('endCursor', {
      nullable: true,
      needs: 'parent',
      description: "The last member's cursor; null for an empty page.",
    }),
  }),
})

/**
 * The type of a list of `node`s, which are called `things` in descriptions. `as never`, because the compiler does not see that a
 * generic row is the shape of its own ref.
 */
export function connectionOf<Row>(
  node: ObjectRef<Types, Row>,
  things: string,
  { name = node.name, counted = true }: { readonly name?: string; readonly counted?: boolean } = {},
) {
  const Edge = builder.objectRef<Page<Row>['edges'][number]>(`${name}Edge`).implement({
    description: `One of a page of ${things}, with its place in the list.`,
    fields: (t) => ({
      cursor: t.exposeString('cursor', {
        needs: 'parent',
        description: 'Its place in the list, opaque, for `after` or `before` under the same filter and order.',
      }),
      node: t.field({
        type: node,
        needs: 'parent',
        description: 'The thing itself.',
        resolve: (edge) => edge.node as never,
      }),
    }),
  })
  return builder.objectRef<Page<Row>>(`${name}Connection`).implement({
    description: `A page of ${things}.`,
    fields: (t) => ({
      edges: t.field({
        type: [Edge],
        needs: 'parent',
        complexity: FREE,
        description: 'The page with a cursor for each.',
        resolve: (page) => page.edges,
      }),
      nodes: t.field({
        type: [node],
        needs: 'parent',
        complexity: COST_OF_PAGE_MEMBER,
        description: 'The page without cursors.',
        resolve: (page) => page.edges.map((edge) => edge.node) as never,
      }),
      pageInfo: t.field({
        type: PageInfo,
        needs: 'parent',
        complexity: FREE,
        description: 'Whether there is more, and how to ask for it.',
        resolve: (page) => page.pageInfo,
      }),
      ...(counted && {
        totalCount: t.int({
          nullable: true,
          needs: 'parent',
          complexity: COUNT_COST,
          description:
            'How many there are in all, under the same filter; exact. Null where more than 10 000 would have to be counted.',
          resolve: (page) => page.totalCount(),
        }),
      }),
    }),
  })
}

/** Arguments of a list that is read from its beginning. */
export const forward = builder.args((t) => ({
  first: t.int({ description: 'How many to read, 1 to 100. Absent: 50.' }),
  after: t.string({ description: 'Read on from here: the `endCursor` of the page before.' }),
}))

/** Arguments of a list that can also be read from its end. */
export const bothWays = builder.args((t) => ({
  first: t.int({ description: 'How many to read from the beginning, 1 to 100. Absent: 50, unless `last` is given.' }),
  after: t.string({ description: 'Read on from here: the `endCursor` of the page before.' }),
  last: t.int({ description: 'How many to read from the end, 1 to 100. Not together with `first`.' }),
  before: t.string({ description: 'Read back from here: the `startCursor` of the page after.' }),
}))
