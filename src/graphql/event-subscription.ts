// What is told as it happens.
import { GraphQLError } from 'graphql'
import { RETRY_AFTER_S, UnavailableError } from '#database/unavailable.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { checkTypes, type EventRow } from '#queries/events.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { Event } from './event.ts'
import { eventStream } from './event-stream.ts'

builder.subscriptionField('events', (t) =>
  t.field({
    type: Event,
    needs: 'events.read',
    args: {
      accountId: t.arg.id({ required: true, description: "The account's id." }),
      after: t.arg({
        type: 'Position',
        description:
          'Begin with the event that follows this position: the last one that was received, 0 for all there are. Absent: with ' +
          'what happens from now on.',
      }),
      types: t.arg.stringList({
        description: 'Only events of one of these types, such as `key.rotated`; at most 100. Absent or empty: all.',
      }),
    },
    description:
      'Events of one account, each once and in the order of their positions, none left out, from just after a position or from now. ' +
      'Needs the permission events.read; an account that is not the caller’s answers NOT_FOUND, like one that does not exist. Sent as ' +
      'server-sent events (`Accept: text/event-stream`; GraphQL over SSE, distinct connections), with a comment now and then ' +
      'while nothing happens. While the database is away it waits, and then goes on. It ends with an error whose `extensions.position` ' +
      'is what to give as `after` to go on without a gap: UNAUTHENTICATED or FORBIDDEN as soon as the credential or its right is ' +
      'gone, and when it expires; READER_TOO_SLOW when nothing of what was sent is read for 20 seconds; UNAVAILABLE when the ' +
      'instance shuts down; HISTORY_REWOUND when the database was set back. Where a connection is lost without one, go on from the ' +
      'last position received. TOO_MANY_SUBSCRIPTIONS when as many are open as an instance holds: 200 of an account, 2000 in all.',
    subscribe: (_root, { accountId, after, types }, context) =>
      subscribe(context, accountId, after ?? null, types?.length ? types : null),
    resolve: (event: EventRow) => event,
  }),
)

async function subscribe(
  context: Context,
  accountId: string,
  after: bigint | null,
  types: readonly string[] | null,
): Promise<AsyncIterable<EventRow>> {
  checkTypes(types)
  // Null for what is another account's, or nobody's.
  const head = await context.loaders.accountPosition.load(accountId)
  if (head === null) throw new GraphQLError('There is no such account.', { extensions: { code: 'NOT_FOUND' } })
  if (after !== null && after > head)
    throw new BadQueryArgumentError([{ path: ['after'], message: `the account's last event is at ${head}` }])
  const subscriber = context.services.subscribers.join(accountId)
  if (subscriber === 'stopping') throw new UnavailableError('This instance is shutting down')
  if (subscriber === 'too-many') throw tooMany()
  return eventStream({ context, subscriber, accountId, after: after ?? head, types })
}

function tooMany(): GraphQLError {
  return new GraphQLError('Too many subscriptions are open here. End some, or ask another instance.', {
    extensions: { code: 'TOO_MANY_SUBSCRIPTIONS', retryAfter: RETRY_AFTER_S, http: { status: 429 } },
  })
}
