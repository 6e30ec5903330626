// Policies against what relies on them, at once: no verification goes by an edit that has been overtaken, and none is deleted
// under a key.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateKeyDocument,
  CreatePolicyDocument,
  DeletePolicyDocument,
  UpdateKeyDocument,
  UpdatePolicyDocument,
  VerifyKeyDocument,
} from '#test/generated/operations.ts'
import {
  atOnce,
  inspect,
  isSuccess,
  mutate,
  openArena,
  outcomeOf,
  RACE_TIMEOUT_MS,
  rounds,
  tally,
  times,
} from './arena.ts'

const arena = await openArena()
const { app } = arena
let accountId: string
let keyspaceId: string
beforeAll(async () => {
  accountId = (await app.createAccount()).accountId
  keyspaceId = await app.createKeyspace(accountId)
})
afterAll(() => app.close())

const verdictOn = async (key: string, permission: string) =>
  (await app.ask(VerifyKeyDocument, { input: { key, permission } })).verifyKey.code

describe('a policy edit', { timeout: RACE_TIMEOUT_MS }, () => {
  test('holds for every verification that begins after it has returned', async () => {
    await rounds(async () => {
      const policyId = await app.createPolicy(accountId, { permissions: ['ads.read'] })
      const { secret } = await app.createKey(keyspaceId, { policyIds: [policyId] })
      let edited = false
      const verify = async () => {
        const began = edited
        const code = await verdictOn(secret, 'ads.read')
        if (began) expect(code).toBe('INSUFFICIENT_PERMISSIONS')
        return code
      }
      const edit = mutate(app, UpdatePolicyDocument, { policyId, permissions: [] }).then((result) => {
        edited = true
        return result
      })
      const during = await Promise.all([edit, ...times(10, verify)])
      expect(outcomeOf(during[0])).toBe('done')
      expect(new Set(await Promise.all(times(5, verify)))).toEqual(new Set(['INSUFFICIENT_PERMISSIONS']))
    })
  })

  test('and another come one after the other, and the last one holds', async () => {
    const policyId = await app.createPolicy(accountId)
    const edits = times(20, (i) => () => mutate(app, UpdatePolicyDocument, { policyId, permissions: [`p${i}`] }))
    expect(tally(await atOnce(0, edits))).toEqual({ done: 20 })
  })
})

describe('deletePolicy', { timeout: RACE_TIMEOUT_MS }, () => {
  test.each(['made', 'changed'] as const)('and a key that is %s with it: one of them is refused', async (how) => {
    const outcomes = new Set<string>()
    await rounds(async (round) => {
      const policyId = await app.createPolicy(accountId)
      const { keyId } = await app.createKey(keyspaceId)
      const policyIds = [policyId]
      const [removed, given] = await atOnce(round, [
        () => mutate(app, DeletePolicyDocument, { policyId }),
        () =>
          how === 'made'
            ? mutate(app, CreateKeyDocument, { keyspaceId, name: 'k', policyIds })
            : mutate(app, UpdateKeyDocument, { keyId, policyIds }),
      ])
      const outcome = `${outcomeOf(removed)}, ${outcomeOf(given)}`
      expect(['done, NOT_FOUND', 'POLICY_IN_USE, done']).toContain(outcome)
      outcomes.add(outcome)
    })
    expect(outcomes.size).toBeGreaterThan(0)
  })
})

describe('names', { timeout: RACE_TIMEOUT_MS }, () => {
  test('one of many policies made at once gets the name', async () => {
    await rounds(async (round) => {
      const input = { accountId, name: `name ${round}`, description: 'd', permissions: [] }
      const results = await atOnce(
        round,
        times(5, () => () => mutate(app, CreatePolicyDocument, input)),
      )
      expect(tally(results)).toEqual({ done: 1, NAME_IN_USE: 4 })
      expect(results.filter(isSuccess)).toHaveLength(1)
    })
  })
})

test('after all races the log is dense, and the state is what it says', () => inspect(arena))
