// What a leaked code could reach: what it carried and when, where else it was let in, how it was used, and what was done by it here.
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { earlier, type Instant } from '#domain/instant.ts'
import { type ExposedGrant, readExposure, type Span } from '#history/exposure.ts'
import { type CodeDay, type LinkedThen, readCodeDays, readLinksOfKey } from '#queries/code-uses.ts'
import type { CodeRow } from '#queries/codes.ts'
import { listEvents } from '#queries/event-search.ts'
import { builder } from './builder.ts'
import { AccessCode } from './code.ts'
import { bothWays } from './connection.ts'
import type { Context } from './context.ts'
import { EventConnection } from './event.ts'
import { costOfPage } from './limits.ts'
import { checkPast, PAST_COST } from './past.ts'
import { EndpointRule } from './policy.ts'

type Exposure = { readonly code: CodeRow; readonly span: Span; readonly grants: readonly ExposedGrant[] }

/** More can't be told at once: whoever has changed a key that often asks for a shorter time. */
const GRANTS_MAX = 1_000
const LINKS_MAX = 1_000

const Grant = builder.objectRef<ExposedGrant>('ExposedGrant').implement({
  description: 'What whoever had the code could open with it, from an instant on until another.',
  fields: (t) => ({
    permissions: t.field({
      type: ['String'],
      needs: 'parent',
      description: 'The permissions, sorted; no more than the user had whom the key acted as.',
      resolve: ({ permissions }) => permissions,
    }),
    endpoints: t.field({
      type: [EndpointRule],
      needs: 'parent',
      description: 'Where they held: nowhere but where one of these rules allows. None: everywhere.',
      resolve: ({ endpoints }) => endpoints,
    }),
    policyId: t.exposeID('policyId', {
      nullable: true,
      needs: 'parent',
      description: 'The policy that they came from, by what it was then; null where they were given to the key itself.',
    }),
    from: t.expose('from', { type: 'DateTime', needs: 'parent', description: 'From this instant on.' }),
    until: t.expose('until', {
      type: 'DateTime',
      needs: 'parent',
      description:
        'Before this instant: of a change, of an expiry or of the end of an overlap, or the end of the time that is asked about.',
    }),
  }),
})

export const CodeUses = builder.objectRef<CodeDay>('CodeUses').implement({
  description: 'How often a code was found VALID, or called this API, on one day.',
  fields: (t) => ({
    day: t.exposeString('day', { needs: 'parent', description: 'The day in UTC: `2026-03-01`.' }),
    uses: t.exposeInt('uses', { needs: 'parent', description: 'How often; above 2147483647, that number.' }),
  }),
})

const Link = builder.objectRef<LinkedThen>('ExposedLink').implement({
  description: 'A link by which the code was let in to another account.',
  fields: (t) => ({
    linkId: t.exposeID('link_id', { needs: 'parent', description: 'The link: `link(id, at)` tells what it granted.' }),
    accountId: t.exposeID('account_id', { needs: 'parent', description: 'The account that it was let in to.' }),
    keyspaceId: t.exposeID('keyspace_id', {
      nullable: true,
      needs: 'parent',
      description: 'The one keyspace of it; null for all.',
    }),
    linkedAt: t.expose('linked_at', { type: 'DateTime', needs: 'parent', description: 'When it was linked.' }),
    unlinkedAt: t.expose('unlinked_at', {
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When the link was ended; null where it is not.',
    }),
  }),
})

