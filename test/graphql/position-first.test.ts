// `Account.position` vouches for all of an answer, so it has to be read before the rest of it.
import { describe, expect, test } from 'vitest'
import type { Caller } from '#domain/caller.ts'
import { ask, callerWith, ROOT, untouchable } from './support.ts'

async function firstTouched(source: string, caller: Caller): Promise<string | undefined> {
  const { errors } = await ask(source, untouchable(caller))
  return errors?.[0]?.message
}

const KEY = callerWith('accounts.read', 'keys.read')
const POSITION_FIRST = 'touched loaders.accountPosition'

describe('where the position of an account is asked for, it is read before anything else', () => {
  test.each([
    ['on the account', '{ account(id: "x") { position } }'],
    ['after other fields', '{ account(id: "x") { name keyspaces { nodes { name } } position } }'],
    ['further down', '{ key(id: "x") { account { position } } }'],
    ['beside other queries', '{ keyspace(id: "x") { name account { position } } }'],
    ['under another name', '{ account(id: "x") { from: position } }'],
    ['in a fragment', '{ account(id: "x") { ...P } } fragment P on Account { position }'],
    ['in an inline fragment', '{ node(id: "x") { ... on Account { position } } }'],
  ])('%s', async (_where, source) => {
    expect(await firstTouched(source, KEY)).toBe(POSITION_FIRST)
  })

  test('by root, of the account that is named', async () => {
    expect(await firstTouched('{ account(id: "x") { position } }', ROOT)).toBe(POSITION_FIRST)
  })
})

describe('where it is not asked for, it is not read', () => {
  test.each([
    ['{ account(id: "x") { name } }', 'touched loaders.account'],
    ['{ key(id: "x") { events { nodes { position } } } }', 'touched loaders.key'],
  ])('%s', async (source, touched) => {
    expect(await firstTouched(source, KEY)).toBe(touched)
  })

  test('and never for a caller who is turned away', async () => {
    expect(await firstTouched('{ account(id: "x") { position } }', callerWith())).toMatch(/^This needs the permission/)
  })
})
