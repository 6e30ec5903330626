// Retries are safe, also those that do not wait for the first answer.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateAccountDocument,
  CreateKeyDocument,
  DeleteCodeDocument,
  IssueCodeDocument,
  RotateKeyDocument,
} from '#test/generated/operations.ts'
import {
  atOnce,
  historyOf,
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
let keyspaceId: string
beforeAll(async () => {
  const { accountId } = await app.createAccount()
  keyspaceId = await app.createKeyspace(accountId)
})
afterAll(() => app.close())

const distinct = (values: readonly unknown[]) => new Set(values.map((value) => JSON.stringify(value))).size

describe('20 identical requests at once under one idempotency key', { timeout: RACE_TIMEOUT_MS }, () => {
  test('to create a key make one, and one answer has its secret', async () => {
    await rounds(async (round) => {
      const input = { keyspaceId, name: 'once', idempotencyKey: `create ${round}` }
      const results = await atOnce(
        round,
        times(20, () => () => mutate(app, CreateKeyDocument, input)),
      )
      expect(tally(results)).toEqual({ done: 20 })
      const made = results.filter(isSuccess)
      expect(distinct(made.map(({ key, issued, events }) => [key, issued.map((one) => one.accessCode), events]))).toBe(
        1,
      )
      expect(made.flatMap(({ issued }) => issued).filter(({ secret }) => secret !== null)).toHaveLength(1)
      expect(await historyOf(app, made[0]!.key.id)).toEqual(['key.created', 'code.issued'])
    })
  })

  test('to rotate a key rotate it once', async () => {
    const { keyId } = await app.createKey(keyspaceId)
    await rounds(async (round) => {
      const input = { keyId, overlapSeconds: 60, idempotencyKey: `rotate ${round}` }
      const results = await atOnce(
        round,
        times(20, () => () => mutate(app, RotateKeyDocument, input)),
      )
      expect(tally(results)).toEqual({ done: 20 })
      const made = results.filter(isSuccess)
      expect(distinct(made.map(({ rotation, issued, events }) => [rotation, issued.accessCode, events]))).toBe(1)
      expect(made.filter(({ issued }) => issued.secret !== null)).toHaveLength(1)
      expect((await historyOf(app, keyId)).filter((type) => type === 'key.rotated')).toHaveLength(round + 1)
    })
  })

  test('to create an account make one', async () => {
    await rounds(async (round) => {
      const input = { name: 'once', idempotencyKey: `account ${round}` }
      const results = await atOnce(
        round,
        times(20, () => () => mutate(app, CreateAccountDocument, input)),
      )
      expect(tally(results)).toEqual({ done: 20 })
      expect(distinct(results)).toBe(1)
    })
  })

  test('that differ in their input do one thing, and the others are told so', async () => {
    const { keyId } = await app.createKey(keyspaceId)
    await rounds(async (round) => {
      const racers = times(20, (index) => () => {
        const input = { keyId, overlapSeconds: index, idempotencyKey: `differs ${round}` }
        return mutate(app, RotateKeyDocument, input)
      })
      expect(tally(await atOnce(round, racers))).toEqual({ done: 1, IDEMPOTENCY_KEY_REUSED: 19 })
    })
  })
})

describe('a request that was refused', { timeout: RACE_TIMEOUT_MS }, () => {
  test('keeps nothing of its idempotency key: once there is room, 20 retries at once issue one code', async () => {
    await rounds(async (round) => {
      const { keyId, codeId } = await app.createKey(keyspaceId, { codes: [{}, {}] })
      const input = { keyId, idempotencyKey: `refused ${round}` }
      const issue = () => mutate(app, IssueCodeDocument, input)
      expect(
        tally(
          await atOnce(
            round,
            times(20, () => issue),
          ),
        ),
      ).toEqual({ CODE_LIMIT_REACHED: 20 })

      await app.ask(DeleteCodeDocument, { input: { codeId } })
      const results = await atOnce(
        round,
        times(20, () => issue),
      )
      expect(tally(results)).toEqual({ done: 20 })
      const issued = results.filter(isSuccess).map((result) => result.issued)
      expect(distinct(issued.map(({ accessCode }) => accessCode))).toBe(1)
      expect(issued.filter(({ secret }) => secret !== null)).toHaveLength(1)
    })
  })
})

test('all the while, whoever followed the log missed nothing and met no hole', () => inspect(arena))
