// What a mutation would do, as it is told: the events that it would append, and what would stop. No more of it than whoever asks
// would be told by the mutation itself, or may read.

import type { Plan, PlannedEvent as PlannedShape } from '#commands/plan-command.ts'
import type { Stop } from '#commands/stops.ts'
import type { Actor as ActorShape } from '#domain/actor.ts'
import { type Caller, mayDo } from '#domain/caller.ts'
import type { Loss } from '#domain/loss.ts'
import { confinedTo } from '#domain/member.ts'
import { eventSchemas } from '#log/upcast.ts'
import { AccessLogEntry } from './access-log.ts'
import { Actor } from './actor.ts'
import { builder } from './builder.ts'
import { AccessCode } from './code.ts'
import { costOfList } from './limits.ts'
import { KeyLink } from './link.ts'
import { findNode, Node } from './node.ts'
import { plannedData, plannedSummary } from './planned-event.ts'

/** GraphQL's greatest Int. */
const INT_MAX = 2_147_483_647
/** Of one plan; there are counts beside. */
const LISTED_MAX = 1_000
/** Most plans hold a few. */
const LISTED_EXPECTED = 50

const PlannedEvent = builder.objectRef<PlannedShape>('PlannedEvent').implement({
  description:
    'An event that would be appended, as it would read. What would be made with it (ids, hints of codes, positions) is not there yet, ' +
    'and left out. Instants in it are those of now.',
  fields: (t) => ({
    type: t.string({
      needs: 'parent',
      description: 'What would happen, for example `key.revoked`.',
      resolve: ({ fact }) => fact.type,
    }),
    schemaVersion: t.int({
      needs: 'parent',
      description: 'The form of `data`.',
      resolve: ({ fact }) => eventSchemas[fact.type].version,
    }),
    subjectId: t.id({
      nullable: true,
      needs: 'parent',
      description: 'What would change; null for what would only be made.',
      resolve: ({ subject, isNew }) => (isNew ? null : subject.id),
    }),
    subject: t.field({
      type: Node,
      nullable: true,
      needs: 'caller',
      description:
        'What would change, as it is now; null for what would only be made. Null, with a FORBIDDEN error, without the permission to ' +
        'read such a thing.',
      resolve: ({ subject, isNew }, _arguments, context) => (isNew ? null : findNode(context, subject.id)),
    }),
    subjectVersion: t.int({
      needs: 'parent',
      description: 'The version that the subject would have from then on.',
      resolve: ({ version }) => version,
    }),
    actor: t.field({
      type: Actor,
      needs: 'parent',
      description: 'Who would have done it.',
      resolve: ({ actor }): ActorShape => actor,
    }),
    follows: t.boolean({
      needs: 'parent',
      description:
        'Whether it would follow the mutation in a transaction of its own, before the answer, as default keys of users do.',
      resolve: ({ own }) => !own,
    }),
    summary: t.string({
      needs: 'parent',
      complexity: 1,
      description: 'One readable sentence, as the history would have it.',
      resolve: plannedSummary,
    }),
    data: t.field({
      type: 'JSON',
      needs: 'parent',
      description: 'What would be decided, as `Event.data` would have it.',
      resolve: ({ fact }) => plannedData(fact),
    }),
  }),
})

const LOSSES: { readonly [Name in Loss]: { readonly description: string } } = {
  ALL: { description: 'From then on it would open nothing more of what it opens now.' },
  SOME: {
    description:
      'It would open less: somewhere, for some permission or without an authenticated user it would be refused where it is not now.',
  },
}

const StopExtent = builder.enumType('StopExtent', { description: 'How much would stop.', values: LOSSES })

