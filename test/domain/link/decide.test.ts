import { describe, expect, test } from 'vitest'
import type { LinkCommand, LinkKey } from '#domain/link/commands.ts'
import { decideLink } from '#domain/link/decide.ts'
import type { LinkFact } from '#domain/link/events.ts'
import type { LinkRefusal } from '#domain/link/refusals.ts'
import { evolveLink, initialLink, type LinkState } from '#domain/link/state.ts'
import { at, type Decider, fold, givenFor } from '#test/support/given.ts'

const decider: Decider<LinkCommand, LinkState, LinkFact, LinkRefusal> = {
  initial: initialLink,
  evolve: evolveLink,
  decide: decideLink,
}
const given = givenFor(decider)

const DETAILS = { keyId: 'key_1', keyspaceId: null, policyIds: ['pol_1', 'pol_2'] }
const LINK: LinkKey = { type: 'LinkKey', details: DETAILS, ownKey: false, alreadyLinked: false }
const linked: LinkFact = { type: 'key.linked', data: DETAILS }
const unlinked: LinkFact = { type: 'key.unlinked', data: {} }
const THEN = at('2026-01-01T00:00:00.000Z', linked)
const LATER = at('2026-02-01T00:00:00.000Z', unlinked)

describe('a key that is linked', () => {
  test('is let in under the policies given, into one keyspace or all', () => {
    given().when(LINK).then([linked])
    const details = { ...DETAILS, keyspaceId: 'ks_1' }
    given()
      .when({ ...LINK, details })
      .then([{ type: 'key.linked', data: details }])
  })

  test('needs a policy', () => {
    given()
      .when({ ...LINK, details: { ...DETAILS, policyIds: [] } })
      .thenRefused({ code: 'POLICY_REQUIRED' })
  })

  test('is not one of the account itself', () => {
    for (const alreadyLinked of [false, true])
      given()
        .when({ ...LINK, ownKey: true, alreadyLinked })
        .thenRefused({ code: 'LINK_TO_OWN_KEY' })
  })

  test('is not linked already', () => {
    given()
      .when({ ...LINK, alreadyLinked: true })
      .thenRefused({ code: 'ALREADY_LINKED' })
  })

  test('has a stream that is created once', () => {
    given(THEN).when(LINK).thenImpossible('a stream is created once')
  })
})

describe('a link that is updated', () => {
  const update = (...policyIds: string[]): LinkCommand => ({ type: 'UpdateLink', policyIds })

  test('holds the policies that it is given, in their order', () => {
    for (const policyIds of [['pol_3'], ['pol_2', 'pol_1'], ['pol_1']])
      given(THEN)
        .when(update(...policyIds))
        .then([{ type: 'link.updated', data: { policyIds } }])
  })

  test('by nothing has no event', () => {
    given(THEN).when(update('pol_1', 'pol_2')).then([])
  })

  test('is never left without a policy', () => {
    given(THEN).when(update()).thenRefused({ code: 'POLICY_REQUIRED' })
  })

  test('must be there', () => {
    given().when(update('pol_1')).thenImpossible('only a link that is there is updated')
    given(THEN, LATER).when(update('pol_1')).thenImpossible('only a link that is there is updated')
  })
})

describe('a key that is unlinked', () => {
  test('is unlinked once', () => {
    given(THEN).when({ type: 'UnlinkKey' }).then([unlinked])
    given(THEN, LATER).when({ type: 'UnlinkKey' }).then([])
    given().when({ type: 'UnlinkKey' }).thenImpossible('only an existing link is ended')
  })

  test('never comes back by the same link', () => {
    const updated: LinkFact = { type: 'link.updated', data: { policyIds: ['pol_1'] } }
    for (const fact of [linked, updated, unlinked])
      expect(() => fold(decider, [...THEN, ...LATER, ...at('2026-03-01T00:00:00.000Z', fact)])).toThrow('Invariant')
  })
})
