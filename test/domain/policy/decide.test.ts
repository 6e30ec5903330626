import { describe, test } from 'vitest'
import type { PolicyCommand, UpdatePolicy } from '#domain/policy/commands.ts'
import { decidePolicy } from '#domain/policy/decide.ts'
import type { PolicyDetails, PolicyFact } from '#domain/policy/events.ts'
import { evolvePolicy, initialPolicy } from '#domain/policy/state.ts'
import { at, givenFor } from '#test/support/given.ts'

const BORN = '2026-03-01T09:00:00.000Z'
const given = givenFor({ initial: initialPolicy, evolve: evolvePolicy, decide: decidePolicy })

const DETAILS: PolicyDetails = {
  name: 'ads',
  description: 'what it is for',
  permissions: ['ads.read'],
  endpoints: [{ methods: ['GET'], path: '/ads/*' }],
}
const created: PolicyFact = { type: 'policy.created', data: DETAILS }
const deleted: PolicyFact = { type: 'policy.deleted', data: {} }
const active = at(BORN, created)
const gone = at<PolicyFact>(BORN, created, deleted)

const create = (nameTaken = false): PolicyCommand => ({ type: 'CreatePolicy', details: DETAILS, nameTaken })
const update = (details: UpdatePolicy['details'], nameTaken = false): PolicyCommand => ({
  type: 'UpdatePolicy',
  details,
  nameTaken,
})
const remove = (inUse = false): PolicyCommand => ({ type: 'DeletePolicy', inUse })

describe('CreatePolicy', () => {
  test('makes a policy', () => given().when(create()).then([created]))
  test('a name that is taken is refused', () => given().when(create(true)).thenRefused({ code: 'NAME_IN_USE' }))
  test('happens once', () => given(active).when(create()).thenImpossible('a stream is created once'))
})

describe('UpdatePolicy', () => {
  const everything: PolicyDetails = { name: 'all', description: 'else', permissions: [], endpoints: [] }

  test('every detail can be changed', () => {
    given(active)
      .when(update(everything))
      .then([{ type: 'policy.updated', data: everything }])
  })

  test('only what really changed is recorded', () => {
    given(active)
      .when(update({ ...DETAILS, endpoints: [{ methods: ['GET'], path: '/ads/*' }], permissions: ['ads.*'] }))
      .then([{ type: 'policy.updated', data: { permissions: ['ads.*'] } }])
    given(active).when(update({})).then([])
    given(active).when(update(DETAILS)).then([])
  })

  test('the order of rules and methods is kept as it was given', () => {
    const endpoints = [{ methods: ['GET', 'HEAD'], path: '/ads/*' }]
    given(active)
      .when(update({ endpoints }))
      .then([{ type: 'policy.updated', data: { endpoints } }])
  })

  test('an update follows what an earlier one said', () => {
    given(active, at(BORN, { type: 'policy.updated', data: { name: 'other' } }))
      .when(update({ name: 'ads' }))
      .then([{ type: 'policy.updated', data: { name: 'ads' } }])
  })

  test('a name that is taken is refused, its own is not', () => {
    given(active)
      .when(update({ name: 'other' }, true))
      .thenRefused({ code: 'NAME_IN_USE' })
    given(active)
      .when(update({ name: 'ads', permissions: [] }, true))
      .then([{ type: 'policy.updated', data: { permissions: [] } }])
  })

  test('needs a policy', () => {
    given().when(update({})).thenImpossible('only an existing policy is updated')
    given(gone).when(update({})).thenImpossible('only an existing policy is updated')
  })
})

describe('DeletePolicy', () => {
  test('ends it', () => given(active).when(remove()).then([deleted]))
  test('not while something relies on it', () =>
    given(active).when(remove(true)).thenRefused({ code: 'POLICY_IN_USE' }))
  test('twice is once', () => given(gone).when(remove()).then([]))
  test('needs a policy', () => given().when(remove()).thenImpossible('only an existing policy is deleted'))
})
