// What a key grants, as against what it is called: given by policies, required by a keyspace, frozen by it.
import { describe, expect, test } from 'vitest'
import type { PolicyGrant } from '#domain/grant.ts'
import { at, fold, givenFor } from '#test/support/given.ts'
import { BORN, create, created, DETAILS, freeze, frozen, keyDecider, NOW, revoked, rules, update } from './fixtures.ts'

const given = givenFor(keyDecider)

const FROZEN = rules({ authorizations: 'FROZEN' })
const REQUIRED = rules({ policyRequired: true })
const POLICY: PolicyGrant = {
  policyId: 'policy-1',
  permissions: ['ads.read'],
  endpoints: [{ methods: ['GET'], path: '/' }],
}
const withPolicy = { ...DETAILS, policyIds: ['policy-1'] }
const asked = { details: withPolicy, policies: [POLICY] }

describe('policies of a new key', () => {
  test('are named, and not copied, where they may be edited', () => {
    given()
      .when(create(asked))
      .then([created({ policyIds: ['policy-1'] })])
  })

  test('are copied where authorizations are frozen, none included', () => {
    given()
      .when(create({ ...asked, rules: FROZEN }))
      .then([created({ policyIds: ['policy-1'], frozenPolicies: [POLICY] })])
    given()
      .when(create({ rules: FROZEN }))
      .then([created({ frozenPolicies: [] })])
  })

  test('are required where the keyspace says so', () => {
    given()
      .when(create({ rules: REQUIRED }))
      .thenRefused({ code: 'POLICY_REQUIRED' })
    given()
      .when(create({ ...asked, rules: REQUIRED }))
      .then([created({ policyIds: ['policy-1'] })])
  })
})

describe('policies of a key', () => {
  test('can be given, changed and taken', () => {
    given(at(BORN, created()))
      .when(update({ policyIds: ['policy-1'] }))
      .then([{ type: 'key.updated', data: { policyIds: ['policy-1'] } }])
    given(at(BORN, created({ policyIds: ['policy-1'] })))
      .when(update({ policyIds: [] }))
      .then([{ type: 'key.updated', data: { policyIds: [] } }])
  })

  test('the last is not taken where one is required', () => {
    given(at(BORN, created({ policyIds: ['policy-1'] })))
      .when(update({ policyIds: [] }, { rules: REQUIRED }))
      .thenRefused({ code: 'POLICY_REQUIRED' })
    given(at(BORN, created({ policyIds: ['policy-1'] })))
      .when(update({ policyIds: ['policy-2'] }, { rules: REQUIRED }))
      .then([{ type: 'key.updated', data: { policyIds: ['policy-2'] } }])
  })

  test('a key from before policies were required is edited as before', () => {
    given(at(BORN, created()))
      .when(update({ name: 'other', policyIds: [], permissions: [] }, { rules: REQUIRED }))
      .then([{ type: 'key.updated', data: { name: 'other', permissions: [] } }])
  })
})

describe('a key that was frozen at its creation', () => {
  const born = at(BORN, created({ policyIds: ['policy-1'], frozenPolicies: [POLICY] }))

  test.each([
    ['still', FROZEN],
    ['also when its keyspace no longer is', rules()],
  ])('keeps its policies and permissions, %s', (_when, now) => {
    for (const change of [{ policyIds: [] }, { policyIds: ['policy-1', 'policy-2'] }, { permissions: [] }])
      given(born)
        .when(update(change, { rules: now }))
        .thenRefused({ code: 'AUTHORIZATIONS_FROZEN' })
  })

  test('can be edited in everything else', () => {
    given(born)
      .when(update({ name: 'other', tags: [], policyIds: ['policy-1'], permissions: ['ads.read'] }, { rules: FROZEN }))
      .then([{ type: 'key.updated', data: { name: 'other', tags: [] } }])
  })

  test('is frozen without any policy too', () => {
    given(at(BORN, created({ frozenPolicies: [] })))
      .when(update({ policyIds: ['policy-1'] }))
      .thenRefused({ code: 'AUTHORIZATIONS_FROZEN' })
  })
})

