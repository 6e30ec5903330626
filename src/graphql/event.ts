// History: what happened, when, and who did it.
import type { Credential } from '#domain/actor.ts'
import type { Change } from '#domain/changes.ts'
import { listEvents } from '#queries/event-search.ts'
import type { EventRow } from '#queries/events.ts'
import { Account } from './account.ts'
import { Actor, ActorKind } from './actor.ts'
import { builder } from './builder.ts'
import { bothWays, connectionOf } from './connection.ts'
import { publicData } from './event-data.ts'
import { found } from './found.ts'
import { ApiKey } from './key.ts'
import { Keyspace } from './keyspace.ts'
import { CHANGES_COST, costOfPage } from './limits.ts'
import { findNode, Node } from './node.ts'
import { actorOf, credentialOf, occurredAtOf, summarize } from './told-event.ts'

const EventChange = builder.objectRef<Change>('EventChange').implement({
  description: 'One field of a thing, before and after an event.',
  fields: (t) => ({
    field: t.exposeString('field', {
      needs: 'parent',
      description:
        'Which field, by its name in this API: `name`, `policyIds`, `rules.activeKeysMax`. Of a code with its id: ' +
        '`codes.<id>.enabled`, and `codes.<id>` where it was issued. `externalId` and `displayName` of a user are personal: that they ' +
        'were given or changed is told for good, with null `before` and `after`, and what they were is not.',
    }),
    before: t.expose('before', {
      type: 'JSON',
      nullable: true,
      needs: 'parent',
      description: 'What it was. Null where there was nothing, or not the thing itself yet, and for what is personal.',
    }),
    after: t.expose('after', {
      type: 'JSON',
      nullable: true,
      needs: 'parent',
      description: 'What it was from then on. Null for nothing, and for what is personal.',
    }),
  }),
})

const EventCredential = builder.objectRef<Credential>('EventCredential').implement({
  description: 'A credential of this API by which something was done.',
  fields: (t) => ({
    keyId: t.exposeID('keyId', { needs: 'parent', description: 'The management key.' }),
    codeId: t.exposeID('codeId', { needs: 'parent', description: 'That of its codes which was presented.' }),
  }),
})

export const Event = builder.objectRef<EventRow>('Event').implement({
  description: 'One fact. Events are never changed or removed, and everything else follows from them.',
  interfaces: [Node],
  fields: (t) => ({
    position: t.expose('position', {
      type: 'Position',
      needs: 'parent',
      description: "Its place in the account's history.",
    }),
    type: t.exposeString('type', {
      needs: 'parent',
      description: 'What happened: `key.created`, `code.issued`, `key.rotated` … These names are permanent.',
    }),
    schemaVersion: t.exposeInt('schema_version', {
      needs: 'parent',
      description: 'The form of `data`, which may change from version to version of one type.',
    }),
    account: t.field({
      type: Account,
      needs: 'parent',
      description: 'The account it happened in.',
      resolve: async ({ account_id }, _arguments, { loaders }) => found(await loaders.account.load(account_id)),
    }),
    subjectId: t.exposeID('stream_id', {
      needs: 'parent',
      description:
        'The account, keyspace, key, link, policy or user that changed. What happens to a code happens to its key.',
    }),
    subject: t.field({
      type: Node,
      nullable: true,
      needs: 'caller',
      description:
        'What changed, as it is now. Null, with a FORBIDDEN error, without the permission to read such a thing.',
      resolve: ({ stream_id }, _arguments, context) => findNode(context, stream_id),
    }),
    subjectVersion: t.exposeInt('version', {
      needs: 'parent',
      description: 'The version that the subject had from then on.',
    }),
    actor: t.field({
      type: Actor,
      needs: 'parent',
      description: 'Who did it.',
      resolve: actorOf,
    }),
    occurredAt: t.field({
      type: 'DateTime',
      needs: 'parent',
      description: 'When, by the clock of the database, with microseconds: later for each position of the account.',
      resolve: occurredAtOf,
    }),
    correlationId: t.exposeString('correlation_id', {
      needs: 'parent',
      description: 'The request that caused it, by the `X-Request-Id` of its answer; events of one request share it.',
    }),
    summary: t.string({
      needs: 'parent',
      complexity: 1,
      description:
        'One readable sentence. Its subject is called what it was called then, everybody and everything else, and users and linked keys ' +
        'always, what they are called now, the key of a link that has ended what it was called when that ended. Programs read `type` and `data`: the wording may change, and so may names.',
      resolve: (event, _arguments, context) => summarize(event, context),
    }),
    data: t.field({
      type: 'JSON',
      needs: 'parent',
      description:
        'What was decided, in the form that `type` and `schemaVersion` say; digests of secrets are left out, and who a user is.',
      resolve: ({ data }) => publicData(data),
    }),
    changes: t.field({
      type: [EventChange],
      nullable: true,
      needs: 'events.read',
      complexity: CHANGES_COST,
      description:
        'What it changed of its subject, field by field. Empty where that was nothing that history tells: a secret was shown. Digests ' +
        'of secrets are left out, and of who a user is all but that it changed. Null, with a FORBIDDEN error, without the permission ' +
        'events.read.',
      resolve: async (event, _arguments, { loaders }) => [...(await loaders.changes.load(event))],
    }),
  }),
})

