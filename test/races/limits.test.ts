// Limits are exact, however many ask at once.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DAY_MS, plusMs } from '#domain/instant.ts'
import {
  CreateKeyDocument,
  EnableKeyDocument,
  IssueCodeDocument,
  KeyDocument,
  UpdateKeyDocument,
  UpdateKeyspaceDocument,
} from '#test/generated/operations.ts'
import {
  activeKeyCount,
  atOnce,
  inspect,
  isSuccess,
  mutate,
  openArena,
  RACE_TIMEOUT_MS,
  rounds,
  tally,
  times,
} from './arena.ts'

const arena = await openArena()
const { app } = arena
let accountId: string
beforeAll(async () => {
  accountId = (await app.createAccount()).accountId
})
afterAll(() => app.close())

const create = (keyspaceId: string) => () => mutate(app, CreateKeyDocument, { keyspaceId, name: 'racer' })

describe('live codes', { timeout: RACE_TIMEOUT_MS }, () => {
  test('of 50 issued at once, exactly liveCodesMax are', async () => {
    const keyspaceId = await app.createKeyspace(accountId, { liveCodesMax: 2, codesAtCreation: 0 })
    await rounds(async (round) => {
      const { keyId } = await app.createKey(keyspaceId)
      const issue = () => mutate(app, IssueCodeDocument, { keyId })
      const results = await atOnce(
        round,
        times(50, () => issue),
      )
      expect(tally(results)).toEqual({ done: 2, CODE_LIMIT_REACHED: 48 })

      const issued = results.filter(isSuccess).map(({ issued }) => issued.accessCode.slot)
      expect(issued.toSorted()).toEqual(['PRIMARY', 'SECONDARY'])
      const { key } = await app.ask(KeyDocument, { keyId })
      expect(key?.codes.map(({ status }) => status)).toEqual(['VALID', 'VALID'])
    })
  })
})

describe('active keys', { timeout: RACE_TIMEOUT_MS }, () => {
  test('of 50 created at once, exactly activeKeysMax 20 are', async () => {
    await rounds(async (round) => {
      const keyspaceId = await app.createKeyspace(accountId, { activeKeysMax: 20 })
      const results = await atOnce(
        round,
        times(50, () => create(keyspaceId)),
      )
      expect(tally(results)).toEqual({ done: 20, KEY_LIMIT_REACHED: 30 })
      expect(await activeKeyCount(app, keyspaceId)).toBe(20)
    })
  })

  test('a key that is switched off counts: one that is switched on and one that is created can not both slip in', async () => {
    await rounds(async (round) => {
      const keyspaceId = await app.createKeyspace(accountId, { activeKeysMax: 3 })
      await app.createKey(keyspaceId)
      const { keyId } = await app.createKey(keyspaceId, { enabled: false })
      const enable = () => mutate(app, EnableKeyDocument, { keyId })
      const [enabled, ...created] = await atOnce(round, [enable, ...times(5, () => create(keyspaceId))])
      expect(tally([enabled!])).toEqual({ done: 1 })
      expect(tally(created)).toEqual({ done: 1, KEY_LIMIT_REACHED: 4 })
      expect(await activeKeyCount(app, keyspaceId)).toBe(3)
    })
  })

  test('of expired keys that are revived and new ones, one takes the only place', async () => {
    await rounds(async (round) => {
      const keyspaceId = await app.createKeyspace(accountId, { activeKeysMax: 2 })
      const expiresAt = plusMs(app.clock.now(), DAY_MS)
      const expired = await Promise.all(times(2, () => app.createKey(keyspaceId, { expiresAt })))
      app.clock.advance(DAY_MS)
      await app.createKey(keyspaceId)
      const revive = expired.map(
        ({ keyId }) =>
          () =>
            mutate(app, UpdateKeyDocument, { keyId, expiresAt: null }),
      )
      const results = await atOnce(round, [...revive, ...times(2, () => create(keyspaceId))])
      expect(tally(results)).toEqual({ done: 1, KEY_LIMIT_REACHED: 3 })
      expect(await activeKeyCount(app, keyspaceId)).toBe(2)
    })
  })

  test('a limit that comes meanwhile holds from its very event on', async () => {
    await rounds(async (round) => {
      const keyspaceId = await app.createKeyspace(accountId)
      const limit = () => mutate(app, UpdateKeyspaceDocument, { keyspaceId, rules: { activeKeysMax: 5 } })
      const creators = times(10, () => create(keyspaceId))
      const [limited, ...created] = await atOnce(round, [limit, ...creators, ...creators])
      expect(tally([limited])).toEqual({ done: 1 })
      const { done = 0, KEY_LIMIT_REACHED: refused = 0 } = tally(created)
      expect(done + refused).toBe(20)
      expect(done).toBe(Math.max(5, await createdBeforeLimit(keyspaceId)))
    })
  })
})

test('all the while, whoever followed the log missed nothing and met no hole', () => inspect(arena))

/** Lower limits revoke nothing: as many keys as had been created by then stay. */
async function createdBeforeLimit(keyspaceId: string): Promise<number> {
  const { rows } = await app.database.owner.pool.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM log.event created
       JOIN log.event limited ON limited.stream_id = $1 AND limited.type = 'keyspace.updated'
      WHERE created.type = 'key.created' AND created.data ->> 'keyspaceId' = $1 AND created.position < limited.position`,
    [keyspaceId],
  )
  return rows[0]?.count ?? 0
}
