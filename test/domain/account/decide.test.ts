import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { AccountCommand } from '#domain/account/commands.ts'
import { decideAccount } from '#domain/account/decide.ts'
import type { AccountFact } from '#domain/account/events.ts'
import { type AccountState, evolveAccount, initialAccount } from '#domain/account/state.ts'
import { at, type Decider, fold, givenFor } from '#test/support/given.ts'

const decider: Decider<AccountCommand, AccountState, AccountFact, never> = {
  initial: initialAccount,
  evolve: evolveAccount,
  decide: decideAccount,
}
const given = givenFor(decider)

const BORN = '2026-03-01T09:00:00.000Z'
const data = { name: 'Example', managementKeyspaceId: 'keyspace-1' }
const created: AccountFact = { type: 'account.created', data }
const updated: AccountFact = { type: 'account.updated', data: { name: 'Other' } }
const create: AccountCommand = { type: 'CreateAccount', ...data }
const rename = (name?: string): AccountCommand => ({ type: 'UpdateAccount', name })

describe('every command in every state', () => {
  test('CreateAccount: once', () => {
    given().when(create).then([created])
    given(at(BORN, created)).when(create).thenImpossible('a stream is created once')
  })

  test('UpdateAccount: of an account that exists, and only what really changes', () => {
    given().when(rename('Other')).thenImpossible('only an existing account is updated')
    given(at(BORN, created)).when(rename('Other')).then([updated])
    given(at(BORN, created)).when(rename('Example')).then([])
    given(at(BORN, created)).when(rename()).then([])
  })

  test('there are no others', () => {
    const commands = readFileSync('src/domain/account/commands.ts', 'utf8').matchAll(/readonly type: '(\w+)'/g)
    expect(Array.from(commands, (match) => match[1])).toEqual(['CreateAccount', 'UpdateAccount'])
    const statuses = readFileSync('src/domain/account/state.ts', 'utf8').matchAll(/readonly status: '(\w+)'/g)
    expect(Array.from(statuses, (match) => match[1])).toEqual(['none', 'active'])
  })
})

test('an account is what its events say', () => {
  expect(fold(decider, at<AccountFact>(BORN, created, updated))).toEqual({
    ...data,
    status: 'active',
    name: 'Other',
    createdAt: BORN,
  })
  expect(() => fold(decider, at(BORN, updated))).toThrow('Invariant broken')
  expect(() => fold(decider, at(BORN, created, created))).toThrow('Invariant broken')
})
