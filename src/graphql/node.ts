// Everything with an id, and how one is found by nothing but it: the id says what kind of thing it names, and the kind what a
// caller must hold.
import { type IdKind, kindOf } from '#domain/ids.ts'
import type { ManagementPermission } from '#domain/permission.ts'
import type { AccountRow } from '#queries/accounts.ts'
import type { CodeRow } from '#queries/codes.ts'
import type { EventRow } from '#queries/events.ts'
import type { KeyRow } from '#queries/keys.ts'
import type { KeyspaceRow } from '#queries/keyspaces.ts'
import type { LinkRow } from '#queries/links.ts'
import type { PolicyRow } from '#queries/policies.ts'
import type { RotationRow } from '#queries/rotations.ts'
import type { UserRow } from '#queries/users.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { demand } from './needs.ts'

export type NodeRow =
  | AccountRow
  | KeyspaceRow
  | KeyRow
  | CodeRow
  | RotationRow
  | LinkRow
  | PolicyRow
  | UserRow
  | EventRow

export const Node = builder.interfaceRef<NodeRow>('Node').implement({
  description: 'Anything with an id of its own: it can be read by `node(id)`.',
  fields: (t) => ({
    id: t.id({
      needs: 'parent',
      past: true,
      description: 'Unique among everything, and never used again.',
      resolve: idOf,
    }),
  }),
  resolveType: typeOf,
})

// Rows also hold the ids of what they belong to, so the innermost kind is asked for first.

function typeOf(row: NodeRow): string {
  if ('event_id' in row) return 'Event'
  if ('rotation_id' in row) return 'Rotation'
  if ('link_id' in row) return 'KeyLink'
  if ('code_id' in row) return 'AccessCode'
  if ('key_id' in row) return 'ApiKey'
  if ('policy_id' in row) return 'Policy'
  if ('user_id' in row) return 'User'
  return 'keyspace_id' in row ? 'Keyspace' : 'Account'
}

function idOf(row: NodeRow): string {
  if ('event_id' in row) return row.event_id
  if ('rotation_id' in row) return row.rotation_id
  if ('link_id' in row) return row.link_id
  if ('code_id' in row) return row.code_id
  if ('key_id' in row) return row.key_id
  if ('policy_id' in row) return row.policy_id
  if ('user_id' in row) return row.user_id
  return 'keyspace_id' in row ? row.keyspace_id : row.account_id
}

type Kind = {
  readonly permission: ManagementPermission
  load(loaders: Context['loaders'], id: string): Promise<NodeRow | null>
}

const KINDS: { readonly [Name in IdKind]: Kind } = {
  acct: { permission: 'accounts.read', load: (loaders, id) => loaders.account.load(id) },
  ks: { permission: 'accounts.read', load: (loaders, id) => loaders.keyspace.load(id) },
  key: { permission: 'keys.read', load: (loaders, id) => loaders.key.load(id) },
  code: { permission: 'keys.read', load: (loaders, id) => loaders.code.load(id) },
  rot: { permission: 'keys.read', load: (loaders, id) => loaders.rotation.load(id) },
  lnk: { permission: 'accounts.read', load: (loaders, id) => loaders.link.load(id) },
  pol: { permission: 'accounts.read', load: (loaders, id) => loaders.policy.load(id) },
  usr: { permission: 'accounts.read', load: (loaders, id) => loaders.user.load(id) },
  evt: { permission: 'events.read', load: (loaders, id) => loaders.event.load(id) },
}

/** Null where the id names nothing that the caller can see. Throws FORBIDDEN where such things are not theirs to read. */
export async function findNode({ caller, loaders }: Context, id: string): Promise<NodeRow | null> {
  const name = kindOf(id)
  if (name === undefined) return null
  const kind = KINDS[name]
  demand(caller, kind.permission)
  return kind.load(loaders, id)
}

builder.queryField('node', (t) =>
  t.field({
    type: Node,
    nullable: true,
    needs: 'caller',
    args: { id: t.arg.id({ required: true, description: 'The id of anything.' }) },
    description:
      'Whatever has this id; null where nothing does. Needs the permission of the query for that kind of thing, for ' +
      'example keys.read for a key.',
    resolve: (_root, { id }, context) => findNode(context, id),
  }),
)