const StoppedCode = builder.objectRef<Stop>('StoppedCode').implement({
  description:
    'A code of the account, or a link by which it lets in a key of another account, that opens something now and would open less, ' +
    'at once or sooner than it would have: told by the very judge of verifications. When its secret is presented in the wrong place, ' +
    'which a change of `presentations` may bring about, that is not counted.',
  fields: (t) => ({
    extent: t.field({
      type: StopExtent,
      needs: 'parent',
      description: 'Whether all of it would stop.',
      resolve: ({ loss }) => loss,
    }),
    stopsAt: t.field({
      type: 'DateTime',
      needs: 'parent',
      description:
        'From when on: now, or the end of the overlap or of the validity that the mutation sets, where that is sooner than it would ' +
        'have been.',
      resolve: ({ at }) => at,
    }),
    accessCode: t.field({
      type: AccessCode,
      nullable: true,
      needs: 'parent',
      description: 'The code; null for a link.',
      resolve: (stop, _arguments, { loaders }) => (stop.kind === 'code' ? loaders.code.load(stop.codeId) : null),
    }),
    link: t.field({
      type: KeyLink,
      nullable: true,
      needs: 'parent',
      description: 'The link; null for a code.',
      resolve: (stop, _arguments, { loaders }) => (stop.kind === 'link' ? loaders.link.load(stop.linkId) : null),
    }),
    lastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description:
        'When the code was last found VALID, or called this API; up to 5 seconds late, and what a killed server had not written is ' +
        'lost. Null: never, and for a link, whose code is another account’s.',
      resolve: (stop, _arguments, { loaders }) =>
        stop.kind === 'code' ? loaders.lastUseOfCode.load(stop.codeId) : null,
    }),
    usesLastWeek: t.int({
      nullable: true,
      needs: 'parent',
      description:
        'How often the code was found VALID today and on the six days before (UTC), as late and losable as `lastUsedAt`. Null for a link.',
      resolve: async (stop, _arguments, { loaders }) => {
        if (stop.kind === 'link') return null
        return (await loaders.recentDaysOfCode.load(stop.codeId)).reduce(
          (sum, { uses }) => Math.min(sum + uses, INT_MAX),
          0,
        )
      },
    }),
    lastAccess: t.field({
      type: AccessLogEntry,
      nullable: true,
      needs: 'logs.read',
      description:
        "Who used it last, as far as the account's access log knows: for a link its key's last entry there. Null where there is none, and, with " +
        'a FORBIDDEN error, without the permission logs.read.',
      resolve: (stop, _arguments, { loaders }) =>
        stop.kind === 'code' ? loaders.lastAccessOfCode.load(stop.codeId) : loaders.lastAccessOfLink.load(stop.linkId),
    }),
  }),
})

/** A plan, and who asked for it. */
export type PlanShown = Plan & { readonly caller: Caller }

export const DryRun = builder.objectRef<PlanShown>('DryRun').implement({
  description:
    'What the mutation would do now; nothing was done, nor written anywhere. What happens before it is done may change that: give ' +
    '`expectedVersion` to do it only to what you have seen.',
  fields: (t) => ({
    planned: t.field({
      type: [PlannedEvent],
      needs: 'parent',
      complexity: costOfList(LISTED_EXPECTED),
      description:
        'The events that would be appended, in order, at most 1000; none where it is so already. Those that would follow the mutation ' +
        'are there only with the permission events.read.',
      resolve: ({ events, caller }) =>
        events.filter(({ own }) => own || maySeeAll(caller, 'events.read')).slice(0, LISTED_MAX),
    }),
    plannedCount: t.int({
      nullable: true,
      needs: 'parent',
      description: 'How many events that are, listed or not; null where more would follow than were looked at.',
      resolve: ({ events, complete }) => (complete ? events.length : null),
    }),
    stops: t.field({
      type: [StoppedCode],
      needs: 'parent',
      complexity: costOfList(LISTED_EXPECTED),
      description:
        'The codes and links that would stop opening things, those that would open nothing first, and of these what stops sooner, at ' +
        'most 1000. A code that would open less at once, and sooner than it would have nothing any more, is there twice. Beside those of the ' +
        'very key or link that is changed, codes are there only with the permission keys.read, links only with accounts.read, so that ' +
        'fewer may be listed than are counted. Links that other accounts have to keys of this one are theirs, and not told.',
      resolve: ({ stopping, subjectId, caller }) =>
        stopping.stops
          .filter((stop) =>
            stop.kind === 'code'
              ? stop.keyId === subjectId || maySeeAll(caller, 'keys.read')
              : stop.linkId === subjectId || maySeeAll(caller, 'accounts.read'),
          )
          .slice(0, LISTED_MAX),
    }),
    stopCount: t.int({
      nullable: true,
      needs: 'parent',
      description:
        'How many that are, whether or not the caller may have them listed in `stops`: who may not read keys or accounts is told no ' +
        'more of them than this. Null where more are concerned than were looked at.',
      resolve: ({ stopping }) => (stopping.complete ? stopping.stops.length : null),
    }),
  }),
})

/** To a MEMBER there is nothing but their own keys. */
function maySeeAll(caller: Caller, permission: 'keys.read' | 'accounts.read' | 'events.read'): boolean {
  return confinedTo(caller) === null && mayDo(caller, permission)
}
