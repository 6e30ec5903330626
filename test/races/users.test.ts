// The directory stays exact, however many write to it at once.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AddUserDocument, RemoveUserDocument, UsersDocument } from '#test/generated/operations.ts'
import { atOnce, inspect, isSuccess, mutate, openArena, RACE_TIMEOUT_MS, rounds, tally, times } from './arena.ts'

const arena = await openArena()
const { app } = arena
let accountId: string
beforeAll(async () => {
  accountId = (await app.createAccount()).accountId
})
afterAll(() => app.close())

describe('users', { timeout: RACE_TIMEOUT_MS }, () => {
  test('of 20 added at once with one external id, there is one', async () => {
    await rounds(async (round) => {
      const input = { accountId, externalId: `racer-${round}@example.org`, role: 'MEMBER' } as const
      const results = await atOnce(
        round,
        times(20, () => () => mutate(app, AddUserDocument, input)),
      )
      expect(tally(results)).toEqual({ done: 1, NAME_IN_USE: 19 })
    })
    const { account } = await app.ask(UsersDocument, { accountId })
    expect(account?.users?.totalCount).toBe(20)
  })

  test('removed by many at once are removed once', async () => {
    await rounds(async (round) => {
      const added = await mutate(app, AddUserDocument, { accountId, externalId: `leaver-${round}`, role: 'MEMBER' })
      const userId = isSuccess(added) ? added.user.id : ''
      const results = await atOnce(
        round,
        times(10, () => () => mutate(app, RemoveUserDocument, { userId })),
      )
      expect(tally(results)).toEqual({ done: 10 })
      expect(results.filter(isSuccess).flatMap(({ events }) => events)).toHaveLength(1)
    })
  })
})

test('all the while, whoever followed the log missed nothing and met no hole', () => inspect(arena))
