// A secret belongs to one code, however many bring it at once.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { randomDigits } from '#secret/random.ts'
import { CreateKeyDocument, IssueCodeDocument, RotateKeyDocument } from '#test/generated/operations.ts'
import { atOnce, inspect, mutate, openArena, RACE_TIMEOUT_MS, rounds, tally, times } from './arena.ts'

const arena = await openArena()
const { app } = arena
let keyspaceId: string
beforeAll(async () => {
  const { accountId } = await app.createAccount()
  keyspaceId = await app.createKeyspace(accountId, { customSecrets: true, codesAtCreation: 1 })
})
afterAll(() => app.close())

describe('an own secret', { timeout: RACE_TIMEOUT_MS }, () => {
  test('of 20 keys created with it at once, exactly one has it', async () => {
    await rounds(async (round) => {
      const secret = randomDigits(24)
      const create = () => mutate(app, CreateKeyDocument, { keyspaceId, name: 'racer', codes: [{ secret }] })
      expect(
        tally(
          await atOnce(
            round,
            times(20, () => create),
          ),
        ),
      ).toEqual({ done: 1, SECRET_IN_USE: 19 })
    })
  })

  test('created, issued and rotated in at once, exactly one code has it', async () => {
    await rounds(async (round) => {
      const secret = randomDigits(24)
      const [{ keyId }, other] = await Promise.all([app.createKey(keyspaceId), app.createKey(keyspaceId)])
      const results = await atOnce(round, [
        () => mutate(app, CreateKeyDocument, { keyspaceId, name: 'racer', codes: [{ secret }] }),
        () => mutate(app, IssueCodeDocument, { keyId, secret }),
        () => mutate(app, RotateKeyDocument, { keyId: other.keyId, secret }),
      ])
      expect(tally(results)).toEqual({ done: 1, SECRET_IN_USE: 2 })
    })
  })
})

test('the log was dense at every moment, and the state is what it says', () => inspect(arena))
