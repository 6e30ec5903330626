// What clients are told of what goes wrong, and what they are not.
import { GraphQLError, isEnumType } from 'graphql'
import { describe, expect, test } from 'vitest'
import type { Refusal } from '#commands/refusal.ts'
import { BadQueryArgumentError } from '#domain/bad-query-argument.ts'
import { DenialError } from '#domain/caller.ts'
import { toClientError } from '#graphql/errors.ts'
import { errorOf } from '#graphql/refusals.ts'
import { schema } from '#graphql/schema.ts'

const REFUSALS: { readonly [Code in Refusal['code']]: Extract<Refusal, { readonly code: Code }> } = {
  INVALID_INPUT: { code: 'INVALID_INPUT', issues: [{ path: ['name'], message: 'must not be blank' }] },
  NOT_FOUND: { code: 'NOT_FOUND', subjectId: 'what-was-given' },
  CONFLICT: { code: 'CONFLICT', expectedVersion: 3, actualVersion: 5 },
  IDEMPOTENCY_KEY_REUSED: { code: 'IDEMPOTENCY_KEY_REUSED' },
  KEY_LIMIT_REACHED: { code: 'KEY_LIMIT_REACHED', activeKeysMax: 20 },
  CODE_LIMIT_REACHED: { code: 'CODE_LIMIT_REACHED', liveCodesMax: 1 },
  KEY_REVOKED: { code: 'KEY_REVOKED' },
  KEY_DELETED: { code: 'KEY_DELETED' },
  CODE_NOT_LIVE: { code: 'CODE_NOT_LIVE' },
  CODE_ENABLED: { code: 'CODE_ENABLED' },
  SLOT_EMPTY: { code: 'SLOT_EMPTY', slot: 'SECONDARY' },
  EXPIRY_OUT_OF_RANGE: { code: 'EXPIRY_OUT_OF_RANGE', latest: '2027-11-21T00:00:00.000Z' },
  EXPIRY_REQUIRED: { code: 'EXPIRY_REQUIRED' },
  SECRET_NOT_ALLOWED: { code: 'SECRET_NOT_ALLOWED' },
  SECRET_TOO_WEAK: { code: 'SECRET_TOO_WEAK' },
  SECRET_IN_USE: { code: 'SECRET_IN_USE' },
  SECRET_NOT_REVEALABLE: { code: 'SECRET_NOT_REVEALABLE' },
  AUTHORIZATIONS_FROZEN: { code: 'AUTHORIZATIONS_FROZEN' },
  POLICY_REQUIRED: { code: 'POLICY_REQUIRED' },
  POLICY_IN_USE: { code: 'POLICY_IN_USE' },
  KEYSPACE_NOT_EMPTY: { code: 'KEYSPACE_NOT_EMPTY' },
  MANAGEMENT_KEYSPACE: { code: 'MANAGEMENT_KEYSPACE' },
  NAME_IN_USE: { code: 'NAME_IN_USE' },
  ALREADY_LINKED: { code: 'ALREADY_LINKED' },
  LINK_TO_OWN_KEY: { code: 'LINK_TO_OWN_KEY' },
  LINKED_KEY_HAS_NO_CODES: { code: 'LINKED_KEY_HAS_NO_CODES' },
  GRANT_EXCEEDS_CALLER: { code: 'GRANT_EXCEEDS_CALLER' },
}

