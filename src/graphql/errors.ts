// What goes wrong, as clients see it: expected failures of mutations as types of the schema, everything else that is meant
// for clients as GraphQL errors with a code.
import { GraphQLError } from 'graphql'
import { isUnavailable, RETRY_AFTER_S } from '#database/unavailable.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { DenialError } from '#domain/caller.ts'
import { builder } from './builder.ts'
import type { ErrorCode as Code, Conflict, InvalidInput, NotFound, RefusalError, RuleViolation } from './refusals.ts'

const CODES: { readonly [Name in Code]: { readonly description: string } } = {
  INVALID_INPUT: { description: 'The input itself is wrong; `issues` says where.' },
  NOT_FOUND: { description: 'There is no such thing for this caller.' },
  CONFLICT: {
    description:
      'The thing has moved on from `expectedVersion`, or other changes kept coming first: the message tells what was changed all the same.',
  },
  IDEMPOTENCY_KEY_REUSED: { description: 'The idempotency key belongs to an earlier request with another input.' },
  KEY_LIMIT_REACHED: { description: 'The keyspace has as many active keys as its `activeKeysMax` allows.' },
  CODE_LIMIT_REACHED: { description: 'The key has as many live codes as `liveCodesMax` allows, or the slot is taken.' },
  KEY_REVOKED: { description: 'The key is revoked: only `deleteKey` still applies to it.' },
  KEY_DELETED: { description: 'The key is deleted: nothing applies to it any more.' },
  CODE_NOT_LIVE: { description: 'The code has been replaced or deleted, or has expired.' },
  CODE_ENABLED: { description: 'The keyspace deletes codes only once they are switched off.' },
  SLOT_EMPTY: { description: 'There is no code in the slot that could be replaced.' },
  AUTHORIZATIONS_FROZEN: { description: 'What the key grants is fixed for good, or its keyspace is frozen.' },
  POLICY_REQUIRED: { description: 'The keyspace wants each key to hold at least one policy, as each link must.' },
  POLICY_IN_USE: { description: 'A link holds the policy, or a key that is not revoked.' },
  EXPIRY_OUT_OF_RANGE: { description: 'The expiry is past, or later than the keyspace allows.' },
  EXPIRY_REQUIRED: { description: 'The keyspace wants to be told when each code expires.' },
  SECRET_NOT_ALLOWED: { description: 'The keyspace takes generated secrets only.' },
  SECRET_TOO_WEAK: { description: 'The secret could be guessed.' },
  SECRET_IN_USE: { description: 'The secret is or was in use in the keyspace.' },
  SECRET_NOT_REVEALABLE: { description: 'The secret was not kept to be shown again.' },
  KEYSPACE_NOT_EMPTY: { description: 'The keyspace has keys that are not deleted, or links into it.' },
  MANAGEMENT_KEYSPACE: { description: 'The management keyspace can not be deleted, nor changed in this.' },
  NAME_IN_USE: {
    description: 'Another keyspace or policy of the account has the name, or another user the external id.',
  },
  ALREADY_LINKED: { description: 'The account has a link of the key already.' },
  LINK_TO_OWN_KEY: { description: 'The key belongs to the very account that would link it.' },
  LINKED_KEY_HAS_NO_CODES: { description: 'The key is only linked here: its own account issues its codes.' },
  GRANT_EXCEEDS_CALLER: {
    description:
      'A credential would grant more than the caller holds; a key of a MEMBER, more than they may do themselves.',
  },
}

const ErrorCode = builder.enumType('ErrorCode', {
  description:
    'Why a mutation was not done, or not wholly. More codes may come: treat an unknown one by its type and message.',
  values: CODES,
})

const ErrorInterface = builder.interfaceRef<RefusalError>('Error').implement({
  description:
    'An expected failure of a mutation: nothing was changed. Missing credentials or rights are GraphQL errors instead, with ' +
    '`extensions.code` UNAUTHENTICATED or FORBIDDEN.',
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode, needs: 'parent', description: 'Why, for programs.' }),
    message: t.exposeString('message', {
      needs: 'parent',
      description: 'Why, and what to do next, for people. The wording may change.',
    }),
  }),
})

