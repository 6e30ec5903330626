// Many accounts write at once, several to each feed shard: what one account's counter orders by itself is only ordered between
// accounts by the shard's.
import { afterAll, describe, expect, test } from 'vitest'
import { CreateKeyDocument } from '#test/generated/operations.ts'
import { atOnce, inspect, mutate, openArena, RACE_TIMEOUT_MS, rounds, tally, times } from './arena.ts'

const ACCOUNTS = 40

const arena = await openArena()
const { app } = arena
afterAll(() => app.close())

describe('positions', { timeout: RACE_TIMEOUT_MS }, () => {
  test('become visible in their order, in every account and every shard', async () => {
    const accounts = await Promise.all(times(ACCOUNTS, () => app.createAccount()))
    const keyspaceIds = await Promise.all(accounts.map(({ accountId }) => app.createKeyspace(accountId)))
    await rounds(async (round) => {
      const create = (keyspaceId: string) => () => mutate(app, CreateKeyDocument, { keyspaceId, name: 'one of many' })
      expect(tally(await atOnce(round, keyspaceIds.map(create)))).toEqual({ done: ACCOUNTS })
    })
  })
})

test('all the while, whoever followed the log missed nothing and met no hole', () => inspect(arena))