describe('a refusal', () => {
  test.each(Object.entries(REFUSALS))('%s is told with its code and a helpful sentence', (code, refusal) => {
    const error = errorOf(refusal)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(/^[A-Za-z].{30,}\.$/)
    expect(error.message).not.toContain('undefined')
  })

  test('can have every code that the schema names, and no other', () => {
    const type = schema.getType('ErrorCode')
    const names = isEnumType(type) ? type.getValues().map(({ name }) => name) : []
    expect(names.toSorted()).toEqual(Object.keys(REFUSALS).toSorted())
  })

  test('says what it is about, with what a client needs to go on', () => {
    expect(errorOf(REFUSALS.INVALID_INPUT)).toMatchObject({
      __typename: 'InvalidInputError',
      issues: [{ path: ['name'], message: 'must not be blank' }],
    })
    expect(errorOf(REFUSALS.NOT_FOUND)).toMatchObject({ __typename: 'NotFoundError', subjectId: 'what-was-given' })
    expect(errorOf(REFUSALS.CONFLICT)).toMatchObject({
      __typename: 'ConflictError',
      expectedVersion: 3,
      actualVersion: 5,
    })
    expect(errorOf(REFUSALS.IDEMPOTENCY_KEY_REUSED)).toMatchObject({ __typename: 'ConflictError', actualVersion: null })
    expect(errorOf(REFUSALS.KEY_LIMIT_REACHED)).toMatchObject({ __typename: 'RuleViolationError' })
  })

  test('names the limit that was reached', () => {
    expect(errorOf(REFUSALS.KEY_LIMIT_REACHED).message).toContain('20 active keys')
    expect(errorOf(REFUSALS.CODE_LIMIT_REACHED).message).toContain('1 live code,')
    expect(errorOf(REFUSALS.SLOT_EMPTY).message).toContain('SECONDARY')
    expect(errorOf(REFUSALS.EXPIRY_OUT_OF_RANGE).message).toContain('2027-11-21')
    expect(errorOf({ code: 'EXPIRY_OUT_OF_RANGE', latest: null }).message).toBe('expiresAt must lie in the future.')
    const crossed = { code: 'CONFLICT', expectedVersion: null, actualVersion: null } as const
    expect(errorOf(crossed).message).toMatch(/nothing was changed. Send it again/)
    expect(errorOf({ ...crossed, isCommitted: true }).message).toMatch(/is as was asked, but .* Send it again/)
  })

  test('does not repeat what the client sent', () => {
    expect(errorOf({ code: 'NOT_FOUND', subjectId: '<script>' }).message).not.toContain('<script>')
  })
})

describe('an error that is thrown', () => {
  const located = (originalError: Error) =>
    new GraphQLError(originalError.message, { path: ['keys', 'nodes'], originalError })

  test('is told where it is about the operation itself', () => {
    const error = new GraphQLError('Syntax Error: Unexpected Name "x".')
    expect(toClientError(error)).toBe(error)
  })

  test('is told with its code where it was meant for clients', () => {
    const error = located(new GraphQLError('This needs the root key.', { extensions: { code: 'FORBIDDEN' } }))
    expect(toClientError(error)?.extensions).toEqual({ code: 'FORBIDDEN' })
  })

  test('is told as a denial, with its place', () => {
    const error = toClientError(located(new DenialError('FORBIDDEN')))
    expect(error?.extensions).toEqual({ code: 'FORBIDDEN' })
    expect(error?.path).toEqual(['keys', 'nodes'])
    expect(toClientError(new DenialError('UNAUTHENTICATED'))?.extensions).toEqual({ code: 'UNAUTHENTICATED' })
  })

  test('is told as a bad argument, with what is wrong', () => {
    const issues = [{ path: ['first'], message: 'must be at most 100' }]
    const error = toClientError(located(new BadQueryArgumentError(issues)))
    expect(error?.extensions).toEqual({ code: 'INVALID_INPUT', issues })
    expect(error?.path).toEqual(['keys', 'nodes'])
  })

  test('is not told where it is a fault', () => {
    expect(toClientError(located(new Error('connect ECONNREFUSED 10.0.0.5:5432')))).toBeUndefined()
    expect(toClientError(located(new TypeError('x is not a function')))).toBeUndefined()
    expect(toClientError(new Error('anything'))).toBeUndefined()
    expect(toClientError('anything')).toBeUndefined()
  })
})
