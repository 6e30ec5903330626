// Secrets that the caller brings: what the keyspace's rule, their strength and what is in use say, the same wherever a code
// is made.
import { describe, expect, test } from 'vitest'
import type { CodeRequest, KeyCommand } from '#domain/key/commands.ts'
import { decideKey } from '#domain/key/decide.ts'
import { initialKey } from '#domain/key/state.ts'
import type { KeyspaceRules } from '#domain/keyspace/rules.ts'
import { at, givenFor } from '#test/support/given.ts'
import {
  BORN,
  create,
  created,
  days,
  issue,
  issued,
  keyAfter,
  keyDecider,
  oneCode,
  request,
  rotate,
  rules,
} from './fixtures.ts'

const given = givenFor(keyDecider)
const good = { strong: true, taken: false }
const own = (changes: Partial<NonNullable<CodeRequest['ownSecret']>> = {}): CodeRequest =>
  request('x', { ownSecret: { ...good, ...changes } })

const ALLOWED = { customSecrets: true }
const MAKERS: readonly (readonly [string, (code: CodeRequest, changes: Partial<KeyspaceRules>) => KeyCommand])[] = [
  ['createKey', (code, changes) => create({ rules: rules(changes), codes: [code] })],
  ['issueCode', (code, changes) => issue(code, changes)],
  ['rotateKey', (code, changes) => rotate(code, { rules: rules(changes) })],
]

describe.each(MAKERS)('%s', (name, make) => {
  const outcomeOf = (code: CodeRequest, changes: Partial<KeyspaceRules> = ALLOWED) => {
    const decision = decideKey(make(code, changes), name === 'createKey' ? initialKey : keyAfter(oneCode()))
    return decision.kind === 'refused' ? decision.refusal.code : 'accepted'
  }

  test('takes an own secret where the rule allows it', () => expect(outcomeOf(own())).toBe('accepted'))

  test('takes none where it does not, whatever else is to be said of it', () => {
    for (const code of [own(), own({ strong: false }), own({ taken: true })])
      expect(outcomeOf(code, { customSecrets: false })).toBe('SECRET_NOT_ALLOWED')
  })

  test('takes a generated one either way', () => {
    for (const customSecrets of [true, false]) expect(outcomeOf(request('x'), { customSecrets })).toBe('accepted')
  })

  test('takes none that is weak, and then does not tell whether it is in use', () => {
    expect(outcomeOf(own({ strong: false }))).toBe('SECRET_TOO_WEAK')
    expect(outcomeOf(own({ strong: false, taken: true }))).toBe('SECRET_TOO_WEAK')
  })

  test('takes none that is or was in use', () => expect(outcomeOf(own({ taken: true }))).toBe('SECRET_IN_USE'))
})

test('one key does not get the same secret for two codes', () => {
  const twice = [own(), request('y', { ownSecret: good, digest: own().digest })]
  given()
    .when(create({ rules: rules(ALLOWED), codes: twice }))
    .thenRefused({ code: 'SECRET_IN_USE' })
  given(at(BORN, created(), issued('a', { expiresAt: days(0), digest: own().digest })))
    .when(issue(own(), ALLOWED))
    .thenRefused({ code: 'SECRET_IN_USE' })
})

test('the fact does not say that the secret was brought: it is looked up like any other', () => {
  given(at(BORN, created()))
    .when(issue(own(), ALLOWED))
    .then([issued('x')])
})