describe('a key from before its keyspace was frozen', () => {
  const OTHER: PolicyGrant = { policyId: 'policy-2', permissions: [], endpoints: [] }
  const ordinary = at(BORN, created({ policyIds: ['policy-1', 'policy-2'] }))

  test('keeps what its policies grant then, none included', () => {
    given(ordinary)
      .when(freeze(POLICY, OTHER))
      .then([frozen(POLICY, OTHER)])
    given(at(BORN, created())).when(freeze()).then([frozen()])
  })

  test('keeps it in as many events as it takes', () => {
    given(ordinary)
      .when({ ...freeze(), policies: [[POLICY], [OTHER]] })
      .then([frozen(POLICY), frozen(OTHER)])
    for (const facts of [[frozen(POLICY, OTHER)], [frozen(POLICY), frozen(OTHER)]])
      expect(fold(keyDecider, [...ordinary, ...at(NOW, ...facts)])).toMatchObject({ frozenPolicies: [POLICY, OTHER] })
  })

  test('is frozen once, however often that is asked, and like one that was born so', () => {
    given([...ordinary, ...at(NOW, frozen(OTHER))])
      .when(freeze(POLICY))
      .then([])
    given(at(BORN, created({ frozenPolicies: [] })))
      .when(freeze(POLICY))
      .then([])
  })

  test('is left as it is where the keyspace is open again, or it was revoked', () => {
    given(ordinary)
      .when({ ...freeze(POLICY), rules: rules() })
      .then([])
    given([...ordinary, ...at(NOW, revoked)])
      .when(freeze(POLICY))
      .then([])
  })

  test('that was frozen is edited no more in what it grants, also when its keyspace is open again', () => {
    for (const now of [FROZEN, rules()])
      for (const change of [{ policyIds: [] }, { permissions: ['*'] }, { actsAsId: 'user-1' }])
        given([...ordinary, ...at(NOW, frozen(POLICY, OTHER))])
          .when(update(change, { rules: now }))
          .thenRefused({ code: 'AUTHORIZATIONS_FROZEN' })
  })

  test('that is not frozen yet can be edited no more either, until the keyspace is opened again', () => {
    given(at(BORN, created()))
      .when(update({ permissions: ['*'] }, { rules: FROZEN }))
      .thenRefused({ code: 'AUTHORIZATIONS_FROZEN' })
    given(at(BORN, created()))
      .when(update({ permissions: ['*'] }))
      .then([{ type: 'key.updated', data: { permissions: ['*'] } }])
  })
})

describe('the users of a key', () => {
  const OWNERS = rules({ managedBy: 'OWNERS' })
  const owned = { ...DETAILS, ownerId: 'user-1', actsAsId: undefined }

  test('are nobody unless they are given', () => {
    given()
      .when(create({ details: { ...DETAILS, actsAsId: undefined } }))
      .then([created()])
    given()
      .when(create({ details: owned }))
      .then([created({ ownerId: 'user-1' })])
    given()
      .when(create({ details: { ...owned, actsAsId: 'user-2' } }))
      .then([created({ ownerId: 'user-1', actsAsId: 'user-2' })])
  })

  test('where owners manage are the owner in both, unless told otherwise', () => {
    given()
      .when(create({ details: owned, rules: OWNERS }))
      .then([created({ ownerId: 'user-1', actsAsId: 'user-1' })])
    given()
      .when(create({ details: { ...owned, actsAsId: 'user-2' }, rules: OWNERS }))
      .then([created({ ownerId: 'user-1', actsAsId: 'user-2' })])
    given()
      .when(create({ details: { ...owned, actsAsId: null }, rules: OWNERS }))
      .then([created({ ownerId: 'user-1' })])
    given()
      .when(create({ details: { ...DETAILS, actsAsId: undefined }, rules: OWNERS }))
      .then([created()])
  })

  test('can be given, changed and taken', () => {
    given(at(BORN, created()))
      .when(update({ ownerId: 'user-1', actsAsId: 'user-2' }))
      .then([{ type: 'key.updated', data: { ownerId: 'user-1', actsAsId: 'user-2' } }])
    given(at(BORN, created({ ownerId: 'user-1', actsAsId: 'user-2' })))
      .when(update({ ownerId: null, actsAsId: null }))
      .then([{ type: 'key.updated', data: { ownerId: null, actsAsId: null } }])
    given(at(BORN, created({ ownerId: 'user-1', actsAsId: 'user-2' })))
      .when(update({ ownerId: 'user-1', actsAsId: 'user-2' }))
      .then([])
  })

  test('a frozen key has another owner at will, and acts as the same user for good', () => {
    const born = at(BORN, created({ ownerId: 'user-1', actsAsId: 'user-1', frozenPolicies: [] }))
    for (const actsAsId of ['user-2', null])
      given(born).when(update({ actsAsId })).thenRefused({ code: 'AUTHORIZATIONS_FROZEN' })
    given(at(BORN, created()))
      .when(update({ actsAsId: 'user-1' }, { rules: FROZEN }))
      .thenRefused({ code: 'AUTHORIZATIONS_FROZEN' })
    given(born)
      .when(update({ ownerId: 'user-2', actsAsId: 'user-1' }))
      .then([{ type: 'key.updated', data: { ownerId: 'user-2' } }])
  })
})