const CodeExposure = builder.objectRef<Exposure>('CodeExposure').implement({
  description: 'What could be done, and was done, with one code in a time.',
  fields: (t) => ({
    code: t.field({
      type: AccessCode,
      needs: 'parent',
      description: 'The code, as it is now.',
      resolve: ({ code }) => code,
    }),
    since: t.field({
      type: 'DateTime',
      needs: 'parent',
      description: 'The beginning of the time.',
      resolve: ({ span }) => span.since,
    }),
    until: t.field({
      type: 'DateTime',
      needs: 'parent',
      description: 'The end of the time.',
      resolve: ({ span }) => span.until,
    }),
    grants: t.field({
      type: [Grant],
      needs: 'parent',
      description:
        'Everything that it carried at any moment of the time, in the order in which that began; nothing for as long as it, or its ' +
        'key, was switched off, expired, replaced or ended.',
      resolve: ({ grants }) => grants,
    }),
    links: t.field({
      type: [Link],
      needs: 'parent',
      complexity: 10,
      description:
        'The other accounts that its key was let in to at any moment of the time, the oldest first, up to 1000. For root: a link belongs ' +
        'to the account that made it and is known to that alone, so for any other caller, the owner of the key included, there are none ' +
        'here. None lets it in any more once the key is revoked.',
      resolve: async ({ code, span: { since, until } }, _arguments, { caller, reader }) =>
        caller?.kind === 'ROOT' ? readLinksOfKey(reader, code.key_id, since, until, LINKS_MAX) : [],
    }),
    lastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      needs: 'parent',
      description: 'When it was last used, whether or not in this time; up to 5 seconds late. Null: never.',
      resolve: ({ code }, _arguments, { loaders }) => loaders.lastUseOfCode.load(code.code_id),
    }),
    uses: t.field({
      type: [CodeUses],
      needs: 'parent',
      complexity: 10,
      description:
        'How often it was used, by day, the earliest first: the days in UTC that the time touches, whole, and those only on which it was ' +
        'used. Telemetry, kept for 400 days.',
      resolve: ({ code, span: { since, until } }, _arguments, { reader }) =>
        readCodeDays(reader, code.code_id, since, until),
    }),
    actions: t.field({
      type: EventConnection,
      needs: 'parent',
      args: bothWays,
      complexity: costOfPage,
      description:
        'The events of the time that were done by it, a credential of this API, and not by another code of its key: by the key itself, ' +
        'or by the user whom it acted as. The oldest first with `first`, the newest first with `last`.',
      resolve: ({ code, span: { since, until } }, page, { reader }) =>
        // Asked about a time before the code was there, of which nothing is to be told.
        listEvents(
          reader,
          { accountId: code.account_id },
          { credentialId: code.code_id, since: earlier(since, until), until },
          page,
        ),
    }),
  }),
})

builder.queryField('codeExposure', (t) =>
  t.field({
    type: CodeExposure,
    nullable: true,
    needs: ['events.read', 'keys.read'],
    args: {
      codeId: t.arg.id({ required: true, description: 'The code that has, or may have, become known to others.' }),
      since: t.arg({
        type: 'DateTime',
        description: 'The beginning of the time; absent: when the code was issued.',
      }),
      until: t.arg({
        type: 'DateTime',
        description: 'The end of the time, which does not belong to it; absent: now. Not in the future.',
      }),
    },
    complexity: { field: PAST_COST, multiplier: 1 },
    description:
      'What whoever had a code could open with it, where, and from when until when, and what is known of its use. Null where there is ' +
      'no such code that the caller can see.',
    resolve: (_root, { codeId, since, until }, context) => exposureOf(context, codeId, since, until),
  }),
)

async function exposureOf(
  context: Context,
  codeId: string,
  since: Instant | null | undefined,
  until: Instant | null | undefined,
): Promise<Exposure | null> {
  const { loaders, reader, services } = context
  if (until != null) checkPast(context, ['until'], until)
  const code = await loaders.code.load(codeId)
  if (code === null) return null
  const span = { since: since ?? code.issued_at, until: until ?? reader.now }
  if (since != null && span.since > span.until) {
    throw new BadQueryArgumentError([{ path: ['since'], message: 'must not be after until' }])
  }
  const { key_id: keyId, account_id: accountId } = code
  const grants = await readExposure(services.database, { codeId, keyId, accountId }, span)
  if (grants.length > GRANTS_MAX) {
    const message = `what it carried changed more than ${GRANTS_MAX} times: ask about a shorter time`
    throw new BadQueryArgumentError([{ path: ['since'], message }])
  }
  return { code, span, grants }
}