builder.objectField(Event, 'credential', (t) =>
  t.field({
    type: EventCredential,
    nullable: true,
    needs: 'parent',
    description:
      'By which credential of this API: that of the key that did it, or of the key that acted as the user who did. Null for root, ' +
      'the system, and users who proved by themselves who they are.',
    resolve: credentialOf,
  }),
)

export const EventConnection = connectionOf(Event, 'events')

const EventFilter = builder.inputType('EventFilter', {
  description: 'Which events to list: those for which everything that is given holds. Null is the same as absent.',
  fields: (t) => ({
    types: t.stringList({
      description:
        'Only events of one of these types, such as `key.rotated`; at most 100. INVALID_INPUT for what is none.',
    }),
    subjectId: t.id({
      description:
        'Only events of this account, keyspace, key, link, policy or user itself. What happens to a code happens to its key: ' +
        'INVALID_INPUT for the id of a code, a rotation or an event.',
    }),
    actorId: t.id({
      description:
        'Only what this key or user did. What was done by a key that acts as a user is what the user did: by its code it is found with ' +
        '`credentialId`. INVALID_INPUT for the id of anything else.',
    }),
    credentialId: t.id({
      description:
        'Only what was done by this code, a credential of this API, whether its key or the user did it whom that acts as. ' +
        'INVALID_INPUT for the id of anything else.',
    }),
    actorKinds: t.field({
      type: [ActorKind],
      description:
        'Only what was done by one of these kinds of actors, such as ROOT, which has no id. Absent or empty: by anybody.',
    }),
    since: t.field({
      type: 'DateTime',
      description:
        'Only what happened at this instant or later. Not after `until`. Cut to milliseconds: with the `occurredAt` of an event, earlier ones ' +
        'of its millisecond are among them.',
    }),
    until: t.field({
      type: 'DateTime',
      description:
        'Only what happened before this instant. Cut to milliseconds: with the `occurredAt` of an event, all of its millisecond are left ' +
        'out, itself included; a millisecond more has them.',
    }),
    correlationId: t.string({ description: 'Only what this request caused: the `X-Request-Id` of its answer.' }),
  }),
})

const chosenEvents = builder.args((t) => ({
  filter: t.field({ type: EventFilter, description: 'Which events. Absent: all.' }),
}))

const LISTED =
  'The oldest first with `first`, the newest first with `last`. Null, with a FORBIDDEN error, without the permission events.read.'

builder.objectField(Account, 'events', (t) =>
  t.field({
    type: EventConnection,
    nullable: true,
    needs: 'events.read',
    args: { ...chosenEvents, ...bothWays },
    complexity: costOfPage,
    description: `Everything that happened in the account. ${LISTED}`,
    resolve: ({ account_id: accountId }, { filter, ...page }, { reader }) =>
      listEvents(reader, { accountId }, filter ?? {}, page),
  }),
)

builder.objectField(Keyspace, 'events', (t) =>
  t.field({
    type: EventConnection,
    nullable: true,
    needs: 'events.read',
    args: { ...chosenEvents, ...bothWays },
    complexity: costOfPage,
    description: `Everything that happened to the keyspace itself, its keys not included. ${LISTED}`,
    resolve: ({ keyspace_id: subjectId }, { filter, ...page }, { reader }) =>
      listEvents(reader, { subjectId }, filter ?? {}, page),
  }),
)

builder.objectField(ApiKey, 'events', (t) =>
  t.field({
    type: EventConnection,
    nullable: true,
    needs: 'events.read',
    args: { ...chosenEvents, ...bothWays },
    complexity: costOfPage,
    description: `Everything that happened to the key and its codes. ${LISTED}`,
    resolve: ({ key_id: subjectId }, { filter, ...page }, { reader }) =>
      listEvents(reader, { subjectId }, filter ?? {}, page),
  }),
)

builder.queryField('event', (t) =>
  t.field({
    type: Event,
    nullable: true,
    needs: 'events.read',
    args: { id: t.arg.id({ required: true, description: "The event's id." }) },
    description: 'One event; null where there is none that the caller can see.',
    resolve: (_root, { id }, { loaders }) => loaders.event.load(id),
  }),
)
