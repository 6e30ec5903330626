// The key: what is managed. Its secrets are codes, in a file of their own.
import type { Actor as ActorShape } from '#domain/actor.ts'
import { invariant } from '#domain/invariant.ts'
import type { RevocationReason as Reason } from '#domain/key/events.ts'
import { keyStatus, type KeyStatus as Status } from '#domain/key/key-status.ts'
import type { Revocation as RevocationShape } from '#domain/key/state.ts'
import type { KeyRow } from '#queries/keys.ts'
import { AccessLogging } from './access-logging.ts'
import { Account } from './account.ts'
import { Actor } from './actor.ts'
import { builder } from './builder.ts'
import { connectionOf } from './connection.ts'
import { found } from './found.ts'
import { Keyspace } from './keyspace.ts'
import { Node } from './node.ts'
import { AT, asOf, costOfThing } from './past.ts'

const STATUSES: { readonly [Name in Status]: { readonly description: string } } = {
  ACTIVE: { description: 'It is good, as far as the key goes: see its codes for which secrets open something.' },
  DISABLED: { description: 'Switched off; `enableKey` switches it on again.' },
  EXPIRED: { description: 'Past its own expiry; a later one (`updateKey`) revives it.' },
  REVOKED: { description: 'Ended for good.' },
  DELETED: { description: 'Ended for good, and left out of lists.' },
}
export const KeyStatus = builder.enumType('KeyStatus', {
  description: 'What a key is now: the first that applies of DELETED, REVOKED, DISABLED, EXPIRED, ACTIVE.',
  values: STATUSES,
})

const REASONS: { readonly [Name in Reason]: { readonly description: string } } = {
  UNSPECIFIED: { description: 'None given.' },
  KEY_COMPROMISE: { description: 'A secret of the key has, or may have, become known to others.' },
  SUPERSEDED: { description: 'Another key has taken its place.' },
  AFFILIATION_CHANGED: { description: 'Whoever it was for has left or changed.' },
  PRIVILEGE_WITHDRAWN: { description: 'What it grants is no longer to be granted.' },
  CESSATION_OF_OPERATION: { description: 'What it was used for has ended.' },
}
export const RevocationReason = builder.enumType('RevocationReason', {
  description: 'Why a key was revoked, after RFC 5280.',
  values: REASONS,
})

const Revocation = builder.objectRef<RevocationShape>('Revocation').implement({
  description: 'The end of a key.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', needs: 'parent', description: 'When it was revoked.' }),
    by: t.field({ type: Actor, needs: 'parent', description: 'Who revoked it.', resolve: ({ by }) => by }),
    reason: t.expose('reason', { type: RevocationReason, needs: 'parent', description: 'Why, in general.' }),
    note: t.exposeString('note', {
      nullable: true,
      needs: 'parent',
      description: 'Why, in the words of whoever revoked it.',
    }),
  }),
})

export const ApiKey = builder.objectRef<KeyRow>('ApiKey').implement({
  description:
    'An API key as it is managed: its name, what it grants, its status and history. Its secrets are codes; rotating replaces ' +
    'a code, never the key, whose id stays the same for ever.',
  interfaces: [Node],
  fields: (t) => ({
    account: t.field({
      type: Account,
      needs: 'parent',
      past: true,
      description: 'The account it belongs to.',
      resolve: async ({ account_id }, _arguments, { loaders }) => found(await loaders.account.load(account_id)),
    }),
    keyspace: t.field({
      type: Keyspace,
      needs: 'parent',
      past: true,
      description: 'The keyspace it belongs to, whose rules bind it.',
      resolve: async ({ keyspace_id }, _arguments, { loaders }) => found(await loaders.keyspace.load(keyspace_id)),
    }),
    name: t.exposeString('name', { needs: 'parent', description: 'For people; not unique.' }),
    description: t.exposeString('description', {
      nullable: true,
      needs: 'parent',
      description: 'For people, in more words.',
    }),
    tags: t.field({
      type: ['String'],
      needs: 'parent',
      past: true,
      description: 'Labels to find it by, in the order in which they were given.',
      resolve: ({ tags }) => tags,
    }),
    metadata: t.expose('metadata', {
      type: 'JSON',
      needs: 'parent',
      description: "The application's own data, handed out with each verdict; `{}` where none was given.",
    }),
    status: t.field({
      type: KeyStatus,
      needs: 'parent',
      past: true,
      description: 'What it is now, by the clock of the server that answers.',
      resolve: (key, _arguments, { reader }) => keyStatus(standingOf(key), reader.now),
    }),
    permissions: t.field({
      type: ['String'],
      needs: 'parent',
      past: true,
      description:
        'What was granted to it directly, beside its policies. A wildcard stands for one or more segments: `ads.*`, `*`.',
      resolve: ({ permissions }) => permissions,
    }),
    enabled: t.exposeBoolean('enabled', {
      needs: 'parent',
      description: 'The switch of `enableKey` and `disableKey`, whatever the status.',
    }),
    expiresAt: t.expose('expires_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'From here on it opens nothing, whatever its codes say. Null: never.',
    }),
    logging: t.field({
      type: AccessLogging,
      needs: 'parent',
      past: true,
      description: 'Which bodies the access log keeps for it.',
      resolve: ({ log_request: request, log_response: response }) => ({ request, response }),
    }),
    createdAt: t.expose('created_at', { type: 'DateTime', needs: 'parent', description: 'When it was created.' }),
    createdBy: t.field({
      type: Actor,
      needs: 'parent',
      past: true,
      description: 'Who created it.',
      resolve: (key): ActorShape => ({ kind: key.created_by_kind, id: key.created_by_id }),
    }),
    updatedAt: t.expose('updated_at', {
      type: 'DateTime',
      needs: 'parent',
      description: 'When it or one of its codes was last changed.',
    }),
    version: t.exposeInt('version', {
      needs: 'parent',
      description:
        'Rises with each change of the key or one of its codes, from 1; give it as `expectedVersion` to change only what you have seen.',
    }),
  }),
})

builder.objectFields(ApiKey, (t) => ({
  revocation: t.field({
    type: Revocation,
    nullable: true,
    needs: 'parent',
    past: true,
    description: 'Its end; null while it is neither revoked nor deleted.',
    resolve: revocationOf,
  }),
  deletedAt: t.expose('deleted_at', {
    type: 'DateTime',
    nullable: true,
    needs: 'parent',
    description: 'When it was deleted; null where it is not.',
  }),
}))

export const ApiKeyConnection = connectionOf(ApiKey, 'keys')

builder.queryField('key', (t) =>
  t.field({
    type: ApiKey,
    nullable: true,
    needs: 'keys.read',
    args: {
      id: t.arg.id({ required: true, description: "The key's id." }),
      at: t.arg({ type: 'DateTime', description: AT }),
    },
    complexity: costOfThing,
    description: 'One key, deleted or not; null where there is none that the caller can see.',
    resolve: (_root, { id, at }, context) => asOf(context, at).loaders.key.load(id),
  }),
)

function standingOf(key: KeyRow) {
  return {
    enabled: key.enabled,
    expiresAt: key.expires_at,
    revokedAt: key.revoked_at,
    deletedAt: key.deleted_at,
  }
}

function revocationOf(key: KeyRow): RevocationShape | null {
  const { revoked_at: at, revoked_by_kind: kind, revoked_by_id: id, revocation_reason: reason } = key
  if (at === null) return null
  invariant(kind !== null && reason !== null, 'who revoked a key, and why, is kept with it')
  return { at, by: { kind, id }, reason, note: key.revocation_note }
}
