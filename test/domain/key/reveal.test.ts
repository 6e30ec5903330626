// What is shown again: what the rule allows and the vault has, and neither alone.
import { describe, test } from 'vitest'
import { at, givenFor } from '#test/support/given.ts'
import { BORN, codeRevealed, keyDecider, keyDisabled, oneCode, reveal } from './fixtures.ts'

const given = givenFor(keyDecider)

describe('RevealCode', () => {
  test('says whose secret it was, each time', () => {
    given(oneCode())
      .when(reveal('a'))
      .then([codeRevealed('a')])
    given(oneCode(), at(BORN, codeRevealed('a')))
      .when(reveal('a'))
      .then([codeRevealed('a')])
  })

  test('shows nothing where secrets are shown once, even if the vault still had one', () => {
    given(oneCode())
      .when(reveal('a', { secretDisplay: 'ONCE' }))
      .thenRefused({ code: 'SECRET_NOT_REVEALABLE' })
  })

  test('shows nothing that the vault does not have', () => {
    given(oneCode())
      .when(reveal('a', {}, false))
      .thenRefused({ code: 'SECRET_NOT_REVEALABLE' })
  })

  test('shows the secret of a key that is switched off', () => {
    given(oneCode(), at(BORN, keyDisabled))
      .when(reveal('a'))
      .then([codeRevealed('a')])
  })
})
