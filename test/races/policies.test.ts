// Policies against what relies on them, at once: no verification goes by an edit that has been overtaken, and none is deleted
// under a key.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateKeyDocument,
  CreatePolicyDocument,
  DeletePolicyDocument,
  UpdateKeyDocument,
  UpdateKeyspaceDocument,
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

describe('freezing a keyspace', { timeout: RACE_TIMEOUT_MS }, () => {
  const FROZEN = { authorizations: 'FROZEN' } as const
  const OPEN = { authorizations: 'EDITABLE' } as const
  type Kept = { readonly policyId: string; readonly permissions: readonly string[] }
  /** Its keys, with what they keep of the policy, and the positions since which they do. */
  const keysIn = async (frozenId: string) =>
    (
      await app.database.owner.pool.query<{ policies: string[]; kept: Kept[] | null; since: string | null }>(
        `SELECT k.policy_ids AS policies, k.frozen_policies AS kept, min(e.position) AS since
           FROM state.key k
           LEFT JOIN log.event e ON e.stream_id = k.key_id AND e.data -> 'frozenPolicies' <> 'null'
          WHERE k.keyspace_id = $1 GROUP BY k.shard, k.key_id`,
        [frozenId],
      )
    ).rows

  test('while a policy is edited and keys are made and changed: each keeps what it was when it was frozen', async () => {
    await rounds(async (round) => {
      const late = await app.createKeyspace(accountId)
      const policyId = await app.createPolicy(accountId, { permissions: ['old'] })
      const given = { policyIds: [policyId] }
      const before = await Promise.all(times(5, () => app.createKey(late, given)))
      const [switched, edited, changed, ...made] = await atOnce(round, [
        () => mutate(app, UpdateKeyspaceDocument, { keyspaceId: late, rules: FROZEN }),
        () => mutate(app, UpdatePolicyDocument, { policyId, permissions: ['new'] }),
        () => mutate(app, UpdateKeyDocument, { keyId: before[0]?.keyId ?? '', policyIds: [] }),
        ...times(5, () => () => mutate(app, CreateKeyDocument, { keyspaceId: late, name: 'k', ...given })),
      ])
      expect([switched, edited, ...made].map((result) => outcomeOf(result as never))).toEqual(times(7, () => 'done'))
      expect(['done', 'AUTHORIZATIONS_FROZEN']).toContain(outcomeOf(changed as never))
      const { rows } = await app.database.owner.pool.query<{ position: string }>(
        `SELECT position FROM log.event WHERE stream_id = $1 AND type = 'policy.updated'`,
        [policyId],
      )
      const keys = await keysIn(late)
      expect(keys).toHaveLength(10)
      for (const { policies, kept, since } of keys) {
        const then = Number(since) > Number(rows[0]?.position) ? 'new' : 'old'
        expect(kept).toMatchObject(policies.map(() => ({ policyId, permissions: [then] })))
      }
      // And no edit reaches any of them again.
      expect(await mutate(app, UpdatePolicyDocument, { policyId, permissions: ['*'] })).toMatchObject({ policy: {} })
      const secrets = [...before, ...made.filter(isSuccess).flatMap((one) => ('issued' in one ? one.issued : []))]
      expect(secrets).toHaveLength(10)
      for (const { secret } of secrets) expect(await verdictOn(secret ?? '', 'other')).toBe('INSUFFICIENT_PERMISSIONS')
    })
  })

  test('while its policy is deleted: no key loses what it granted', async () => {
    await rounds(async (round) => {
      const late = await app.createKeyspace(accountId)
      const policyId = await app.createPolicy(accountId, { permissions: ['kept'] })
      const before = await Promise.all(times(5, () => app.createKey(late, { policyIds: [policyId] })))
      const [switched, removed] = await atOnce(round, [
        () => mutate(app, UpdateKeyspaceDocument, { keyspaceId: late, rules: FROZEN }),
        () => mutate(app, DeletePolicyDocument, { policyId }),
      ])
      expect(outcomeOf(switched)).toBe('done')
      expect(['done', 'POLICY_IN_USE']).toContain(outcomeOf(removed))
      expect(outcomeOf(await mutate(app, DeletePolicyDocument, { policyId }))).toBe('done')
      for (const { secret } of before) expect(await verdictOn(secret, 'kept')).toBe('VALID')
    })
  })

  test('and opening it again, while keys get another policy: what is frozen is what they hold', async () => {
    await rounds(async (round) => {
      const late = await app.createKeyspace(accountId)
      const [one, two] = [await app.createPolicy(accountId), await app.createPolicy(accountId)]
      const keys = await Promise.all(times(4, () => app.createKey(late, { policyIds: [one] })))
      const switches = [FROZEN, OPEN, FROZEN].map(
        (rules) => () => mutate(app, UpdateKeyspaceDocument, { keyspaceId: late, rules }),
      )
      const changes = keys.map(
        ({ keyId }) =>
          () =>
            mutate(app, UpdateKeyDocument, { keyId, policyIds: [two] }),
      )
      await atOnce(round, [...switches, ...changes] as never)
      await mutate(app, UpdateKeyspaceDocument, { keyspaceId: late, rules: FROZEN })
      for (const { policies, kept } of await keysIn(late))
        expect(kept?.map(({ policyId }) => policyId)).toEqual(policies)
    })
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
