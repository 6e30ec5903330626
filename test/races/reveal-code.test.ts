// Once a code is retired, nobody is shown its secret, however close they came.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateKeyDocument,
  RevealCodeDocument,
  RevokeKeyDocument,
  RotateKeyDocument,
  UpdateKeyspaceDocument,
} from '#test/generated/operations.ts'
import { atOnce, inspect, isSuccess, mutate, openArena, outcomeOf, RACE_TIMEOUT_MS, rounds, times } from './arena.ts'

const arena = await openArena()
const { app } = arena
let accountId: string
let keyspaceId: string
beforeAll(async () => {
  accountId = (await app.createAccount()).accountId
  keyspaceId = await app.createKeyspace(accountId, { secretDisplay: 'REVEALABLE' })
})
afterAll(() => app.close())

const reveal = (codeId: string) => () => mutate(app, RevealCodeDocument, { codeId })

const ENDS = [
  ['revoked', 'KEY_REVOKED', (keyId: string) => mutate(app, RevokeKeyDocument, { keyId })],
  ['replaced', 'CODE_NOT_LIVE', (keyId: string) => mutate(app, RotateKeyDocument, { keyId, overlapSeconds: 3_600 })],
] as const

describe.each(ENDS)('while a code is %s', (_how, refusal, end) => {
  test('its secret is shown before or not at all', { timeout: RACE_TIMEOUT_MS }, async () => {
    await rounds(async (round) => {
      const { keyId, codeId, secret } = await app.createKey(keyspaceId)
      let ended = false
      const lateOnes: string[] = []
      const late = async () => {
        const startedAfter = ended
        const result = await reveal(codeId)()
        if (startedAfter) lateOnes.push(outcomeOf(result))
        return result
      }
      const ending = async () => {
        const result = await end(keyId)
        ended = true
        return result
      }
      const [done, ...shown] = await atOnce(round, [ending, ...times(8, () => late)])
      expect(done.__typename).toMatch(/Success$/)
      for (const result of shown)
        if (isSuccess(result)) expect('secret' in result && result.secret).toBe(secret)
        else expect(outcomeOf(result)).toBe(refusal)
      expect(outcomeOf(await late())).toBe(refusal)
      expect(new Set(lateOnes)).toEqual(new Set([refusal]))
      const { rows } = await app.database.owner.pool.query('SELECT FROM vault.sealed_secret WHERE code_id = $1', [
        codeId,
      ])
      expect(rows).toEqual([])
    })
  })
})

describe('while a keyspace goes back to ONCE', () => {
  test('no secret of a code that is issued meanwhile stays', { timeout: RACE_TIMEOUT_MS }, async () => {
    await rounds(async (round) => {
      const other = await app.createKeyspace(accountId, { secretDisplay: 'REVEALABLE' })
      const update = () => mutate(app, UpdateKeyspaceDocument, { keyspaceId: other, rules: { secretDisplay: 'ONCE' } })
      const create = () => mutate(app, CreateKeyDocument, { keyspaceId: other, name: 'racer' })
      const results = await atOnce(round, [update, ...times(8, () => create)])
      expect(results.map(outcomeOf)).toEqual(Array(9).fill('done'))
      const { rows } = await app.database.owner.pool.query('SELECT FROM vault.sealed_secret WHERE keyspace_id = $1', [
        other,
      ])
      expect(rows).toEqual([])
    })
  })
})

test('the log was dense at every moment, and the state is what it says', () => inspect(arena))