const InputIssue = builder.objectRef<InvalidInput['issues'][number]>('InputIssue').implement({
  description: 'One thing that is wrong with an input.',
  fields: (t) => ({
    path: t.exposeStringList('path', {
      needs: 'parent',
      description: 'The way from `input` to the wrong field: names, and numbers from 0 for members of lists.',
    }),
    message: t.exposeString('message', { needs: 'parent', description: 'What the field must be like.' }),
  }),
})

export const InvalidInputError = builder.objectRef<InvalidInput>('InvalidInputError').implement({
  description: 'The input itself is wrong: nothing was looked up or changed. Sending it again unchanged fails again.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    issues: t.field({
      type: [InputIssue],
      needs: 'parent',
      description: 'What is wrong with it, at least one thing.',
      resolve: ({ issues }) => issues,
    }),
  }),
})

export const NotFoundError = builder.objectRef<NotFound>('NotFoundError').implement({
  description: 'No such thing for this caller. What exists but belongs to someone else answers exactly like this.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    subjectId: t.exposeID('subjectId', {
      nullable: true,
      needs: 'parent',
      description: 'The id that names nothing, as it was given.',
    }),
  }),
})

export const ConflictError = builder.objectRef<Conflict>('ConflictError').implement({
  description:
    'The thing has moved on from `expectedVersion` (CONFLICT: read it again), other changes kept coming first (CONFLICT ' +
    'without versions: send it again), or the idempotency key was used with another input (IDEMPOTENCY_KEY_REUSED).',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    expectedVersion: t.exposeInt('expectedVersion', {
      nullable: true,
      needs: 'parent',
      description: 'The version that the input expected; null where versions are not the reason.',
    }),
    actualVersion: t.exposeInt('actualVersion', {
      nullable: true,
      needs: 'parent',
      description: 'The version it was found at; null where versions are not the reason.',
    }),
  }),
})

export const RuleViolationError = builder.objectRef<RuleViolation>('RuleViolationError').implement({
  description: "A rule of the keyspace, or the thing's own state, says no; `code` names the rule.",
  interfaces: [ErrorInterface],
})

/**
 * What the client may be told of an error: those that are meant for clients, with their code, place and path. Undefined for
 * any other, which is a fault, to be logged and masked.
 */
export function toClientError(error: unknown): GraphQLError | undefined {
  const thrown = error instanceof GraphQLError ? error.originalError : error
  if (error instanceof GraphQLError && (thrown === undefined || thrown instanceof GraphQLError)) return error
  const extensions = extensionsOf(thrown)
  if (extensions === undefined || !(thrown instanceof Error)) return undefined
  const message = extensions.code === 'UNAVAILABLE' ? UNAVAILABLE_MESSAGE : thrown.message
  const place = error instanceof GraphQLError ? placeOf(error) : {}
  return new GraphQLError(message, { ...place, extensions })
}

// The driver's own message would tell where the database is.
const UNAVAILABLE_MESSAGE = 'This can not be answered now. Try again; a mutation safely so with an idempotency key.'
const UNAVAILABLE_HTTP = { status: 503, headers: { 'retry-after': String(RETRY_AFTER_S) } }

function extensionsOf(thrown: unknown) {
  if (thrown instanceof DenialError) return { code: thrown.code }
  // The status holds where there is no data at all.
  if (isUnavailable(thrown)) return { code: 'UNAVAILABLE', retryAfter: RETRY_AFTER_S, http: UNAVAILABLE_HTTP }
  if (thrown instanceof BadQueryArgumentError) return { code: 'INVALID_INPUT', issues: thrown.issues }
  return undefined
}

function placeOf({ nodes, source, positions, path }: GraphQLError) {
  return { nodes: nodes ?? null, source: source ?? null, positions: positions ?? null, path: path ?? null }
}
